from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import bootstrap

from mmrad.metrics.intervals import cluster_of, percentile_interval, resampled_counts
from mmrad.sample import Sample


def test_views_of_one_object_are_one_cluster(sample: Callable[..., Sample]) -> None:
    folder = "usb/NG/BX/S0001"
    views = [sample(f"v{i}", image=f"{folder}/usb_0001_NG_BX_C{i}_20231023111538.jpg") for i in (1, 2)]
    other = sample("o", image="usb/NG/BX/S0002/usb_0002_NG_BX_C1_20231023111540.jpg")
    assert cluster_of(views[0]) == cluster_of(views[1])
    assert cluster_of(other) != cluster_of(views[0])


def test_one_image_in_two_queries_is_one_cluster(sample: Callable[..., Sample]) -> None:
    first, second = sample("a", image="bolt/7.png"), sample("b", image="bolt/7.png")
    assert cluster_of(first) == cluster_of(second)
    assert cluster_of(sample("c", image="bolt/7.png", source="elsewhere")) != cluster_of(first)


def test_clusters_are_drawn_whole() -> None:
    counts = np.array([[1.0, 0.0], [0.0, 1.0], [10.0, 0.0]])
    drawn = resampled_counts(counts, ["a", "a", "b"], 200, np.random.default_rng(0))
    # Two clusters drawn twice: (1, 1) and (10, 0) in every combination, and nothing else.
    assert {tuple(row) for row in drawn} == {(2, 2), (11, 1), (20, 0)}


def test_agrees_with_the_bootstrap_of_scipy() -> None:
    right = np.random.default_rng(1).random(80) < 0.7
    drawn = resampled_counts(right[:, None].astype(float), range(80), 4000, np.random.default_rng(2))
    ours = percentile_interval(drawn[:, 0] / 80, 0.95)
    theirs = bootstrap(
        (right,), np.mean, n_resamples=4000, method="percentile", random_state=np.random.default_rng(3)
    ).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.015)


def test_draws_without_a_value_are_left_out() -> None:
    assert percentile_interval(np.array([np.nan, 0.5, 0.5]), 0.95) == (0.5, 0.5)
    assert percentile_interval(np.array([np.nan, np.nan]), 0.95) is None
