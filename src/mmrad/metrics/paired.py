"""Paired comparison of two sets of verdicts on the same queries.

Two intervals that overlap do not make two inspectors equal: hard queries are hard for both, and that common
part falls out of the difference. So both are judged on the same bootstrap draws, and the interval is that of
the difference.

The p-value comes from a permutation test: if it made no difference who answered, the two answers to all
queries of a cluster could be swapped (Noreen, Computer Intensive Methods for Testing Hypotheses, 1989; for
recall and precision Yeh, COLING 2000). What is compared is not the difference but the difference over its
standard error, both computed anew for each permutation. For a plain difference the test would reject far too
often where two inspectors are equal in the figure but not otherwise, as two of equal precision are of which
one says yes much more often. The studentized one is exact for inspectors that are alike in everything, and
asymptotically right for those that are alike in the figure only (Chung & Romano, Annals of Statistics 41,
2013).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from mmrad.metrics.figures import mean_figure, resample
from mmrad.metrics.intervals import cluster_indices, cluster_of, cluster_sums
from mmrad.metrics.ratios import Floats, mean_defined, ratio
from mmrad.metrics.scores import (
    COUNTED_FIGURES,
    by_category,
    counted_figures,
    counted_ratios,
    sample_counts,
)
from mmrad.sample import Sample, Verdict

_NOTHING = 1e-9
"""Differences and standard errors below are rounding."""

_CELLS = 1 << 22
"""Permutations times clusters that are computed at once; bounds the memory of large categories."""

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better one inspector is than another in one figure.

    Attributes:
        value: Difference of the means over categories, in [-1, 1]; None when undefined in all categories.
        low: Lower end of its bootstrap interval; None where there is none.
        high: Its upper end.
        p: Two-sided p-value of the hypothesis that there is no difference; None when undefined.
        categories: Over how many categories the mean was taken: those where both figures are defined.
        p_adjusted: The p-value adjusted for several comparisons, see `adjusted`; None when it is not.
    """

    value: float | None
    low: float | None
    high: float | None
    p: float | None
    categories: int
    p_adjusted: float | None = None

    def __str__(self) -> str:
        """Value, interval and p-value, such as `+0.03 (-0.01 to +0.07), p 0.12`; `-` when undefined."""
        if self.value is None:
            return "-"
        interval = "" if self.low is None else f" ({self.low:+.2f} to {self.high:+.2f})"
        return f"{self.value:+.2f}{interval}" + ("" if self.p is None else f", p {self.p:.2g}")


def compare(
    samples: Sequence[Sample],
    first: Mapping[str, Verdict],
    second: Mapping[str, Verdict],
    *,
    resamples: int = 1000,
    permutations: int = 1999,
    seed: int = 0,
) -> dict[str, Difference]:
    """How much better `first` is than `second`: differences of the means over categories.

    Args:
        samples: The queries that both were asked; ids are unique.
        first: Verdicts by sample id; one that is missing is unanswered.
        second: Likewise.
        resamples: Bootstrap draws for the intervals.
        permutations: Random permutations for the p-values, the smallest of which is `1 / (permutations + 1)`.
        seed: Seed of both.

    Returns:
        Differences by the names in `COUNTED_FIGURES`, over the categories where both are defined.

    Raises:
        ValueError: When there are no samples.
    """
    if not samples:
        raise ValueError("no samples to compare on")
    rng = np.random.default_rng(seed)
    pairs = [_cluster_counts(members, first, second) for members in by_category(samples)]
    resampled = [resample(pair.shape[1], partial(_differences, pair=pair), resamples, rng) for pair in pairs]
    p_values = swap_test([counted_ratios(pair) for pair in pairs], permutations, rng)
    found = {}
    for name, p in zip(COUNTED_FIGURES, p_values, strict=True):
        figure = mean_figure(resampled, name)
        known = None if np.isnan(p) or figure.value is None else float(p)
        found[name] = Difference(figure.value, figure.low, figure.high, known, figure.categories)
    return found


def adjusted(comparisons: Mapping[Name, Mapping[str, Difference]]) -> dict[Name, dict[str, Difference]]:
    """The comparisons with p-values adjusted for how many there are, each figure by itself (Holm).

    Whoever compares twenty inspectors with one finds one "better" at 0.05 by chance alone. Of adjusted
    values, the chance that any below 0.05 is a false one is at most 0.05, however the comparisons depend on
    each other. The figures of one comparison are questions of their own and are not adjusted for each other.

    Args:
        comparisons: Results of `compare`, by whatever names them.
    """
    found = {key: dict(differences) for key, differences in comparisons.items()}
    for name in {name for differences in comparisons.values() for name in differences}:
        keys = [key for key in comparisons if name in comparisons[key]]
        values = holm([comparisons[key][name].p for key in keys])
        for key, value in zip(keys, values, strict=True):
            found[key][name] = replace(found[key][name], p_adjusted=value)
    return found


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjustment (Scandinavian Journal of Statistics 6, 1979).

    Args:
        p_values: One a test; None for a test that could not be made, which does not count.

    Returns:
        Adjusted values in the same order: each p-value times how many are not smaller, at most 1, and never
        below that of a smaller p-value.
    """
    adjusted_values: list[float | None] = [None] * len(p_values)
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        adjusted_values[index] = highest
    return adjusted_values


def swap_test(
    categories: Sequence[tuple[Floats, Floats]], permutations: int, rng: np.random.Generator
) -> Floats:
    """Two-sided p-values of differences between means of ratios over categories; see the module's text.

    Args:
        categories: Of each category the numerators and the denominators of its figures by cluster, both of
            shape `(2, clusters, figures)`, the two inspectors first.
        permutations: How many random permutations; the one that swaps nothing is added.
        rng: Source of randomness.

    Returns:
        Array of shape `(figures,)`; NaN where the observed difference is defined in no category.
    """
    parts = [_swapped(above, below, permutations, rng) for above, below in categories]
    differences, variances = (np.stack(side) for side in zip(*parts, strict=True))
    defined = ~np.isnan(differences)
    mean = mean_defined(differences, axis=0)
    summed = np.where(defined, variances, 0.0).sum(axis=0)
    error = np.sqrt(np.clip(summed, 0, None)) / np.maximum(defined.sum(axis=0), 1)
    size = np.where(np.isnan(mean) | (np.abs(mean) < _NOTHING), 0.0, np.abs(mean))
    certain = np.where(size > 0, np.inf, 0.0)
    statistic = np.where(error < _NOTHING, certain, size / np.maximum(error, _NOTHING))
    as_large = (statistic[1:] >= statistic[0] * (1 - _NOTHING)).sum(axis=0)
    return np.where(np.isnan(mean[0]), np.nan, (1 + as_large) / (1 + permutations))


def _cluster_counts(
    samples: Sequence[Sample], first: Mapping[str, Verdict], second: Mapping[str, Verdict]
) -> Floats:
    """Counts of one category by inspector and cluster, shape `(2, clusters, len(COUNTS))`."""
    indices = cluster_indices([cluster_of(sample) for sample in samples])
    return np.stack(
        [
            cluster_sums(np.stack([sample_counts(s, verdicts.get(s.id)) for s in samples]), indices)
            for verdicts in (first, second)
        ]
    )


def _differences(weights: Floats, pair: Floats) -> dict[str, Floats]:
    first, second = (counted_figures(weights @ counts) for counts in pair)
    return {name: first[name] - second[name] for name in COUNTED_FIGURES}


def _swapped(
    above: Floats, below: Floats, permutations: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Difference of the ratios of one category, and its variance, as observed and in each permutation.

    The variance is that of sums over clusters to first order (the delta method): the influence of a cluster
    with numerator n and denominator d on the ratio r = N / D is (n - r d) / D.

    Returns:
        Two arrays of shape `(1 + permutations, figures)`.
    """
    products = _products(above, below)
    # Swapping equal answers changes nothing, so only where they differ is there anything to permute.
    differ = (above[0] != above[1]).any(axis=-1) | (below[0] != below[1]).any(axis=-1)
    changes = (products[1] - products[0])[differ]
    rows = max(1, _CELLS // max(1, len(changes)))
    shift = np.zeros((1 + permutations, *changes.shape[1:]))
    for start in range(1, 1 + permutations, rows):
        part = shift[start : start + rows]
        swaps = rng.integers(0, 2, (len(part), len(changes))).astype(np.float64)
        part[:] = np.tensordot(swaps, changes, axes=1)
    sums = products.sum(axis=1)
    first, second = np.moveaxis(sums[0] + shift, 1, 0), np.moveaxis(sums[1] - shift, 1, 0)
    n, d, nn, nd, dd, cross = first
    m, e, mm, me, ee, other_cross = second
    r, s = ratio(n, d), ratio(m, e)
    both = (above[0] * above[1]).sum(axis=0), (below[0] * below[1]).sum(axis=0)
    spread = (
        (nn - 2 * r * nd + r * r * dd) / np.maximum(d, 1) ** 2
        + (mm - 2 * s * me + s * s * ee) / np.maximum(e, 1) ** 2
        - 2 * (both[0] - s * cross - r * other_cross + r * s * both[1]) / np.maximum(d * e, 1)
    )
    count = above.shape[1]
    return r - s, spread * (count / (count - 1) if count > 1 else 1.0)


def _products(above: Floats, below: Floats) -> Floats:
    """Everything that swapping moves from one inspector to the other, shape `(2, clusters, 6, figures)`."""
    cross = above * below[::-1]
    return np.stack([above, below, above * above, above * below, below * below, cross], axis=2)
