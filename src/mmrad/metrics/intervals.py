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

from mmrad.metrics.ratios import Floats
from mmrad.sample import Sample

_VIEW = re.compile(r"_C\d_\d+\.\w+$")
"""The end of a Real-IAD file name: camera and time; what is before it names the object."""


def cluster_of(sample: Sample) -> str:
    """What the sample shows: its image, or the object where the file name tells views of one object apart."""
    return f"{sample.source}/{_VIEW.sub('', sample.image)}"


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
    numbers: dict[Hashable, int] = {}
    index = [numbers.setdefault(cluster, len(numbers)) for cluster in clusters]
    sums = np.zeros((len(numbers), counts.shape[1]))
    np.add.at(sums, index, counts)
    times_drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=resamples)
    return np.asarray(times_drawn @ sums, dtype=np.float64)


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
