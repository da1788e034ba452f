"""Figures of a row over its seeds, with intervals for both things that chance decides.

Another seed trains another model, and other queries would be harder or easier. The value is the mean over
seeds of the mean over categories. Two intervals are made of it: Student's t over the seeds, and a percentile
bootstrap over base images in which all seeds are judged on the same draws. They are combined as those of a
sum of two independent parts (MOVER: Zou & Donner, Statistics in Medicine 27, 2008): each end lies as far from
the value as the root of the summed squares of both distances. What seeds and images do together is counted in
both, so the interval is rather too wide than too narrow. With one seed there is only the second part, and
nothing is said of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from mmrad.metrics.figures import LEVEL
from mmrad.metrics.intervals import (
    cluster_indices,
    cluster_of,
    cluster_sums,
    drawn_clusters,
    percentile_interval,
)
from mmrad.metrics.ratios import Floats, mean_defined, ratio
from mmrad.metrics.scores import by_category, counted_ratios
from mmrad.sample import Sample

Counts = Mapping[str, Sequence[float]]
"""Counts of each query by sample id, in the order of `mmrad.metrics.COUNTS`."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure over seeds, or a difference of two.

    Attributes:
        value: Mean over the seeds where it is defined; None when it is in none.
        low: Lower end of its interval of the level `LEVEL`; None where there is none.
        high: Its upper end.
        seeds: In how many seeds it is defined.
    """

    value: float | None
    low: float | None
    high: float | None
    seeds: int

    def percent(self, sign: str = "") -> str:
        """In percent, such as `72.3 (66.1 to 76.0)`; `-` when undefined; `sign` is `+` for differences."""
        if self.value is None:
            return "-"
        value, *ends = (
            None if x is None else f"{100 * x:{sign}.1f}" for x in (self.value, self.low, self.high)
        )
        return f"{value}" + ("" if None in ends else f" ({ends[0]} to {ends[1]})")


def figure_draws(
    samples: Sequence[Sample], seeds: Sequence[Counts], *, resamples: int = 1000, seed: int = 0
) -> Floats:
    """The figures of models on the same queries, as they are and in bootstrap draws of the base images.

    The draws are the same for all models, and in every call with the same queries: differences are paired.

    Args:
        samples: The queries.
        seeds: Counts of each model; all queries are in them.
        resamples: How many draws.
        seed: Seed of the draws.

    Returns:
        Array of shape `(models, 1 + resamples, figures)`: means over categories, NaN where undefined, figures
        in the order of `COUNTED_FIGURES`. The first of the second axis are the queries as they are.
    """
    rng = np.random.default_rng(seed)
    categories = []
    for members in by_category(samples):
        clusters = cluster_indices([cluster_of(sample) for sample in members])
        count = int(clusters.max()) + 1
        weights = np.concatenate([np.ones((1, count)), drawn_clusters(count, resamples, rng)])
        tables = (np.array([counts[sample.id] for sample in members], dtype=np.float64) for counts in seeds)
        models = [ratio(*counted_ratios(weights @ cluster_sums(table, clusters))) for table in tables]
        categories.append(np.stack(models))
    return mean_defined(np.stack(categories), axis=0)


def estimate(draws: Floats, least: float = 0.0) -> Estimate:
    """The mean over seeds and its interval, see the text of this module.

    Args:
        draws: One figure, or difference, of shape `(seeds, 1 + resamples)`, as `figure_draws` gives it.
        least: The least that it can be; the most is 1.
    """
    by_seed = draws[:, 0][~np.isnan(draws[:, 0])]
    count = len(by_seed)
    if not count:
        return Estimate(None, None, None, 0)
    value = float(by_seed.mean())
    images = percentile_interval(mean_defined(draws[:, 1:], axis=0), LEVEL)
    if images is None:
        return Estimate(value, None, None, count)
    half = 0.0
    if count > 1:
        half = float(student.ppf((1 + LEVEL) / 2, count - 1) * by_seed.std(ddof=1) / np.sqrt(count))
    below, above = max(0.0, value - images[0]), max(0.0, images[1] - value)
    low, high = value - float(np.hypot(below, half)), value + float(np.hypot(above, half))
    return Estimate(value, max(least, low), min(1.0, high), count)
