"""One number of a table with its interval: the mean of a figure over categories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.metrics.intervals import drawn_clusters, percentile_interval
from mmrad.metrics.ratios import Floats, mean_defined

LEVEL = 0.95
"""Share of the bootstrap draws inside an interval."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a table.

    Attributes:
        value: In [0, 1]; None when undefined (0/0, or no score).
        low: Lower end of the bootstrap interval; None where there is none.
        high: Its upper end.
        categories: Over how many categories the mean was taken: those where the figure is defined.
    """

    value: float | None
    low: float | None
    high: float | None
    categories: int

    def __str__(self) -> str:
        """The value and its interval to two decimals, such as `0.93 (0.90-0.96)`; `-` when undefined."""
        interval = "" if self.low is None else f" ({self.low:.2f}-{self.high:.2f})"
        return "-" if self.value is None else f"{self.value:.2f}{interval}"


@dataclass(frozen=True, slots=True)
class Resampled:
    """The figures of one category, and how they vary.

    Attributes:
        clusters: How many clusters the category has; with one it cannot vary.
        values: By name; NaN where undefined.
        draws: Arrays of shape `(resamples,)` by name: the figure in each bootstrap draw.
    """

    clusters: int
    values: Mapping[str, float]
    draws: Mapping[str, Floats]


def resample(
    clusters: int,
    figures_of: Callable[[Floats], Mapping[str, Floats]],
    resamples: int,
    rng: np.random.Generator,
) -> Resampled:
    """The figures of one category as it is, and in bootstrap draws of its clusters.

    Args:
        clusters: How many clusters it has.
        figures_of: Gives the figures by name, arrays of shape `(draws,)`, for weights of shape
            `(draws, clusters)`: how often each cluster counts in each draw.
        resamples: How many draws.
        rng: Source of randomness.
    """
    as_it_is = np.ones((1, clusters))
    figures = figures_of(np.concatenate([as_it_is, drawn_clusters(clusters, resamples, rng)]))
    return Resampled(
        clusters=clusters,
        values={name: float(drawn[0]) for name, drawn in figures.items()},
        draws={name: drawn[1:] for name, drawn in figures.items()},
    )


def mean_figure(categories: Sequence[Resampled], name: str) -> Figure:
    """The mean of a figure over the categories where it is defined, with its bootstrap interval."""
    values = np.array([category.values[name] for category in categories])
    defined = int((~np.isnan(values)).sum())
    if not defined:
        return Figure(None, None, None, 0)
    interval = None
    if any(category.clusters > 1 for category in categories):
        draws = mean_defined(np.stack([category.draws[name] for category in categories]), axis=0)
        interval = percentile_interval(draws, LEVEL)
    low, high = interval or (None, None)
    return Figure(float(mean_defined(values, axis=0)), low, high, defined)
