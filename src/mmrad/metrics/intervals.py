"""Percentile bootstrap intervals, clustered by base image.

Views of one object, or several queries on one image, fail together; resampling them one by one would give
intervals that are too narrow. So whole clusters are drawn, with replacement, within each category, and the
means over categories are computed anew for each draw. A category with a single cluster cannot vary: alone it
has no interval, and in a mean it adds no width.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from mmrad.metrics.ratios import Floats
from mmrad.sample import Sample

_VIEW = re.compile(r"_C\d_\d+\.\w+$")
"""The end of a Real-IAD file name: camera and time; what is before it names the object."""


def cluster_of(sample: Sample) -> str:
    """What the sample shows: its image, or the object where the file name tells views of one object apart."""
    return f"{sample.source}/{_VIEW.sub('', sample.image)}"


def cluster_indices(clusters: Sequence[Hashable]) -> NDArray[np.intp]:
    """The number of each sample's cluster, shape `(samples,)`; clusters are numbered as they occur."""
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters], dtype=np.intp)


def cluster_sums(counts: Floats, indices: NDArray[np.intp]) -> Floats:
    """Counts of each cluster, shape `(clusters, columns)`, from those of its samples `(samples, columns)`."""
    sums = np.zeros((int(indices.max()) + 1, counts.shape[1]))
    np.add.at(sums, indices, counts)
    return sums


def drawn_clusters(clusters: int, resamples: int, rng: np.random.Generator) -> Floats:
    """How often each cluster is drawn in each bootstrap draw, shape `(resamples, clusters)`."""
    # Much faster than to draw the counts themselves, which are multinomial.
    drawn = rng.integers(0, clusters, (resamples, clusters)) + clusters * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * clusters)
    return counts.reshape(resamples, clusters).astype(np.float64)


def resampled_counts(
    counts: Floats, clusters: Sequence[Hashable], resamples: int, rng: np.random.Generator
) -> Floats:
    """Summed counts of one category in each of many bootstrap draws of its clusters.

    Args:
        counts: Array of shape `(samples, columns)`.
        clusters: The cluster of each sample.
        resamples: How many draws.
        rng: Source of randomness.

    Returns:
        Array of shape `(resamples, columns)`.
    """
    sums = cluster_sums(counts, cluster_indices(clusters))
    return np.asarray(drawn_clusters(len(sums), resamples, rng) @ sums, dtype=np.float64)


def percentile_interval(draws: Floats, level: float) -> tuple[float, float] | None:
    """The central interval that holds the share `level` of the draws; None when no draw is defined.

    Args:
        draws: Array of shape `(resamples,)`; NaN where the figure was undefined in a draw.
        level: For example 0.95.
    """
    defined = draws[~np.isnan(draws)]
    if not defined.size:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
