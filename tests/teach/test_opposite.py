"""Negatives by a model under opposite hints, against a real local server."""

from __future__ import annotations

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.endpoint import Endpoint
from mmrad.teach import MLLMTeacher, read_negatives, write_opposite_negatives
from mmrad.view import Budget
from servers import Call, FaultServer, fails, says

BUDGET = Budget(max_pixels=140 * 140)


def deceived(call: Call) -> None:
    """Says what the opposite hint says."""
    told = call.body["messages"][1]["content"][-1]["text"]
    anomalous = "this product is anomalous" in told
    places = [Instance(Box(3, 3, 20, 20), "dent")] if anomalous else []
    think = "I see a dent at [3, 3, 20, 20]." if anomalous else "All parts are there and in order."
    says(render(think, places))(call)


def test_negatives_are_really_wrong_and_asked_once(corpus: Corpus) -> None:
    with FaultServer(default=deceived) as server:
        teacher = MLLMTeacher(Endpoint("m", server.base_url), temperature=1.0)
        summary = write_opposite_negatives(corpus, teacher, budget=BUDGET, per_sample=2)
        assert (summary.samples, summary.written.total(), len(server.calls)) == (4, 8, 8)
        assert not any("red box" in call.body["messages"][1]["content"][-1]["text"] for call in server.calls)
        assert len({call.body["seed"] for call in server.calls}) == 2
        again = write_opposite_negatives(corpus, teacher, budget=BUDGET, per_sample=2)
        assert (again.known, again.written.total(), len(server.calls)) == (8, 0, 8)
    found = read_negatives(corpus, ["m"])
    assert set(found) == {sample.id for sample in corpus.samples}
    kinds = {negative.kind for some in found.values() for negative in some}
    assert len(kinds) == 2


def test_right_answers_and_failures_are_no_negatives(corpus: Corpus) -> None:
    right = says(render("All parts are there and in order.", ()))
    good = [sample for sample in corpus.samples if not sample.anomalous][:1]
    with FaultServer([right, fails(400)], deceived) as server:
        teacher = MLLMTeacher(Endpoint("m", server.base_url, concurrency=1), temperature=1.0)
        summary = write_opposite_negatives(corpus, teacher, budget=BUDGET, samples=good)
        assert (summary.refused, summary.failures, summary.written.total()) == (1, {"failed": 1}, 0)
        assert "1 answers unreadable or right; no answer: failed 1" in summary.describe()
        assert read_negatives(corpus) == {}
        summary = write_opposite_negatives(corpus, teacher, budget=BUDGET, samples=good)
        assert (summary.written.total(), len(server.calls)) == (1, 3)  # the failure is asked for again
