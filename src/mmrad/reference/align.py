"""Spatially aligned retrieval, after the paper's Appendix B.

Patch features are counted, cell by cell of a grid, into histograms over a small codebook; two images are
aligned as far as the histograms of the same cells agree. The cells that agree least are left out, since they
may hold the anomaly.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrad.errors import MissingExtraError

EPSILON = 1e-3
"""Added to every bin before renormalising, since the divergence is infinite on empty bins of the query.

The paper names none. Below the weight of one patch (1/144 of a cell at 60 x 60 patches), so that a bin that
only one image fills still counts, but not so small that one such bin decides alone.
"""

_CHUNK_BYTES = 64 * 2**20
"""Memory for the divergences of one chunk of queries."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Alignment:
    """The hyperparameters, with the paper's values.

    Attributes:
        grid: Cells along each side, S.
        clusters: Size of the codebook, Nc.
        ignored: How many of the S² cells, those of largest divergence, are left out, τ.
    """

    grid: int = 5
    clusters: int = 12
    ignored: int = 5

    def __post_init__(self) -> None:
        if self.grid < 1 or self.clusters < 1 or not 0 <= self.ignored < self.grid**2:
            raise ValueError(f"not an alignment: {self}")


def codebook(patches: NDArray[np.float32], clusters: int, *, seed: int) -> NDArray[np.float32]:
    """Cluster patch features of normal images.

    Args:
        patches: Shape `(N, C)`, N at least `clusters`.
        clusters: Number of centres, Nc.
        seed: Seed of the clustering.

    Returns:
        Centres of shape `(Nc, C)`.

    Raises:
        MissingExtraError: When scikit-learn is not installed.
    """
    try:
        from sklearn.cluster import MiniBatchKMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError:
        raise MissingExtraError("scikit-learn", "local") from None
    means = MiniBatchKMeans(clusters, batch_size=4096, n_init=3, random_state=seed)
    with warnings.catch_warnings():
        # Blank images have fewer kinds of patch than clusters; centres that coincide do no harm.
        warnings.simplefilter("ignore", ConvergenceWarning)
        means.fit(patches)
    return np.asarray(means.cluster_centers_, dtype=np.float32)


def histograms(features: NDArray[np.float32], centres: NDArray[np.float32], grid: int) -> Floats:
    """Share of each codebook entry among the patches of each cell (Eq. 3 and 4).

    Args:
        features: Feature maps of shape `(N, H, W, C)`, H and W at least `grid`; a side that `grid` does not
            divide gives cells that differ by one patch.
        centres: Codebook of shape `(Nc, C)`.
        grid: Cells along each side, S.

    Returns:
        Shape `(N, S², Nc)`; each histogram sums to 1.
    """
    count, height, width, _ = features.shape
    entries = len(centres)
    # |f - c|² without |f|², which is the same for all centres.
    distances = (centres**2).sum(axis=1) - 2 * features @ centres.T
    rows, columns = np.arange(height) * grid // height, np.arange(width) * grid // width
    cells = rows[:, None] * grid + columns[None, :]
    image = np.arange(count)[:, None, None] * grid**2
    bins = (image + cells) * entries + distances.argmin(axis=-1)
    counts = np.bincount(bins.ravel(), minlength=count * grid**2 * entries).reshape(count, grid**2, entries)
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


def misalignment(queries: Floats, normals: Floats, ignored: int) -> Iterator[Floats]:
    """How badly each normal image is aligned with each query (Eq. 5 and 6); smaller is better.

    The divergence of a cell is `KL(normal ‖ query)` in nats, as the paper has it; the value is the mean over
    all cells but the `ignored` largest. Memory does not grow with the number of queries.

    Args:
        queries: Histograms of shape `(Q, S², Nc)`.
        normals: Histograms of shape `(N, S², Nc)`.
        ignored: Number of cells left out, τ.

    Yields:
        For one query after the other, the values for all normal images, shape `(N,)`.
    """
    cells = normals.shape[1]
    smooth = _smoothed(normals).transpose(1, 0, 2)  # (S², N, Nc)
    entropy = (smooth * np.log(smooth)).sum(axis=-1)
    chunk = max(1, _CHUNK_BYTES // (8 * normals.shape[0] * cells))
    for start in range(0, len(queries), chunk):
        logs = np.log(_smoothed(queries[start : start + chunk])).transpose(1, 2, 0)  # (S², Nc, q)
        divergences = entropy[:, :, None] - smooth @ logs  # (S², N, q)
        divergences.sort(axis=0)
        # Equal histograms may come out below zero by rounding.
        yield from np.maximum(0.0, divergences[: cells - ignored].mean(axis=0).T)


def _smoothed(histogram: Floats) -> Floats:
    smoothed: Floats = (histogram + EPSILON) / (1 + EPSILON * histogram.shape[-1])
    return smoothed
