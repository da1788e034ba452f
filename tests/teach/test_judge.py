"""A judge of consistency, against a real local server."""

from __future__ import annotations

import json

import pytest

from mmrad.corpus import Corpus
from mmrad.endpoint import Endpoint
from mmrad.teach import ScriptedTeacher, Teaching, judge_texts, teach
from mmrad.teach.texts import text_path
from mmrad.view import Budget
from servers import Call, FaultServer, fails, says


@pytest.fixture
def taught(corpus: Corpus) -> Corpus:
    teach(corpus, [ScriptedTeacher()], teaching=Teaching(budget=Budget(max_pixels=140 * 140)))
    return corpus


def strict(call: Call) -> None:
    """Calls reports of anomalies inconsistent."""
    report = call.body["messages"][1]["content"]
    says("**No**, it is not." if "Answer:\nYes" in report else "Yes. It follows.")(call)


def judged(corpus: Corpus, server: FaultServer):
    return judge_texts(corpus, "scripted", Endpoint("judge", server.base_url, concurrency=1))


def test_agreement_with_the_automatic_checks(taught: Corpus) -> None:
    with FaultServer(default=strict) as server:
        found = judged(taught, server)
        assert (found.consistent, found.inconsistent, found.unanswered) == (2, 2, 0)
        assert (found.both, found.neither, found.share) == (2, 0, 0.5)
        assert found.kappa == pytest.approx(0.0)  # the checks call all consistent: no better than chance
        assert "2 of 4 texts consistent" in found.describe()
        assert judged(taught, server) == found
        assert len(server.calls) == 4


def test_all_agree_leaves_kappa_undefined(taught: Corpus) -> None:
    with FaultServer(default=says("Yes")) as server:
        found = judged(taught, server)
    assert (found.share, found.kappa) == (1.0, None)
    assert "kappa undefined" in found.describe()


def test_a_judge_and_checks_that_both_find_the_bad_text_have_kappa_1(taught: Corpus) -> None:
    path = text_path(taught, "scripted")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    bad = next(line for line in lines if line["sample_id"].endswith("/one"))
    bad["checks"]["verdict_in_think"] = bad["verified"] = False
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))

    def knows(call: Call) -> None:
        says("No" if bad["text"][8:40] in call.body["messages"][1]["content"] else "Yes")(call)

    with FaultServer(default=knows) as server:
        found = judged(taught, server)
    assert (found.neither, found.share, found.kappa) == (1, 1.0, pytest.approx(1.0))


def test_what_is_no_judgement_counts_as_none_and_is_asked_again(taught: Corpus) -> None:
    with FaultServer([says("Perhaps."), fails(400), says("")], default=says("Yes")) as server:
        found = judged(taught, server)
        assert (found.consistent, found.unanswered) == (1, 3)
        found = judged(taught, server)
        assert (found.consistent, found.unanswered, len(server.calls)) == (4, 0, 7)
