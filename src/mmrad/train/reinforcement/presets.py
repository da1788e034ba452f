"""Published variants of the GRPO loss, as arguments of TRL's trainer.

| preset          | from                                 | what it is                                        |
|-----------------|--------------------------------------|---------------------------------------------------|
| `grpo`          | the paper's Eq. 1, as VeRL runs it   | mean over all tokens                              |
| `grpo_sequence` | Shao et al. 2024 (arXiv 2402.03300)  | mean over each response's tokens, then over those |
| `dapo`          | Yu et al. 2025 (arXiv 2503.14476)    | wider upper clip, cut responses left out, no KL   |
| `gspo`          | Zheng et al. 2025 (arXiv 2507.18071) | one ratio for a whole response, no KL             |
| `dr_grpo`       | Liu et al. 2025 (arXiv 2503.20783)   | not divided by length or the rewards' spread      |

The factor of the paper's Eq. 1, one over the tokens of all responses, makes it a mean over the tokens of a
group, whereas the GRPO that it cites takes the mean of each response first. VeRL, which the authors trained
with, by default takes the mean over all tokens of a batch, and so does TRL under the name `dapo`: that is
`grpo` here, and `grpo_sequence` is the other reading. They agree where all responses are equally long. Eq. 1
weighs queries equally, however long the responses to them; a mean over a batch weighs them by length.
"""

from __future__ import annotations

from typing import Any

from mmrad.errors import UsageError
from mmrad.train.recipe import Reinforcement

_PAPER = {
    "beta": 0.001,
    "epsilon": 0.2,
    # VeRL's second clip, which its defaults have and Eq. 1 has not: a bad response whose ratio has grown
    # beyond 3 is no longer pushed down.
    "delta": 3.0,
}

PRESETS: dict[str, dict[str, Any]] = {
    "grpo": {**_PAPER, "loss_type": "dapo"},
    "grpo_sequence": {**_PAPER, "loss_type": "grpo"},
    "dapo": {
        "loss_type": "dapo",
        "beta": 0.0,
        "epsilon": 0.2,
        "epsilon_high": 0.28,
        "mask_truncated_completions": True,
    },
    "gspo": {
        "loss_type": "grpo",
        "importance_sampling_level": "sequence",
        "beta": 0.0,
        "epsilon": 3e-4,
        "epsilon_high": 4e-4,
    },
    "dr_grpo": {"loss_type": "dr_grpo", "beta": 0.0, "epsilon": 0.2, "scale_rewards": "none"},
}
"""By name, what differs from TRL's own values."""


def preset_arguments(part: Reinforcement) -> dict[str, Any]:
    """The arguments of TRL's `GRPOConfig` that make its loss the one asked for.

    `beta` and `epsilon` are the preset's unless the recipe gives them. A given `epsilon` is the lower bound;
    the upper one keeps the preset's proportion to it, so that a wider upper clip stays wider.

    Args:
        part: Names the preset, and may give `beta` and `epsilon`.

    Raises:
        UsageError: When shaping is asked for with one ratio for a whole response: it is defined for tokens.
    """
    # The divergence is the paper's alone, not weighed by the ratio as TRL does of itself.
    arguments = {"use_bias_correction_kl": False, **PRESETS[part.preset]}
    if part.shaping and arguments.get("importance_sampling_level") == "sequence":
        raise UsageError(
            f"grpo.shaping is {part.shaping}, but the preset {part.preset!r} has one ratio for a whole "
            "response and shaping is defined for tokens: set grpo.shaping to 0 or take another preset"
        )
    if part.beta is not None:
        arguments["beta"] = part.beta
    if part.epsilon is not None:
        if "epsilon_high" in arguments:
            arguments["epsilon_high"] *= part.epsilon / arguments["epsilon"]
        arguments["epsilon"] = part.epsilon
    return arguments
