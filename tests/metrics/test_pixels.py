from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score, jaccard_score, precision_score, recall_score, roc_auc_score

from mmrad.metrics.pixels import (
    MASK_FIGURES,
    PixelCurve,
    pixel_counts,
    pixel_figures,
    score_maps,
    score_masks,
)
from mmrad.sample import Sample

Maps = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]
MakeSample = Callable[..., Sample]


@st.composite
def pictures(draw: st.DrawFn, few: bool) -> Maps:
    """Maps with their true masks, of several sizes, at least one of them with an anomalous pixel."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    maps: Maps = []
    for number in range(draw(st.integers(1, 4))):
        shape = (draw(st.integers(2, 9)), draw(st.integers(2, 9)))
        scores = rng.integers(-2, 3, shape) / 2 if few else rng.normal(size=shape)
        true = rng.random(shape) < draw(st.sampled_from([0.0, 0.2, 0.6]))
        if number == 0:
            true[0, 0], true[-1, -1] = True, False
        maps.append((scores.astype(np.float32), true))
    return maps


def areas_of(mask: NDArray[np.bool_]) -> list[set[tuple[int, int]]]:
    """The connected areas, by walking from pixel to pixel."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    found = []
    while left:
        area, queue = set(), deque([left.pop()])
        while queue:
            y, x = queue.popleft()
            area.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            queue.extend(near)
        found.append(area)
    return found


def literal_aupro(maps: Maps, limit: float = 0.3) -> float:
    """The definition word by word: mark at each threshold, count, average over areas, sum trapezoids."""
    points = [(0.0, 0.0)]
    for threshold in sorted({float(v) for scores, _ in maps for v in scores.ravel()}, reverse=True):
        false_alarms = normal = 0
        shares = []
        for scores, true in maps:
            marked = scores >= threshold
            false_alarms += int((marked & ~true).sum())
            normal += int((~true).sum())
            shares += [sum(marked[p] for p in area) / len(area) for area in areas_of(true)]
        points.append((false_alarms / normal, sum(shares) / len(shares)))
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 >= limit or x1 == x0:
            continue
        end = min(x1, limit)
        y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
        total += (end - x0) * (y0 + y_end) / 2
    return total / limit


def curve_of(maps: Maps, **options: int) -> PixelCurve:
    curve = PixelCurve(**options)
    for scores, true in maps:
        curve.add(scores, true)
    return curve


def flat(maps: Maps) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    return np.concatenate([t.ravel() for _, t in maps]), np.concatenate([s.ravel() for s, _ in maps])


@settings(max_examples=150)
@given(st.one_of(pictures(few=True), pictures(few=False)))
def test_areas_of_maps_agree_with_scikit_learn_and_with_the_definition(maps: Maps) -> None:
    curve = curve_of(maps)
    assert curve.auroc() == pytest.approx(roc_auc_score(*flat(maps)))
    assert curve.aupro() == pytest.approx(literal_aupro(maps))
    assert curve.aupro(1.0) == pytest.approx(literal_aupro(maps, 1.0))
    assert curve.joined == 1


@settings(max_examples=150)
@given(pictures(few=True))
def test_figures_of_masks_agree_with_scikit_learn_and_with_those_of_their_maps(maps: Maps) -> None:
    masks = [(scores > 0, true) for scores, true in maps]
    figures = pixel_figures(np.sum([pixel_counts(*pair) for pair in masks], axis=0))
    assert set(figures) == set(MASK_FIGURES)
    true, _ = flat(maps)
    marked = np.concatenate([mask.ravel() for mask, _ in masks])
    if marked.any():
        assert figures["precision"] == pytest.approx(precision_score(true, marked))
    else:
        assert np.isnan(figures["precision"])
    assert figures["recall"] == pytest.approx(recall_score(true, marked))
    assert figures["iou"] == pytest.approx(jaccard_score(true, marked))
    assert figures["f1"] == pytest.approx(f1_score(true, marked))
    curve = curve_of([(mask.astype(np.float32), truth) for mask, truth in masks])
    assert figures["pixel_auroc"] == pytest.approx(curve.auroc())
    assert figures["aupro"] == pytest.approx(curve.aupro())


def test_an_empty_mask_and_a_full_one_are_at_chance() -> None:
    true = np.zeros((10, 10), bool)
    true[2:4, 2:9] = True
    for mask in (None, np.zeros_like(true), np.ones_like(true)):
        figures = pixel_figures(pixel_counts(mask, true))
        assert figures["pixel_auroc"] == pytest.approx(0.5)
        assert figures["aupro"] == pytest.approx(0.15)  # the area under the diagonal up to 0.3, over 0.3


def test_a_small_area_counts_as_much_as_a_large_one() -> None:
    true = np.zeros((40, 40), bool)
    true[0:20, 0:20] = True
    true[30, 30] = True
    counts = pixel_counts(np.where(np.arange(40)[:, None] < 25, true, False), true)
    assert counts.tolist() == pytest.approx([400, 0, 1, 1600 - 401, 1, 2])
    assert pixel_figures(counts)["aupro"] == pytest.approx((0.5 + 0.65) / 2)  # straight from 0.5 to (1, 1)


@pytest.mark.parametrize("low", [0.0, 0.5, -700.0])
def test_of_too_many_scores_neighbours_are_joined_and_the_areas_stay(low: float) -> None:
    rng = np.random.default_rng(0)
    maps = []
    for _ in range(6):
        true = np.zeros((50, 40), bool)
        true[10:20, 5:30] = True
        maps.append(((low + rng.random((50, 40)) + 0.4 * true).astype(np.float32), true))
    exact, joined = curve_of(maps), curve_of(maps, distinct=500)
    assert exact.joined == 1 < joined.joined
    assert len(joined._keys) <= 500
    assert joined.auroc() == pytest.approx(exact.auroc(), abs=2e-3)
    assert joined.aupro() == pytest.approx(exact.aupro(), abs=5e-3)


def test_minus_zero_is_zero() -> None:
    true = np.array([[True, False]])
    assert curve_of([(np.array([[0.0, -0.0]], np.float32), true)]).auroc() == 0.5


def test_negative_scores_have_their_order() -> None:
    true = np.array([[True, True, False, False]])
    scores = np.array([[3.0, -1.0, -2.0, -1e30]], np.float32)
    assert curve_of([(scores, true)]).auroc() == 1.0
    assert curve_of([(-scores, true)]).auroc() == 0.0


def test_without_one_of_the_classes_there_is_no_curve() -> None:
    for true in (np.ones((2, 3), bool), np.zeros((2, 3), bool)):
        curve = curve_of([(np.zeros((2, 3), np.float32), true)])
        assert curve.auroc() is None
        assert curve.aupro() is None
    assert PixelCurve().auroc() is None


def test_what_does_not_fit_is_refused() -> None:
    true = np.zeros((2, 3), bool)
    with pytest.raises(ValueError, match=r"\(3, 2\) of the prediction and \(2, 3\)"):
        pixel_counts(true.T, true)
    with pytest.raises(ValueError, match="shapes"):
        PixelCurve().add(np.zeros((4, 6), np.float32), true)
    with pytest.raises(ValueError, match="not a number"):
        PixelCurve().add(np.full((2, 3), np.nan, np.float32), true)


def block(x1: int, y1: int, x2: int, y2: int) -> NDArray[np.bool_]:
    mask = np.zeros((10, 20), bool)
    mask[y1:y2, x1:x2] = True
    return mask


NOTHING = block(0, 0, 0, 0)


def three(sample: MakeSample) -> list[tuple[Any, Any, Any]]:
    return [
        (sample("a", [(0, 0, 4, 4)]), block(0, 0, 4, 2), block(0, 0, 4, 4)),
        (sample("n"), block(0, 0, 2, 2), NOTHING),
        (sample("u", [(0, 0, 4, 2)]), None, block(0, 0, 4, 2)),
        (sample("b", [(5, 5, 9, 9)], category="nut"), block(5, 5, 9, 9), block(5, 5, 9, 9)),
    ]


def test_masks_are_pooled_by_category_and_then_averaged(sample: MakeSample) -> None:
    scores = score_masks(three(sample), resamples=50)
    bolt, nut = scores.categories
    # 8 of 16 + 8 true pixels, and 4 false ones on the normal image; the unanswered 8 are missed.
    assert (bolt.figures["iou"].value, bolt.figures["recall"].value) == (8 / 28, 8 / 24)
    assert bolt.figures["precision"].value == 8 / 12
    assert (bolt.samples, bolt.anomalous, bolt.unanswered) == (3, 2, 1)
    assert nut.figures["iou"].value == 1.0
    assert scores.overall.figures["iou"].value == pytest.approx((8 / 28 + 1) / 2)
    assert (scores.overall.categories, scores.overall.samples) == (2, 4)
    assert [group.source for group in scores.sources] == ["plant"]


def test_the_order_of_images_changes_nothing(sample: MakeSample) -> None:
    assert score_masks(reversed(three(sample)), resamples=50) == score_masks(three(sample), resamples=50)


def test_intervals_come_from_draws_of_base_images(sample: MakeSample) -> None:
    scores = score_masks(three(sample), resamples=200)
    bolt, nut = (category.figures["recall"] for category in scores.categories)
    assert bolt.low is not None
    assert bolt.high is not None
    assert bolt.low < 8 / 24 < bolt.high
    assert (nut.low, nut.high) == (None, None)  # one image cannot vary


def test_a_category_without_anomalies_has_no_recall_and_counts_its_false_alarms(sample: MakeSample) -> None:
    [category] = score_masks([(sample("n"), block(0, 0, 2, 2), NOTHING)]).categories
    assert category.figures["recall"].value is None
    assert category.figures["pixel_auroc"].value is None
    assert category.figures["aupro"].value is None
    assert category.figures["precision"].value == 0.0
    [quiet] = score_masks([(sample("n"), NOTHING, NOTHING)]).categories
    assert quiet.figures["iou"].value is None


def maps_of(rows: Sequence[tuple[Any, Any, Any]]) -> Iterator[tuple[Any, Any, Any]]:
    for one, mask, true in rows:
        yield one, None if mask is None else mask.astype(np.float32), true


def test_maps_have_the_areas_of_their_category(sample: MakeSample) -> None:
    rows = [row for row in three(sample) if row[1] is not None]
    scores = score_maps(maps_of(rows))
    masks = score_masks(rows)
    for category, other in zip(scores.categories, masks.categories, strict=True):
        for name, figure in category.figures.items():
            assert figure.value == pytest.approx(other.figures[name].value)
            assert figure.low is None
    assert scores.to_dict()["overall"]["figures"]["aupro"]["categories"] == 2


def test_a_missing_map_leaves_its_category_undefined(sample: MakeSample) -> None:
    bolt, nut = score_maps(maps_of(three(sample))).categories
    assert bolt.unanswered == 1
    assert bolt.figures["pixel_auroc"].value is None
    assert nut.figures["pixel_auroc"].value == 1.0


def test_maps_of_a_category_must_come_together(sample: MakeSample) -> None:
    a, n, _, b = three(sample)
    with pytest.raises(ValueError, match="plant/bolt do not come one after another"):
        score_maps(maps_of([a, b, n]))


@pytest.mark.parametrize("scored", [score_masks, score_maps])
def test_no_images_is_an_error(scored: Any) -> None:
    with pytest.raises(ValueError, match="no images"):
        scored([])
