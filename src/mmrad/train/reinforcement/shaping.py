"""LUFFY's policy shaping of verified texts that a model did not write itself.

After Yan et al. 2025, "Learning to Reason under Off-Policy Guidance" (arXiv 2504.14945). Contrastive sampling
puts verified texts among a model's responses. Their ratio is taken against the model's own probability when
it answered, so it is 1 for each token at first: a token that the model finds improbable, which it should
learn, counts no more than one that it is sure of, and once it has become likelier by epsilon it is clipped.
LUFFY takes the text to have been written with probability 1, and shapes the ratio that this gives:

    ratio = f(p) = p / (p + gamma)         p: probability of the token under the model that is trained

The gradient of f(p) by the logarithm of p is `gamma p / (p + gamma)^2`: largest at `p = gamma`, and small for
tokens that the model is sure of. Nothing is clipped: f(p) is at most `1 / (1 + gamma)`, and the clip of PPO
does not touch a ratio below 1 where the advantage is not negative; that of a text with the largest possible
reward never is.

In TRL's loss a ratio is `exp(logps - old)`, so f(p) needs no other loss: `old` becomes `log(p + gamma)`, with
its gradient. `ShapedLoss` puts that in its place; the divergence from the reference model stays as it was.
"""

from __future__ import annotations

import math
from typing import Any

import torch

SHAPED = "shaped"
"""Key of TRL's batches, beside `completion_ids`: which responses are shaped, bool of shape `(B,)`."""


def shaped_denominators(
    logps: torch.Tensor, old: torch.Tensor, shaped: torch.Tensor, gamma: float
) -> torch.Tensor:
    """Log-probabilities such that `exp(logps - them)` is f(p) for shaped responses, as before for others.

    Args:
        logps: Log-probabilities of tokens under the model that is trained, shape `(B, T)`.
        old: Those under the model that answered, shape `(B, T)`.
        shaped: Which responses are shaped, bool of shape `(B,)`.
        gamma: LUFFY's constant, above 0; its authors take 0.1.

    Returns:
        Tensor of shape `(B, T)`; gradients flow through shaped rows.
    """
    added = torch.logaddexp(logps, torch.full_like(logps, math.log(gamma)))
    return torch.where(shaped[:, None], added, old)


class ShapedLoss:
    """Shapes the loss of TRL's `GRPOTrainer`: `class Trainer(ShapedLoss, GRPOTrainer)`.

    TRL looks up the old log-probabilities after it has computed the new ones. So they are replaced when the
    new ones are known, in a copy of the batch: TRL keeps the batch for other updates.

    Attributes:
        shaping: LUFFY's constant; 0 leaves the loss as it is.
    """

    shaping: float = 0.0
    _batch: dict[str, Any] | None = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        """The loss of a batch; its responses marked `SHAPED` are shaped."""
        if not self.shaping:
            return super()._compute_loss(model, inputs)  # type: ignore[misc]
        self._batch = dict(inputs)
        try:
            return super()._compute_loss(model, self._batch)  # type: ignore[misc]
        finally:
            self._batch = None

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        """TRL's log-probabilities; within a loss they give its batch the denominators of the ratios."""
        logps, *others = super()._get_per_token_logps_and_entropies(*args, **kwargs)  # type: ignore[misc]
        if (batch := self._batch) is not None:
            old = batch.get("old_per_token_logps")
            old = logps.detach() if old is None else old
            batch["old_per_token_logps"] = shaped_denominators(logps, old, batch[SHAPED], self.shaping)
        return (logps, *others)
