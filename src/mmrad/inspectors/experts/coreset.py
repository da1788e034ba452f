"""The coreset of PatchCore: few points of many, such that every point has one of them near.

Greedy k-centre (Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985; Sener and
Savarese, ICLR 2018): the next point is always the one that is farthest from those chosen. Its radius, the
largest distance of a point to the nearest chosen one, is at most twice the smallest possible.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

_CELLS = 1 << 21
"""Distances that are computed at once: few enough to stay in a processor's cache."""

_CANDIDATES = 256
"""Farthest points among which the next ones are sought before all distances are updated."""


def coreset(points: Tensor, count: int, seed: int, dimensions: int | None = None) -> Tensor:
    """Choose points greedily, each the farthest from those chosen before; the first is drawn at random.

    It is the greedy choice itself, several steps at a time: among the candidates, which are farther than all
    other points, the next points are known as long as the farthest candidate left is not nearer than the
    nearest candidate was at first. One matrix product then updates the distances to all of them.

    Args:
        points: Shape `(n, d)`, float.
        count: How many to choose, from 1 to n.
        seed: Of the first point and of the projection.
        dimensions: Distances are those of a Gaussian random projection to so many dimensions; None for none.

    Returns:
        Different rows of `points` in the order of choice, int64, shape `(count,)`.
    """
    generator = torch.Generator().manual_seed(seed)
    first = torch.randint(len(points), (1,), generator=generator).to(points.device)
    if dimensions:
        points = points @ torch.randn(points.shape[1], dimensions, generator=generator).to(points)
    norms = _squared_norms(points)
    nearest = torch.full_like(norms, torch.inf)
    chosen, left = [first], count - 1
    while True:
        new = chosen[-1]
        torch.minimum(nearest, _nearest(points, norms, points[new], norms[new]), out=nearest)
        nearest[new] = -1  # below all distances, so that no point is chosen twice
        if not left:
            return torch.cat(chosen)
        chosen.append(_farthest(points, norms, nearest, left))
        left -= len(chosen[-1])


def nearest_distances(points: Tensor, centres: Tensor) -> Tensor:
    """Euclidean distance of each point to the nearest centre.

    Args:
        points: Shape `(n, d)`, float.
        centres: Shape `(k, d)`, at least one.

    Returns:
        Shape `(n,)`.
    """
    return _nearest(points, _squared_norms(points), centres, _squared_norms(centres)).sqrt_()


def _squared_norms(points: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(points, dim=1)
    return norms.square_()


def _nearest(points: Tensor, norms: Tensor, centres: Tensor, centre_norms: Tensor) -> Tensor:
    """Squared distance of each point to the nearest centre: |p|² + the least of |c|² - 2 p·c."""
    rows = max(1, _CELLS // len(centres))
    least = [torch.addmm(centre_norms, some, centres.T, alpha=-2).amin(dim=1) for some in points.split(rows)]
    return torch.cat(least).add_(norms).clamp_(min=0)


def _farthest(points: Tensor, norms: Tensor, nearest: Tensor, most: int) -> Tensor:
    """The next points of the greedy choice, in order, at least one and at most so many."""
    distances, candidates = nearest.topk(min(_CANDIDATES, len(nearest)))
    among, own = points[candidates], norms[candidates]
    between = torch.addmm(own, among, among.T, alpha=-2).add_(own[:, None]).cpu().numpy()
    # One small vector at a time is slow on a GPU.
    left = distances.cpu().numpy()
    outside = left[-1]  # no point that is not a candidate is farther
    picked: list[int] = []
    while len(picked) < most:
        best = int(left.argmax())
        if left[best] < outside:
            break
        picked.append(best)
        np.minimum(left, between[best], out=left)
        left[best] = -1
    return candidates[picked]
