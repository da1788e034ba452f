"""Muon: matrices learn by orthogonalised momentum, everything else by AdamW.

PyTorch's own `Muon` takes matrices only and computes in bfloat16, which a CPU without instructions for it
does many times slower than float32. Method: Jordan et al. 2024, "Muon: an optimizer for hidden layers"; the
scale of the steps: Liu et al. 2025, "Muon is scalable for LLM training".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
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
                learning = [matrix for matrix in group["params"] if matrix.grad is not None]
                for _, same in groupby(sorted(learning, key=_shape), key=_shape):
                    self._turn([*same], group["lr"], group["weight_decay"])
        return super().step(closure)

    def _turn(self, matrices: list[torch.Tensor], lr: float, weight_decay: float) -> None:
        """Update matrices of one shape, together: the many small steps of each are a GPU's waiting time."""
        momenta = [self._momentum(matrix) for matrix in matrices]
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        directions = orthogonalized(torch.stack(gradients).lerp(torch.stack(momenta), MOMENTUM))
        torch._foreach_mul_(matrices, 1 - lr * weight_decay)
        # As large, in the mean over their entries, as an AdamW step.
        scale = lr * 0.2 * math.sqrt(max(_shape(matrices[0])))
        torch._foreach_sub_(matrices, [*directions.unbind()], alpha=scale)
        for matrix in matrices:
            matrix.grad = None  # so that AdamW passes it over

    def _momentum(self, matrix: torch.Tensor) -> torch.Tensor:
        state = self.state[matrix]
        if not state:  # AdamW wants a step count in every state that it loads
            state.update(momentum=torch.zeros_like(matrix), step=torch.zeros(()))
        momentum: torch.Tensor = state["momentum"]
        return momentum


def _shape(matrix: torch.Tensor) -> tuple[int, ...]:
    return tuple(matrix.shape)


def orthogonalized(matrix: torch.Tensor) -> torch.Tensor:
    """Roughly the nearest matrix with orthonormal rows or columns, by Newton-Schulz iterations.

    Args:
        matrix: One in float32, or several, shape `(..., m, n)`.

    Returns:
        The same shape; singular values lie between about 0.7 and 1.2.
    """
    tall = matrix.shape[-2] > matrix.shape[-1]
    found = matrix.mT if tall else matrix
    found = found / found.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    if has_fast_bf16():
        found = found.bfloat16()
    first, second, third = _COEFFICIENTS
    for _ in range(_ITERATIONS):
        gram = found @ found.mT
        found = first * found + (second * gram + third * gram @ gram) @ found
    return torch.as_tensor(found.mT if tall else found, dtype=matrix.dtype)
