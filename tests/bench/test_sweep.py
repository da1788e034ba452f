"""The paper's sweep against one that is written down again, slowly and differently."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrad.bench.sweep import GRID, CategorySweep, sweep
from mmrad.box import Box, match, nms
from mmrad.errors import DataError
from mmrad.inspectors.base import failed_verdict
from mmrad.metrics import score
from mmrad.sample import Region, Sample, Verdict

WIDTH, HEIGHT = 12, 8
Map = NDArray[np.float32]
Case = tuple[list[Sample], dict[str, Verdict], dict[str, Map]]


def sample(name: str, *boxes: Box, category: str = "bolt") -> Sample:
    regions = tuple(Region(box, "dent") for box in boxes)
    return Sample(
        f"made/{category}/test/{name}", "made", category, "test", f"{name}.png", (WIDTH, HEIGHT), regions, ""
    )


def said(value: float | None) -> Verdict:
    if value is None:
        return failed_verdict("failed", "the image is damaged")
    return Verdict(False, (), "", "", value, "ok", score_kind="map")


def swept(case: Case) -> tuple[CategorySweep, dict[str, Verdict]]:
    samples, verdicts, maps = case
    found, judged = sweep(samples, verdicts, lambda one: maps[one.id])
    return found.categories[0], judged


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A category of few tiny maps; values in tenths, so that thresholds are hit exactly, and of any scale."""
    shift, scale = draw(st.sampled_from([(0.0, 1.0), (-3.0, 10.0), (1.0, 0.125)]))
    samples, verdicts, maps = [], {}, {}
    for number in range(draw(st.integers(1, 5))):
        corners = draw(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=2, unique=True))
        one = sample(str(number), *(Box(x, y, x + 3, y + 2) for x, y in corners))
        value = draw(st.none() | st.integers(0, 10))
        samples.append(one)
        verdicts[one.id] = said(None if value is None else value * scale + shift)
        if value is not None:
            rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
            coarse = rng.integers(0, 11, (HEIGHT // 2, WIDTH // 2))
            if draw(st.booleans()):
                coarse[:] = coarse[0, 0]
            maps[one.id] = (coarse.repeat(2, 0).repeat(2, 1) * scale + shift).astype(np.float32)
    return samples, verdicts, maps


def by_hand(case: Case) -> dict[str, Any]:
    """The protocol once more, one image and one threshold at a time, in double precision."""
    samples, verdicts, maps = case
    judged = [one for one in samples if verdicts[one.id].status == "ok"]
    scores = {one.id: float(verdicts[one.id].score or 0) for one in judged}
    unit_score = unit(scores)
    highest = {key: values.astype(np.float64) for key, values in maps.items()}
    low = min((values.min() for values in highest.values()), default=0)
    high = max((values.max() for values in highest.values()), default=0)
    detection, localization = [], []
    for step in range(11):
        threshold = step / 10
        right = sum((unit_score[one.id] > threshold) == bool(one.regions) for one in judged)
        detection.append(right / len(samples))
        tp = fp = fn = 0
        for one in samples:
            true = [region.box for region in one.regions]
            boxes = []
            if one.id in highest and high > low:
                # Rounded: a tenth is a tenth, whatever it was scaled by before.
                scaled = np.round((highest[one.id] - low) / (high - low), 5)
                boxes = boxes_of(scaled > threshold, scaled)
            hits = len(match(boxes, true, 0.1))
            tp, fp, fn = tp + hits, fp + len(boxes) - hits, fn + len(true) - hits
        localization.append(tp / (tp + fp + fn) if tp + fp + fn else 1.0)
    return {
        "detection": best(detection),
        "accuracy": detection,
        "localization": best(localization),
        "found": localization,
    }


def unit(values: dict[str, float]) -> dict[str, float]:
    low, high = min(values.values(), default=0), max(values.values(), default=0)
    return {key: round((value - low) / (high - low), 9) if high > low else 0 for key, value in values.items()}


def boxes_of(mask: NDArray[np.bool_], values: NDArray[np.float64]) -> list[Box]:
    """As in the footnote, by OpenCV's connected components; places in holes are left out."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    boxes, highest = [], []
    for label in range(1, count):
        outside = np.pad(labels != label, 1, constant_values=True).astype(np.uint8)
        _, areas = cv2.connectedComponents(outside, connectivity=4)
        filled = areas[1:-1, 1:-1] != areas[0, 0]
        ys, xs = np.nonzero(labels == label)
        boxes.append((Box(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1), filled, label))
    kept = [
        box
        for box, _, label in boxes
        if not any(other[labels == label].all() for _, other, number in boxes if number != label)
    ]
    for box in kept:
        x1, y1, x2, y2 = box.rounded()
        highest.append(float(values[y1:y2, x1:x2].max()))
    return [kept[i] for i in nms(kept, highest, 0.5)]


def best(values: list[float]) -> int:
    ranked = sorted((-round(value, 12), abs(step - 5), step) for step, value in enumerate(values))
    return ranked[0][2]


@given(case=cases())
@settings(deadline=None, max_examples=150)
def test_the_sweep_is_that_of_the_protocol(case: Case) -> None:
    found, judged = swept(case)
    expected = by_hand(case)
    assert [row.detection["accuracy"] for row in found.rows] == pytest.approx(expected["accuracy"])
    # Where nothing is to be found and nothing was claimed, the figure is undefined.
    localization = [1.0 if (v := row.localization["accuracy"]) is None else v for row in found.rows]
    assert localization == pytest.approx(expected["found"])
    assert (found.detection, found.localization) == (expected["detection"], expected["localization"])
    figures = score(case[0], judged).overall.figures
    for name, row in (
        ("accuracy", found.rows[found.detection].detection),
        ("iou0.1_accuracy", found.rows[found.localization].localization),
    ):
        value = figures[name].value
        assert (value is None) == (row["accuracy"] is None)
        assert value is None or value == pytest.approx(row["accuracy"])


@given(case=cases())
@settings(deadline=None, max_examples=50)
def test_the_order_of_the_queries_does_not_matter(case: Case) -> None:
    samples, verdicts, maps = case
    assert swept(case) == swept((samples[::-1], verdicts, maps))


def flat(value: float) -> Map:
    return np.full((HEIGHT, WIDTH), value, np.float32)


def spot(box: Box, value: float, ground: float = 0.0) -> Map:
    values = flat(ground)
    x1, y1, x2, y2 = box.rounded()
    values[y1:y2, x1:x2] = value
    return values


DENT = Box(2, 2, 6, 5)


def test_nothing_is_above_one_and_only_the_lowest_is_not_above_zero() -> None:
    bad, good = sample("bad", DENT), sample("good")
    case = (
        [bad, good],
        {bad.id: said(9.0), good.id: said(1.0)},
        {bad.id: spot(DENT, 5.0), good.id: flat(1.0)},
    )
    rows = swept(case)[0].rows
    assert [row.threshold for row in rows] == list(GRID) == [i / 10 for i in range(11)]
    assert rows[-1].detection == {"accuracy": 0.5, "recall": 0.0, "precision": 0.0}
    assert rows[-1].localization == {"accuracy": 0.0, "recall": 0.0, "precision": 0.0}
    assert rows[0].detection == {"accuracy": 1.0, "recall": 1.0, "precision": 1.0}
    # At 0 the whole good image, at 0.2 of the range, is a place.
    assert rows[0].localization == {"accuracy": 0.5, "recall": 1.0, "precision": 0.5}
    assert rows[5].localization == {"accuracy": 1.0, "recall": 1.0, "precision": 1.0}


def test_of_equal_thresholds_the_one_nearest_the_middle_is_taken_then_the_smaller() -> None:
    bad, good = sample("bad", DENT), sample("good")
    scores = {bad.id: said(10.0), good.id: said(0.0)}
    maps = {bad.id: spot(DENT, 1.0), good.id: flat(0.0)}
    found, _ = swept(([bad, good], scores, maps))  # all from 0 to 0.9 are right
    assert (found.detection, found.localization) == (5, 5)
    # 0.3 and 0.7 are the only good ones for detection: one image is wrong in between, two are at the ends.
    case = [sample(f"b{i}", DENT) for i in range(2)] + [sample(f"g{i}") for i in range(2)]
    values = [3.5, 10.0, 0.0, 6.5]
    found, _ = swept(
        (case, {s.id: said(v) for s, v in zip(case, values, strict=True)}, {s.id: flat(0) for s in case})
    )
    accuracy = [row.detection["accuracy"] for row in found.rows]
    assert accuracy[1] == accuracy[2] == accuracy[3] == accuracy[7] == accuracy[8] == accuracy[9] == 0.75
    assert max(value or 0 for value in accuracy) == 0.75
    assert found.detection == 3


def test_flat_maps_and_equal_scores_flag_nothing_at_any_threshold() -> None:
    bad, good = sample("bad", DENT), sample("good")
    found, judged = swept(
        ([bad, good], dict.fromkeys([bad.id, good.id], said(4.0)), {bad.id: flat(2), good.id: flat(2)})
    )
    assert {row.detection["accuracy"] for row in found.rows} == {0.5}
    assert {row.localization["recall"] for row in found.rows} == {0.0}
    assert (found.detection, found.localization) == (5, 5)
    assert all(verdict.anomalous is False and not verdict.regions for verdict in judged.values())


def test_queries_without_a_judgement_stay_so_and_are_missed() -> None:
    bad, lost, good = sample("bad", DENT), sample("lost", DENT), sample("good")
    verdicts = {bad.id: said(5.0), lost.id: said(None), good.id: said(1.0)}
    found, judged = swept(([bad, lost, good], verdicts, {bad.id: spot(DENT, 1.0), good.id: flat(0.0)}))
    assert judged[lost.id] is verdicts[lost.id]
    best_row = found.rows[found.detection]
    assert best_row.detection == {"accuracy": pytest.approx(2 / 3), "recall": 0.5, "precision": 1.0}
    assert found.rows[found.localization].localization["recall"] == 0.5
    alone, judged = swept(([lost], verdicts, {}))
    assert alone.score_range is alone.map_range is None
    assert judged == {lost.id: verdicts[lost.id]}
    assert {row.detection["accuracy"] for row in alone.rows} == {0.0}


def test_a_category_without_anomalies_is_best_without_places() -> None:
    goods = [sample("a"), sample("b")]
    maps = {goods[0].id: spot(DENT, 0.85), goods[1].id: spot(DENT, 1.0)}
    found, judged = swept((goods, {s.id: said(v) for s, v in zip(goods, (0.0, 1.0), strict=True)}, maps))
    assert found.localization == 10  # undefined there, and 0 with any place
    assert not any(verdict.regions for verdict in judged.values())
    assert found.rows[10].localization == {"accuracy": None, "recall": None, "precision": 0.0}


def test_detection_and_localization_have_their_own_thresholds_and_a_shared_one_is_told() -> None:
    """The image called normal by its score has a true place on its map, which counts."""
    strong, weak, good = sample("strong", DENT), sample("weak", DENT), sample("good")
    verdicts = {strong.id: said(10.0), weak.id: said(1.0), good.id: said(8.0)}
    maps = {strong.id: spot(DENT, 1.0), weak.id: spot(DENT, 0.35), good.id: spot(Box(8, 0, 11, 3), 0.25)}
    found, judged = sweep([strong, weak, good], verdicts, lambda one: maps[one.id])
    [category] = found.categories
    assert (GRID[category.detection], GRID[category.localization]) == (0.8, 0.3)
    assert judged[weak.id].anomalous is False
    assert [region.box for region in judged[weak.id].claimed] == [DENT]
    assert found.localization == {"accuracy": 1.0, "recall": 1.0, "precision": 1.0}
    assert found.shared == {"accuracy": 0.5, "recall": 0.5, "precision": 1.0}
    assert judged[good.id].regions == ()


def test_each_category_has_its_own_scale_and_means_are_over_categories() -> None:
    members = [sample("a", DENT), sample("b"), sample("a", DENT, category="nut"), sample("b", category="nut")]
    values = dict(zip((one.id for one in members), (2.0, 1.0, 200.0, 100.0), strict=True))
    maps = {one.id: spot(DENT, values[one.id] if one.regions else 0.0) for one in members}
    found, judged = sweep(
        members, {key: said(value) for key, value in values.items()}, lambda one: maps[one.id]
    )
    assert [one.score_range for one in found.categories] == [(1.0, 2.0), (100.0, 200.0)]
    assert [judged[one.id].anomalous for one in members] == [True, False, True, False]
    assert found.shared["accuracy"] == 1.0


@pytest.mark.parametrize("spoil", ["map", "score"])
def test_what_is_not_finite_is_refused(spoil: str) -> None:
    bad = sample("bad", DENT)
    maps = {bad.id: spot(DENT, np.nan if spoil == "map" else 1.0)}
    with pytest.raises(DataError, match=bad.id):
        sweep([bad], {bad.id: said(np.nan if spoil == "score" else 1.0)}, lambda one: maps[one.id])


def test_maps_are_not_kept() -> None:
    """However many images there are, no more maps are alive than threads, and those of one image's work."""
    many = [sample(f"{i:03}", DENT) for i in range(60)]
    alive: set[int] = set()
    most = 0

    class Counted(np.ndarray):
        def __del__(self) -> None:
            alive.discard(id(self))

    def map_of(one: Sample) -> Map:
        nonlocal most
        values = spot(DENT, 1.0).view(Counted)
        alive.add(id(values))
        most = max(most, len(alive))
        return values

    sweep(many, {one.id: said(1.0) for one in many}, map_of)
    assert 0 < most <= 3 * 8
