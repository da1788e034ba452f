import math
from typing import get_args

import pytest
import torch

from mmrad.errors import UsageError
from mmrad.train.recipe import Reinforcement
from mmrad.train.reinforcement.presets import PRESETS, preset_arguments
from trl_loss import trl_loss

MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
ADVANTAGES = torch.tensor([1.5, -0.5, -1.0])


def batch() -> dict[str, torch.Tensor]:
    """Log-probabilities that have moved far enough for each clip to matter."""
    generator = torch.Generator().manual_seed(3)
    old = -2 * torch.rand(MASK.shape, generator=generator)
    logps = old + 1.6 * (torch.rand(MASK.shape, generator=generator) - 0.4)
    logps[1, 0] = old[1, 0] + 1.5  # beyond the second clip
    reference = old + 0.3 * torch.randn(MASK.shape, generator=generator)
    return {"logps": logps, "old": old, "reference": reference, "mask": MASK, "advantages": ADVANTAGES}


def by_hand(preset: str, beta: float, low: float, high: float) -> float:
    """The published objective, token by token, as a loss."""
    values = batch()
    lengths = MASK.sum(dim=1).tolist()
    total = 0.0
    for row, length in enumerate(lengths):
        advantage = ADVANTAGES[row].item()
        log_ratios = [(values["logps"] - values["old"])[row, place].item() for place in range(length)]
        for place in range(length):
            log_ratio = sum(log_ratios) / length if preset == "gspo" else log_ratios[place]
            ratio = math.exp(log_ratio)
            gain = min(ratio * advantage, min(max(ratio, 1 - low), 1 + high) * advantage)
            if preset.startswith("grpo") and advantage < 0:
                gain = max(gain, 3 * advantage)
            off = (values["reference"] - values["logps"])[row, place].item()
            gain -= beta * (math.exp(off) - off - 1)
            weight = {
                "grpo": 1 / sum(lengths),
                "dapo": 1 / sum(lengths),
                "grpo_sequence": 1 / length / len(lengths),
                "gspo": 1 / length / len(lengths),
                "dr_grpo": 1 / 16 / len(lengths),
            }[preset]
            total += weight * gain
    return -total


@pytest.mark.parametrize(
    ("preset", "beta", "low", "high"),
    [
        ("grpo", 0.001, 0.2, 0.2),
        ("grpo_sequence", 0.001, 0.2, 0.2),
        ("dapo", 0.0, 0.2, 0.28),
        ("gspo", 0.0, 3e-4, 4e-4),
        ("dr_grpo", 0.0, 0.2, 0.2),
    ],
)
def test_the_loss_of_trl_is_the_published_one(preset, beta, low, high):
    loss = trl_loss(preset_arguments(Reinforcement(preset=preset)), **batch())
    assert loss.item() == pytest.approx(by_hand(preset, beta, low, high), abs=1e-6)


def test_presets_differ_where_responses_differ_in_length():
    losses = {
        preset: trl_loss(preset_arguments(Reinforcement(preset=preset)), **batch()).item()
        for preset in PRESETS
    }
    assert len({round(loss, 5) for loss in losses.values()}) == len(PRESETS)


def test_each_preset_that_a_recipe_may_name_is_there():
    named = get_args(Reinforcement.model_fields["preset"].annotation)
    assert set(named) == PRESETS.keys()


def test_what_the_recipe_gives_wins_over_the_preset():
    given = preset_arguments(Reinforcement(preset="dapo", beta=0.01, epsilon=0.1))
    assert given["beta"] == 0.01
    assert given["epsilon"] == 0.1
    assert given["epsilon_high"] == pytest.approx(0.14)  # clip-higher stays


def test_what_the_recipe_leaves_out_is_the_presets():
    assert preset_arguments(Reinforcement(preset="gspo"))["epsilon"] == 3e-4
    assert preset_arguments(Reinforcement(preset="dr_grpo"))["beta"] == 0.0
    assert preset_arguments(Reinforcement(preset="grpo"))["beta"] == 0.001


def test_a_given_epsilon_bounds_both_sides_where_the_preset_has_one():
    given = preset_arguments(Reinforcement(preset="grpo", epsilon=0.05))
    assert (given["epsilon"], given.get("epsilon_high")) == (0.05, None)


def test_the_table_is_not_changed_by_use():
    before = {name: dict(values) for name, values in PRESETS.items()}
    preset_arguments(Reinforcement(preset="dapo", epsilon=0.5, beta=0.5))
    assert before == PRESETS


def test_shaping_needs_a_ratio_for_each_token():
    with pytest.raises(UsageError, match=r"grpo\.shaping is 0\.1.*'gspo'.*set grpo\.shaping to 0"):
        preset_arguments(Reinforcement(preset="gspo", shaping=0.1))
    assert preset_arguments(Reinforcement(preset="grpo", shaping=0.1))
