from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask
from scipy.optimize import linprog

from mmrad.box import Box
from mmrad.metrics.localization import localization_counts, localization_figures

corners = st.integers(0, 30)
sides = st.integers(1, 20)
boxes = st.builds(lambda x, y, w, h: Box(x, y, x + w, y + h), corners, corners, sides, sides)
box_lists = st.lists(boxes, max_size=5)
thresholds = st.sampled_from([0.1, 0.3, 0.5])


def _independent_matches(predicted: list[Box], true: list[Box], threshold: float) -> int:
    """Maximum bipartite matching as a linear program over pycocotools' IoU."""
    if not predicted or not true:
        return 0
    as_xywh = [
        np.array([[b.x1, b.y1, b.x2 - b.x1, b.y2 - b.y1] for b in group], dtype=float)
        for group in (predicted, true)
    ]
    iou = coco_mask.iou(*as_xywh, [0] * len(true))
    edges = np.argwhere(iou >= threshold)
    if not len(edges):
        return 0
    once = [edges[:, 0] == i for i in range(len(predicted))] + [edges[:, 1] == j for j in range(len(true))]
    limits = np.array(once, dtype=float)
    result = linprog(-np.ones(len(edges)), A_ub=limits, b_ub=np.ones(len(limits)), bounds=(0, 1))
    return round(-result.fun)


@settings(max_examples=200)
@given(box_lists, box_lists, thresholds)
def test_agrees_with_an_independent_matching(predicted: list[Box], true: list[Box], threshold: float) -> None:
    tp, fp, fn = localization_counts(predicted, true, threshold)
    assert tp == _independent_matches(predicted, true, threshold)
    assert (tp + fp, tp + fn) == (len(predicted), len(true))


@settings(max_examples=200)
@given(st.lists(boxes, min_size=1, max_size=5), thresholds)
def test_a_perfect_prediction_is_perfect(true: list[Box], threshold: float) -> None:
    figures = localization_figures(localization_counts(true, list(reversed(true)), threshold))
    assert all(value == 1 for value in figures.values())


@settings(max_examples=200)
@given(box_lists, st.lists(boxes, min_size=1, max_size=5), thresholds)
def test_a_false_alarm_never_lowers_recall(predicted: list[Box], true: list[Box], threshold: float) -> None:
    before = localization_figures(localization_counts(predicted, true, threshold))
    far_away = Box(900, 900, 910, 910)
    after = localization_figures(localization_counts([*predicted, far_away], true, threshold))
    assert after["recall"] == before["recall"]
    assert after["accuracy"] <= before["accuracy"]
    if before["precision"] > 0:
        assert after["precision"] < before["precision"]


@settings(max_examples=200)
@given(box_lists, box_lists)
def test_a_stricter_threshold_never_matches_more(predicted: list[Box], true: list[Box]) -> None:
    matched = [localization_counts(predicted, true, threshold)[0] for threshold in (0.1, 0.3, 0.5)]
    assert matched == sorted(matched, reverse=True)


def test_greedy_matching_would_find_one_pair_less() -> None:
    predicted = [Box(0, 0, 10, 10), Box(6, 0, 16, 10)]
    true = [Box(4, 0, 14, 10), Box(12, 0, 22, 10)]
    assert list(localization_counts(predicted, true, 0.2)) == [2, 0, 0]


def test_accuracy_follows_from_precision_and_recall_as_in_the_design() -> None:
    figures = localization_figures(np.array([30.0, 12.0, 20.0]))
    expected = 1 / (1 / figures["precision"] + 1 / figures["recall"] - 1)
    assert figures["accuracy"] == pytest.approx(expected)


def test_nothing_to_find_and_nothing_found_is_undefined() -> None:
    assert all(np.isnan(value) for value in localization_figures(localization_counts([], [], 0.1)).values())
