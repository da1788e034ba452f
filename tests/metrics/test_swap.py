"""The permutation test has the size it claims, and power; simulated with fixed seeds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control, ttest_rel

from mmrad.metrics import Difference, adjusted, holm
from mmrad.metrics.paired import swap_test
from mmrad.metrics.ratios import Floats

TRIALS = 400
Category = tuple[Floats, Floats]


def _alike(rng: np.random.Generator, clusters: int) -> Category:
    """Two inspectors that find the same queries hard, and nothing else in common."""
    hard = rng.random(clusters)
    above = (rng.random((2, clusters)) < hard).astype(float)
    return above[..., None], np.ones((2, clusters, 1))


def _clustered(rng: np.random.Generator, clusters: int) -> Category:
    """The same on clusters of one to five queries, that are nearly all right or nearly all wrong."""
    queries = rng.integers(1, 6, clusters)
    hard = rng.beta(0.3, 0.3, clusters)
    above = rng.binomial(queries, hard, (2, clusters)).astype(float)
    return above[..., None], np.stack([queries, queries]).astype(float)[..., None]


def _equal_precision(rng: np.random.Generator, clusters: int) -> Category:
    """Two inspectors of equal precision, the first of which says yes three times as often."""
    below = (rng.random((2, clusters)) < [[0.9], [0.3]]).astype(float)
    above = below * (rng.random((2, clusters)) < 0.7)
    return above[..., None], below[..., None]


def _better(rng: np.random.Generator, clusters: int) -> Category:
    """The second inspector is right in 20 of 100 queries where the first is not."""
    hard = rng.random(clusters)
    first = rng.random(clusters) < hard
    second = first | (rng.random(clusters) < 0.4)
    return np.stack([first, second]).astype(float)[..., None], np.ones((2, clusters, 1))


def _p_values(make: object, categories: int, clusters: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    assert callable(make)
    found = [swap_test([make(rng, clusters) for _ in range(categories)], 199, rng)[0] for _ in range(TRIALS)]
    return np.array(found)


@pytest.mark.parametrize("make", [_alike, _clustered, _equal_precision])
@pytest.mark.parametrize(("categories", "clusters"), [(1, 80), (5, 40)])
def test_equal_inspectors_differ_as_often_as_the_level_says(
    make: object, categories: int, clusters: int
) -> None:
    p = _p_values(make, categories, clusters, seed=1)
    # Three standard errors of a share of 0.05 among the trials.
    assert abs((p <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / TRIALS)
    assert (p <= 0.5).mean() < 0.5 + 3 * 0.5 / np.sqrt(TRIALS)  # fewer, where few queries differ: ties


def test_a_better_inspector_is_told() -> None:
    assert (_p_values(_better, 5, 20, seed=2) <= 0.01).mean() > 0.95


def test_an_unstudentized_difference_would_reject_too_often() -> None:
    """Why the difference is divided by its standard error: with it the same data keep the level (above)."""
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(TRIALS):
        above, below = (side[..., 0] for side in _equal_precision(rng, 80))
        swaps = np.concatenate([np.zeros((1, 80), bool), rng.random((199, 80)) < 0.5])
        n, d = (np.where(swaps[:, None], side[::-1], side).sum(axis=-1) for side in (above, below))
        size = np.abs(n[:, 0] / d[:, 0] - n[:, 1] / d[:, 1])
        rejected += (size >= size[0] - 1e-12).mean() <= 0.05
    assert rejected / TRIALS > 0.1


def test_p_is_that_of_all_permutations() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.integers(0, 5, (2, 8)).astype(float)

    def statistic(swaps: tuple[int, ...]) -> float:
        signs = 1 - 2 * np.array(swaps)
        return abs(float(ttest_rel(signs * (first - second), np.zeros(8)).statistic))

    all_of_them = np.array([statistic(swaps) for swaps in product((0, 1), repeat=8)])
    exact = (all_of_them >= statistic((0,) * 8) - 1e-9).mean()
    above = np.stack([first, second])[..., None]
    [found] = swap_test([(above, np.ones_like(above))], 20_000, np.random.default_rng(5))
    assert found == pytest.approx(exact, abs=0.015)


def test_no_difference_anywhere_is_certain() -> None:
    same = np.ones((2, 6, 1))
    assert swap_test([(same, same)], 99, np.random.default_rng(0))[0] == 1


def test_a_difference_everywhere_is_rare() -> None:
    above = np.stack([np.ones(20), np.zeros(20)])[..., None]
    assert swap_test([(above, np.ones_like(above))], 99, np.random.default_rng(0))[0] == 0.01


def test_what_is_undefined_has_no_p_value() -> None:
    below = np.stack([np.ones((6, 1)), np.zeros((6, 1))])  # the second never says yes: no precision
    assert np.isnan(swap_test([(below, below)], 9, np.random.default_rng(0))[0])


def test_figures_are_tested_side_by_side() -> None:
    above = np.stack([np.ones((20, 2)), np.stack([np.ones(20), np.zeros(20)], axis=1)])
    equal, different = swap_test([(above, np.ones_like(above))], 99, np.random.default_rng(0))
    assert (equal, different) == (1, 0.01)


def test_holm_against_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.04]) == pytest.approx([0.02, None, 0.04])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == [] and holm([None]) == [None]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_lies_between_no_adjustment_and_bonferroni(p_values: list[float]) -> None:
    found = holm(p_values)
    hochberg_like = false_discovery_control(p_values)
    for p, value, lower in zip(p_values, found, hochberg_like, strict=True):
        assert value is not None
        assert p <= value <= min(1, p * len(p_values)) + 1e-12
        assert value >= lower - 1e-12  # false discoveries are easier to control than any false one
    order = np.argsort(p_values, kind="stable")
    assert sorted(found, key=float) == [found[i] for i in order]  # type: ignore[arg-type]


def test_each_figure_is_adjusted_for_the_comparisons_of_it() -> None:
    def difference(p: float | None) -> Difference:
        return Difference(0.1, 0.0, 0.2, p, 3)

    found = adjusted(
        {
            "a": {"accuracy": difference(0.01), "recall": difference(0.5)},
            "b": {"accuracy": difference(0.02), "recall": difference(None)},
        }
    )
    assert [found[run]["accuracy"].p_adjusted for run in "ab"] == pytest.approx([0.02, 0.02])
    assert [found[run]["recall"].p_adjusted for run in "ab"] == [0.5, None]
    assert found["a"]["accuracy"].p == 0.01
