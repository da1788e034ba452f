"""Muon: matrices learn by orthogonalised momentum, everything else by AdamW.

PyTorch's own `Muon` takes matrices only and computes in bfloat16, which a CPU without instructions for it
does many times slower than float32. Method: Jordan et al. 2024, "Muon: an optimizer for hidden layers"; the
scale of the steps: Liu et al. 2025, "Muon is scalable for LLM training".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmrad.train.devices import has_fast_bf16

MOMENTUM = 0.95

OTHERS = 0.3
"""Learning rate of what is no matrix, relative to that of the matrices."""

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


@dataclass(frozen=True, slots=True)
class Part:
    """Parameters that learn at one rate.

    Attributes:
        matrices: Two-dimensional parameters: weights of linear layers, no embeddings.
        others: All other parameters.
        lr: Learning rate of the matrices, on the scale of AdamW's.
    """

    matrices: Sequence[torch.nn.Parameter]
    others: Sequence[torch.nn.Parameter]
    lr: float


class Muon(torch.optim.AdamW):
    """Orthogonalised momentum for matrices, AdamW for the rest.

    Args:
        parts: All that is trained.
        weight_decay: Decoupled weight decay of all parameters.
    """

    def __init__(self, *parts: Part, weight_decay: float) -> None:
        groups: list[dict[str, Any]] = []
        for part in parts:
            groups.append({"params": [*part.matrices], "lr": part.lr, "orthogonal": True})
            groups.append({"params": [*part.others], "lr": OTHERS * part.lr, "orthogonal": False})
        super().__init__(groups, betas=(0.9, 0.99), weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update; gradients of matrices are used up."""
        for group in self.param_groups:
            if group["orthogonal"]:
                for matrix in group["params"]:
                    if matrix.grad is not None:
                        self._turn(matrix, matrix.grad, group["lr"], group["weight_decay"])
                        matrix.grad = None  # so that AdamW passes it over
        return super().step(closure)

    def _turn(
        self, matrix: torch.nn.Parameter, gradient: torch.Tensor, lr: float, weight_decay: float
    ) -> None:
        state = self.state[matrix]
        if not state:  # AdamW wants a step count in every state that it loads
            state.update(momentum=torch.zeros_like(matrix), step=torch.zeros(()))
        momentum = state["momentum"]
        momentum.lerp_(gradient, 1 - MOMENTUM)
        direction = orthogonalized(gradient.lerp(momentum, MOMENTUM))
        matrix.mul_(1 - lr * weight_decay)
        # As large, in the mean over its entries, as an AdamW step.
        matrix.sub_(direction, alpha=lr * 0.2 * math.sqrt(max(matrix.shape)))


def orthogonalized(matrix: torch.Tensor) -> torch.Tensor:
    """Roughly the nearest matrix with orthonormal rows or columns, by Newton-Schulz iterations.

    Args:
        matrix: Two-dimensional, in float32.

    Returns:
        The same shape; singular values lie between about 0.7 and 1.2.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    found = matrix.T if tall else matrix
    found = found / found.norm().clamp(min=1e-7)
    if has_fast_bf16():
        found = found.bfloat16()
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=second, alpha=third), found, beta=first)
    return (found.T if tall else found).to(matrix.dtype)
