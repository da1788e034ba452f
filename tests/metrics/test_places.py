from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.metrics import IOU_THRESHOLDS, by_size, by_type, score
from mmrad.sample import Region, Sample, Verdict

WIDE = (4000, 1000)


def _sample(name: str, *places: tuple[Box, str], category: str = "bolt") -> Sample:
    regions = tuple(Region(box, label) for box, label in places)
    return Sample(f"p/{category}/test/{name}", "p", category, "test", f"{name}.png", WIDE, regions, "")


def _says(*boxes: Box) -> Verdict:
    return Verdict(True, tuple(Region(box, "x") for box in boxes), "", "", None, "ok")


NORMAL = Verdict(False, (), "", "", None, "ok")
TINY, SMALL, LARGE = Box(0, 0, 50, 79), Box(0, 0, 100, 100), Box(0, 0, 2000, 900)


def test_size_is_the_share_of_the_image() -> None:
    places = {"tiny": TINY, "small": SMALL, "more": Box(0, 0, 400, 100), "large": LARGE}
    groups = by_size([_sample(name, (box, "dent")) for name, box in places.items()], {})
    assert {group.name: group.places for group in groups} == {
        "below 0.1 %": 1, "0.1-1 %": 1, "1-10 %": 1, "10 % and more": 1,
    }  # fmt: skip


def test_ends_of_sizes_belong_to_the_larger_one() -> None:
    for box, name in ((Box(0, 0, 40, 100), "0.1-1 %"), (Box(0, 0, 400, 1000), "10 % and more")):
        [group] = [group for group in by_size([_sample("a", (box, "dent"))], {}) if group.places]
        assert group.name == name
    [whole] = [g for g in by_size([_sample("a", (Box(0, 0, *WIDE), "dent"))], {}) if g.places]
    assert whole.name == "10 % and more"


def test_found_by_size() -> None:
    samples = [_sample("a", (TINY, "dent"), (Box(1000, 0, 3000, 900), "hole")), _sample("b", (TINY, "dent"))]
    verdicts = {samples[0].id: _says(Box(1000, 0, 3000, 450)), samples[1].id: NORMAL}
    tiny, _, _, large = by_size(samples, verdicts, resamples=20)
    assert (tiny.places, tiny.counts["recall"], tiny.counts["iou0.1_recall"]) == (2, 1, 0)
    assert tiny.figures["recall"].value == 0.5
    assert (large.counts["iou0.3_recall"], large.counts["iou0.5_recall"]) == (1, 1)
    assert large.figures["iou0.5_recall"].value == 1


def test_recalls_are_means_over_categories() -> None:
    many = [_sample(f"m{i}", (SMALL, "dent")) for i in range(9)]
    one = _sample("o", (SMALL, "dent"), category="nut")
    [group] = [g for g in by_size([*many, one], {s.id: _says(SMALL) for s in many}, resamples=9) if g.places]
    assert (group.places, group.counts["recall"], group.categories) == (10, 9, 2)
    assert group.figures["recall"].value == 0.5
    assert group.figures["recall"].categories == 2


def test_an_unanswered_query_misses_its_places() -> None:
    sample = _sample("a", (SMALL, "dent"))
    unanswered = Verdict(None, (Region(SMALL, "x"),), "", "", None, "refused")
    for verdicts in ({}, {sample.id: unanswered}):
        [group] = [g for g in by_size([sample], verdicts) if g.places]
        assert set(group.counts.values()) == {0}
        assert group.figures["recall"].value == 0


def test_types_are_labels_whatever_their_case_and_rare_ones_are_pooled() -> None:
    samples = [
        *(_sample(f"a{i}", (SMALL, "Broken  tooth" if i % 2 else "broken tooth")) for i in range(10)),
        *(_sample(f"b{i}", (SMALL, "hole"), category="nut") for i in range(9)),
        _sample("c", (SMALL, "rust")),
    ]
    groups = by_type(samples, {s.id: _says(SMALL) for s in samples[:10]}, resamples=9)
    assert [(g.name, g.types, g.places) for g in groups] == [("broken tooth", 1, 10), ("rare types", 2, 10)]
    assert [g.figures["iou0.5_recall"].value for g in groups] == [1, 0]
    assert groups[1].categories == 2


def test_no_anomalies_are_no_types_and_empty_sizes() -> None:
    assert by_type([_sample("a")], {}) == []
    assert {group.figures["recall"].value for group in by_size([_sample("a")], {})} == {None}


corner = st.integers(0, 90)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), corner, corner, st.integers(1, 60), st.integers(1, 9)
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(boxes, max_size=3), st.lists(boxes, max_size=3)), min_size=1, max_size=6))
def test_sizes_and_types_add_up_to_the_counts_of_the_scores(rows: list[tuple[list[Box], list[Box]]]) -> None:
    samples = [_sample(str(i), *((box, "dent") for box in true)) for i, (true, _) in enumerate(rows)]
    verdicts = {s.id: _says(*found) for s, (_, found) in zip(samples, rows, strict=True)}
    counts = score(samples, verdicts, resamples=2).overall.counts
    for groups in (by_size(samples, verdicts, resamples=2), by_type(samples, verdicts, resamples=2)):
        for t in IOU_THRESHOLDS:
            assert sum(g.counts[f"iou{t}_recall"] for g in groups) == counts[f"iou{t}_tp"]
            assert sum(g.places for g in groups) == counts[f"iou{t}_tp"] + counts[f"iou{t}_fn"]


def test_intervals_hold_the_value() -> None:
    samples = [_sample(str(i), (SMALL, "dent")) for i in range(40)]
    [group] = [g for g in by_size(samples, {s.id: _says(SMALL) for s in samples[::2]}) if g.places]
    figure = group.figures["recall"]
    assert figure.low is not None and figure.high is not None
    assert figure.value == 0.5
    assert 0.3 < figure.low < 0.5 < figure.high < 0.7


def test_places_of_a_map_are_found_without_a_call() -> None:
    sample = _sample("a", (LARGE, "dent"))
    said = Verdict(False, (Region(LARGE, ""),), "", "", 40.0, "ok", score_kind="map")
    [group] = [group for group in by_size([sample], {sample.id: said}) if group.places]
    assert (group.counts["recall"], group.counts["iou0.5_recall"]) == (0, 1)
