from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mmrad.bench import Run
from mmrad.box import Box
from mmrad.report.outcome import OUTCOMES, Outcome, judge
from mmrad.sample import Region, Verdict

DENT = Box(4, 4, 14, 12)
"""The true place of each anomalous query of `conftest.py`."""

EXPECTED: dict[str, dict[Outcome, int]] = {
    "careful": {"right": 2, "partly": 1, "wrong_place": 1, "unanswered": 1},
    "hasty": {"missed": 3, "false_alarm": 1, "right": 1},
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_query_has_its_outcome(runs: list[Run], name: str) -> None:
    run = next(run for run in runs if run.info.name.startswith(name))
    assert Counter(judge(s, run.verdicts[s.id])[0] for s in run.samples) == EXPECTED[name]


def test_a_query_that_was_not_asked_is_no_failure(runs: list[Run]) -> None:
    assert judge(runs[0].samples[0], None) == ("not_asked", frozenset(), frozenset())


def test_found_and_false_places_are_told_apart(runs: list[Run]) -> None:
    run = runs[0]
    partly = next(sample for sample in run.samples if sample.id.endswith("bad2"))
    assert judge(partly, run.verdicts[partly.id]) == ("partly", frozenset({0}), frozenset({0}))


def test_every_outcome_is_explained() -> None:
    assert len({kind.key for kind in OUTCOMES}) == len(OUTCOMES)
    assert all(kind.name and kind.meaning for kind in OUTCOMES)


def map_verdict(anomalous: bool, *boxes: Box) -> Verdict:
    regions = tuple(Region(box, "") for box in boxes)
    return Verdict(anomalous, regions, "", "", 3.5, "ok", score_kind="map")


@pytest.mark.parametrize(
    "query, anomalous, boxes, outcome",
    [
        ("bad1", False, [DENT], "missed"),
        ("bad1", True, [DENT], "right"),
        ("bad1", True, [], "wrong_place"),
        ("good1", False, [], "right"),
        ("good1", False, [DENT], "partly"),  # rightly called normal, with a false place
        ("good1", True, [DENT], "false_alarm"),
    ],
)
def test_places_of_a_map_count_whatever_is_said_of_the_image(
    runs: list[Run], query: str, anomalous: bool, boxes: list[Box], outcome: Outcome
) -> None:
    sample = next(sample for sample in runs[0].samples if sample.id.endswith(query))
    found, hits, _ = judge(sample, map_verdict(anomalous, *boxes))
    assert found == outcome
    assert hits == (frozenset({0}) if boxes and sample.anomalous else frozenset())
    worded = replace(map_verdict(anomalous, *boxes), score=None, score_kind=None)
    if not anomalous:
        assert worded.claimed == ()
        assert judge(sample, worded)[0] == ("missed" if sample.anomalous else "right")
