"""Spatially aligned retrieval, after the paper's Appendix B.

Patch features are counted, cell by cell of a grid, into histograms over a small codebook; two images are
aligned as far as the histograms of the same cells agree. The cells that agree least are left out, since they
may hold the anomaly.

The ranking is, to the last bit, the one that the formulas give when they are written out as loops
(`tests/reference/appendix_b.py`): matrix products only find out which images can be among the best.
"""

from __future__ import annotations

import math
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

_CHUNK_BYTES = 2**21
"""Memory for the divergences of one chunk of queries; what a core's own cache holds is the fastest."""

_TOLERANCE = 1e-9
"""Larger by orders than what rounding does to a misalignment, which is a mean of a few small numbers."""

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


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


def assign(features: NDArray[np.float32], centres: NDArray[np.float32]) -> Integers:
    """The entry of the codebook that is nearest to each patch, the first of several.

    Args:
        features: Shape `(..., C)`.
        centres: Codebook of shape `(Nc, C)`.

    Returns:
        Codes in `[0, Nc)`, shape `(...)`.
    """
    # |f - c|² without |f|², which is the same for all centres.
    distances = (centres**2).sum(axis=1) - 2 * features @ centres.T
    return np.asarray(distances.argmin(axis=-1))


def histograms(codes: Integers, entries: int, grid: int) -> Floats:
    """Share of each codebook entry among the patches of each cell (Eq. 3 and 4).

    Args:
        codes: Codes of the patches, shape `(N, H, W)`, H and W at least `grid`; a side that `grid` does not
            divide gives cells that differ by one patch.
        entries: Size of the codebook, Nc.
        grid: Cells along each side, S.

    Returns:
        Shape `(N, S², Nc)`; each histogram sums to 1.
    """
    count, height, width = codes.shape
    rows, columns = np.arange(height) * grid // height, np.arange(width) * grid // width
    cells = rows[:, None] * grid + columns[None, :]
    image = np.arange(count)[:, None, None] * grid**2
    bins = (image + cells) * entries + codes
    counts = np.bincount(bins.ravel(), minlength=count * grid**2 * entries).reshape(count, grid**2, entries)
    return np.asarray(counts / counts.sum(axis=-1, keepdims=True), dtype=np.float64)


class Normals:
    """Normal images, made ready for queries to be compared with them.

    Args:
        histograms: Of the normal images, shape `(N, S², Nc)`.
        ignored: How many of the S² cells are left out, τ.
    """

    def __init__(self, histograms: Floats, ignored: int) -> None:
        self._shares = _smoothed(histograms)
        self._logs = _logarithms(self._shares)
        self._kept = histograms.shape[1] - ignored
        # The divergence of a cell, Σ p (log p - log q), is the product of (p, Σ p log p) and (-log q, 1).
        negentropy = (self._shares * self._logs).sum(axis=-1, keepdims=True)
        self._factors = np.concatenate([self._shares, negentropy], axis=-1).transpose(1, 0, 2).copy()

    def nearest(self, queries: Floats, top: int) -> Iterator[tuple[Integers, Floats]]:
        """The normal images that are best aligned with each query (Eq. 5 and 6).

        The divergence of a cell is `KL(normal ‖ query)` in nats, as the paper has it; the misalignment is
        the mean over all cells but the `ignored` largest. Of normal images with the same misalignment the
        first comes first. Memory does not grow with the number of queries.

        Args:
            queries: Histograms of shape `(Q, S², Nc)`.
            top: How many normal images to find, K.

        Yields:
            For one query after the other, the indices of at most `top` normal images, best first, and their
            misalignments.
        """
        cells, count, _ = self._factors.shape
        top = min(top, count)
        chunk = max(1, _CHUNK_BYTES // (8 * count * cells))
        for start in range(0, len(queries), chunk):
            logs = _logarithms(_smoothed(queries[start : start + chunk]))
            for estimates, query in zip(self._estimates(logs), logs, strict=True):
                last = np.partition(estimates, top - 1)[top - 1]
                rows = np.flatnonzero(estimates <= last + 2 * _TOLERANCE)
                values = self._misalignments(rows, query)
                best = np.argsort(values, kind="stable")[:top]
                yield rows[best], values[best]

    def _estimates(self, logs: Floats) -> Floats:
        """Misalignments of all normal images with each query, shape `(q, N)`, up to rounding.

        Args:
            logs: Logarithms of the queries' shares, shape `(q, S², Nc)`.
        """
        factors = np.concatenate([-logs, np.ones((*logs.shape[:2], 1))], axis=-1).transpose(1, 2, 0)
        divergences = np.ascontiguousarray((self._factors @ factors).transpose(2, 1, 0))  # (q, N, S²)
        divergences.partition(self._kept - 1, axis=-1)
        return np.asarray(divergences[..., : self._kept].mean(axis=-1))

    def _misalignments(self, rows: Integers, query: Floats) -> Floats:
        """Misalignments of some normal images with one query, added up in the order of the formulas.

        Only `cumsum` adds from left to right; `sum` and products add in whatever order is fast.
        """
        terms = self._shares[rows] * (self._logs[rows] - query)
        divergences = np.sort(np.cumsum(terms, axis=-1)[..., -1], axis=-1)
        return np.asarray(np.cumsum(divergences[:, : self._kept], axis=-1)[:, -1] / self._kept)


def _smoothed(histograms: Floats) -> Floats:
    smoothed: Floats = (histograms + EPSILON) / (1 + EPSILON * histograms.shape[-1])
    return smoothed


def _logarithms(values: Floats) -> Floats:
    """Natural logarithms as `math.log` has them: those of numpy may differ in the last bit.

    Shares are counts of the patches of a cell, so few of them are distinct.
    """
    distinct, place = np.unique(values, return_inverse=True)
    return np.array([math.log(value) for value in distinct.tolist()])[place]
