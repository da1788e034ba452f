"""Paired comparison of two sets of verdicts on the same queries.

Two intervals that overlap do not make two inspectors equal: hard queries are hard for both, and that common
part falls out of the difference. So both are judged on the same bootstrap draws, and the interval is that of
the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmrad.metrics.intervals import cluster_of, percentile_interval, resampled_counts
from mmrad.metrics.ratios import Floats, mean_defined
from mmrad.metrics.scores import (
    COUNTED_FIGURES,
    COUNTS,
    LEVEL,
    Figure,
    by_category,
    counted_figures,
    sample_counts,
)
from mmrad.sample import Sample, Verdict


def compare(
    samples: Sequence[Sample],
    first: Mapping[str, Verdict],
    second: Mapping[str, Verdict],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Figure]:
    """How much better `first` is than `second`: differences of the means over categories.

    Args:
        samples: The queries that both were asked; ids are unique.
        first: Verdicts by sample id; one that is missing is unanswered.
        second: Likewise.
        resamples: Bootstrap draws for the intervals.
        seed: Seed of the draws.

    Returns:
        Differences in [-1, 1] by the names in `COUNTED_FIGURES`, over the categories where both are
        defined. An interval without 0 is a difference that chance alone would rarely make.

    Raises:
        ValueError: When there are no samples.
    """
    if not samples:
        raise ValueError("no samples to compare on")
    rng = np.random.default_rng(seed)
    values, draws = [], []
    for members in by_category(samples):
        both = np.stack(
            [
                np.concatenate([sample_counts(s, first.get(s.id)), sample_counts(s, second.get(s.id))])
                for s in members
            ]
        )
        clusters = [cluster_of(sample) for sample in members]
        drawn = resampled_counts(both, clusters, resamples, rng)
        values.append(_difference(both.sum(axis=0)))
        draws.append(_difference(drawn))
    return {name: _figure([v[name] for v in values], [d[name] for d in draws]) for name in COUNTED_FIGURES}


def _difference(both: Floats) -> dict[str, Floats]:
    """Figures of the first half of the columns minus those of the second, NaN where one is undefined."""
    first, second = (counted_figures(half) for half in np.split(both, [len(COUNTS)], axis=-1))
    return {name: first[name] - second[name] for name in COUNTED_FIGURES}


def _figure(values: Sequence[Floats], draws: Sequence[Floats]) -> Figure:
    stacked = np.stack(values)
    categories = int((~np.isnan(stacked)).sum())
    if not categories:
        return Figure(None, None, None, 0)
    low, high = percentile_interval(mean_defined(np.stack(draws), axis=0), LEVEL) or (None, None)
    return Figure(float(mean_defined(stacked, axis=0)), low, high, categories)
