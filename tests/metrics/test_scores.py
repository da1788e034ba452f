from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.metrics import COUNTED_FIGURES, RANKING_FIGURES, score
from mmrad.sample import Region, Sample, ScoreKind, Verdict

MakeSample = Callable[..., Sample]
MakeVerdict = Callable[..., Verdict]
DENT = [(10, 10, 20, 20)]
ELSEWHERE = [(70, 70, 90, 90)]


def _corpus(sample: MakeSample) -> list[Sample]:
    return [
        sample(f"{kind}{i}", DENT if kind == "bad" else (), category=category, source=source)
        for source, category in (("plant", "bolt"), ("plant", "nut"), ("lab", "wafer"))
        for kind in ("bad", "good")
        for i in range(3)
    ]


def _perfect(samples: list[Sample], verdict: MakeVerdict) -> dict[str, Verdict]:
    return {
        s.id: verdict(s.anomalous, [r.box.xyxy for r in s.regions], score=float(s.anomalous)) for s in samples
    }


def test_perfect_verdicts_score_one_everywhere(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = _corpus(sample)
    scores = score(samples, _perfect(samples, verdict), resamples=50)
    for group in (scores.overall, *scores.sources, *scores.categories):
        assert {group.figures[name].value for name in COUNTED_FIGURES + RANKING_FIGURES} == {1.0}
        assert group.unanswered == {}
    assert scores.overall.figures["accuracy"].low == 1
    assert [(group.source, group.categories) for group in scores.sources] == [("lab", 1), ("plant", 2)]


def test_means_are_over_categories_and_not_over_samples(sample: MakeSample, verdict: MakeVerdict) -> None:
    large = [sample(f"n{i}", category="bolt") for i in range(9)]
    small = [sample("n", category="nut")]
    verdicts = {s.id: verdict(False) for s in large} | {small[0].id: verdict(True)}
    overall = score(large + small, verdicts, resamples=10).overall
    assert overall.figures["accuracy"].value == 0.5
    assert (overall.samples, overall.categories) == (10, 2)


def test_one_category_name_in_two_sources_is_two(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a", source="plant"), sample("a", source="lab")]
    scores = score(samples, {samples[0].id: verdict(True), samples[1].id: verdict(False)}, resamples=10)
    values = {group.source: group.figures["accuracy"].value for group in scores.categories}
    assert values == {"lab": 1.0, "plant": 0.0}


def test_unanswered_is_wrong_missed_and_counted_by_status(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a", DENT), sample("b", DENT), sample("c"), sample("d", DENT)]
    verdicts = {
        samples[0].id: verdict(True, DENT),
        samples[1].id: verdict(None, DENT, status="truncated"),
        samples[2].id: verdict(None, status="refused"),
    }
    group = score(samples, verdicts, resamples=10).overall
    assert group.unanswered == {"missing": 1, "refused": 1, "truncated": 1}
    assert group.figures["accuracy"].value == 0.25
    assert group.figures["recall"].value == pytest.approx(1 / 3)
    assert group.figures["precision"].value == 1.0
    assert group.counts["unanswered_anomalous"] == 2
    assert (group.counts["iou0.1_tp"], group.counts["iou0.1_fp"], group.counts["iou0.1_fn"]) == (1, 0, 2)
    assert group.figures["auroc"].value is None


def test_an_undefined_figure_is_left_out_of_the_mean(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a", DENT), sample("n", category="nut")]
    verdicts = {samples[0].id: verdict(True, DENT), samples[1].id: verdict(False)}
    scores = score(samples, verdicts, resamples=10)
    recall = scores.overall.figures["recall"]
    assert (recall.value, recall.categories) == (1.0, 1)
    nut = scores.categories[1].figures["recall"]
    assert (nut.value, nut.low, nut.categories) == (None, None, 0)


def test_a_box_on_a_normal_image_is_a_false_alarm(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a", DENT), sample("n")]
    right = {samples[0].id: verdict(True, DENT), samples[1].id: verdict(False)}
    alarmed = right | {samples[1].id: verdict(True, ELSEWHERE)}
    before, after = (score(samples, verdicts, resamples=10).overall.figures for verdicts in (right, alarmed))
    assert after["iou0.1_precision"].value == 0.5
    assert after["iou0.1_recall"].value == before["iou0.1_recall"].value == 1.0


def test_a_category_with_one_image_has_no_interval(sample: MakeSample, verdict: MakeVerdict) -> None:
    only = sample("a", DENT)
    figure = score([only], {only.id: verdict(True, DENT)}, resamples=10).overall.figures["accuracy"]
    assert (figure.value, figure.low, figure.high) == (1.0, None, None)


def test_intervals_hold_the_value_and_clusters_widen_them(sample: MakeSample, verdict: MakeVerdict) -> None:
    def interval(images: int) -> tuple[float, float, float]:
        samples = [sample(f"s{i}", image=f"{i % images}.png") for i in range(40)]
        verdicts = {s.id: verdict(int(s.image.split(".")[0]) % 2 == 0) for s in samples}
        figure = score(samples, verdicts, resamples=500).overall.figures["accuracy"]
        assert figure.value is not None and figure.low is not None and figure.high is not None
        return figure.low, figure.value, figure.high

    alone, together = interval(40), interval(4)
    assert alone[0] < alone[1] < alone[2]
    assert together[2] - together[0] > alone[2] - alone[0]


@settings(max_examples=50)
@given(st.integers(0, 100))
def test_the_order_of_samples_changes_nothing(order: int) -> None:
    region = (Region(Box(1, 1, 5, 5), "dent"),)
    samples = [
        Sample(
            f"p/c{i % 2}/test/{i}",
            "p",
            f"c{i % 2}",
            "test",
            f"{i}.png",
            (9, 9),
            region * (i % 3 > 0),
            "CC0-1.0",
        )
        for i in range(12)
    ]
    verdicts = {s.id: Verdict(i % 4 > 1, region, "", "", i / 12, "ok") for i, s in enumerate(samples)}
    shuffled = random.Random(order).sample(samples, len(samples))
    assert score(shuffled, verdicts, resamples=20) == score(samples, verdicts, resamples=20)


def test_the_scores_are_plain_json(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = _corpus(sample)
    scores = score(samples, {samples[0].id: verdict(False)}, resamples=10)
    loaded = json.loads(json.dumps(scores.to_dict(), allow_nan=False))
    assert loaded["overall"]["figures"]["precision"]["value"] is None
    assert loaded["overall"]["unanswered"] == {"missing": 17}


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        score([], {})


def test_ranking_has_intervals(sample: MakeSample) -> None:
    samples = [sample(str(i), DENT if i % 2 else ()) for i in range(40)]
    verdicts = {
        s.id: Verdict(True, (), "", "", (i * 7 % 40) / 40 + s.anomalous / 4, "ok", score_kind="probability")
        for i, s in enumerate(samples)
    }
    scores = score(samples, verdicts)
    assert scores.score_kind == "probability"
    for name in RANKING_FIGURES:
        figure = scores.overall.figures[name]
        assert figure.value is not None and figure.low is not None and figure.high is not None
        assert 0 < figure.low < figure.value < figure.high < 1


def test_two_kinds_of_scores_are_never_ranked_together(sample: MakeSample) -> None:
    samples = _corpus(sample)
    kinds: dict[str, ScoreKind] = {
        s.id: "confidence" if s.source == "lab" else "probability" for s in samples
    }
    verdicts = {
        s.id: Verdict(True, (), "", "", float(s.anomalous), "ok", score_kind=kinds[s.id]) for s in samples
    }
    scores = score(samples, verdicts, resamples=10)
    assert scores.score_kind == "mixed"
    for group in (scores.overall, *scores.categories):
        assert {group.figures[name].value for name in RANKING_FIGURES} == {None}
    plant = score([s for s in samples if s.source == "plant"], verdicts, resamples=10)
    assert (plant.score_kind, plant.overall.figures["auroc"].value) == ("probability", 1)


def test_places_of_a_map_count_whatever_is_said_of_the_image(
    sample: MakeSample, verdict: MakeVerdict
) -> None:
    """Found where the image is called normal, and a false alarm on a normal image that is called so."""
    bad, good = sample("bad", DENT), sample("good")
    said = {bad.id: verdict(False, DENT, 7.5), good.id: verdict(False, ELSEWHERE, 2.0)}
    worded = score([bad, good], said, resamples=10).overall
    assert (worded.counts["iou0.1_tp"], worded.counts["iou0.1_fp"], worded.counts["iou0.1_fn"]) == (0, 0, 1)
    maps = {key: replace(one, score_kind="map") for key, one in said.items()}
    mapped = score([bad, good], maps, resamples=10)
    counts = mapped.overall.counts
    assert (counts["iou0.1_tp"], counts["iou0.1_fp"], counts["iou0.1_fn"]) == (1, 1, 0)
    assert mapped.overall.figures["recall"].value == 0.0
    assert mapped.overall.figures["auroc"].value == 1.0  # on whatever scale
    assert mapped.score_kind == "map"
