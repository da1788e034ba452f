from __future__ import annotations

from collections import Counter

import pytest

from mmrad.bench import Run
from mmrad.report.outcome import OUTCOMES, Outcome, judge

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
