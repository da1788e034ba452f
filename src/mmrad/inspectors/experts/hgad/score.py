"""From how normal each place of each level is to one map of anomaly an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

Fusion = Literal["product", "likelihood", "entropy"]

SIDE = 256
"""Rows and columns of a map, as published."""

_SIGMA = 4.0
"""Of the Gaussian that smooths a map, in its pixels."""

_AT_ONCE = 64
"""Images whose maps are summed at once."""


def highest(levels: Sequence[Tensor], labels: Tensor, classes: int) -> Tensor:
    """The maxima that the training images of each class give.

    Args:
        levels: Normality of all training images, for each of L levels `(N, rows, columns)`.
        labels: Class of each image, shape `(N,)`.
        classes: K; every class has an image.

    Returns:
        Shape `(K, L + 1)`: the highest normality of each level, and of the sum over levels (see `summed`).
    """
    return torch.stack([_highest([level[labels == label] for level in levels]) for label in range(classes)])


def _highest(levels: Sequence[Tensor]) -> Tensor:
    """Of one class, shape `(L + 1,)`."""
    tops = torch.stack([level.max() for level in levels])
    parts = zip(*(level.split(_AT_ONCE) for level in levels), strict=True)
    total = torch.stack([summed(part, tops[None]).max() for part in parts]).max()
    return torch.cat([tops, total[None]])


def summed(levels: Sequence[Tensor], tops: Tensor) -> Tensor:
    """Normality in (0, 1] of each level, summed over the levels.

    Args:
        levels: Normality of each of L levels, shape `(B, rows, columns)`.
        tops: What counts as 1 on each level, for each image or for all, shape `(B or 1, L)`.

    Returns:
        Shape `(B, SIDE, SIDE)`, at most L.
    """
    total = levels[0].new_zeros(len(levels[0]), SIDE, SIDE)
    for level, top in zip(levels, tops.unbind(1), strict=True):
        relative = (level - top[:, None, None]).clamp(max=0).exp()[:, None]
        total += functional.interpolate(relative, (SIDE, SIDE), mode="bilinear", align_corners=True)[:, 0]
    return total


def anomaly(levels: Sequence[Tensor], maxima: Tensor) -> NDArray[np.float32]:
    """Smoothed maps of what a class's training images lack.

    Args:
        levels: As for `summed`.
        maxima: Of the class of each image, shape `(B, L + 1)`, see `highest`.

    Returns:
        Shape `(B, SIDE, SIDE)`, from 0 on.
    """
    lacking = (maxima[:, -1, None, None] - summed(levels, maxima[:, :-1])).clamp(min=0)
    smooth: NDArray[np.float32] = gaussian_filter(lacking.cpu().numpy(), _SIGMA, axes=(1, 2))
    return smooth


def fused(
    likelihood: NDArray[np.float32], entropy: NDArray[np.float32], fusion: Fusion
) -> NDArray[np.float32]:
    """The map of anomaly made of that by likelihood and that by entropy."""
    return {"product": likelihood * entropy, "likelihood": likelihood, "entropy": entropy}[fusion]
