"""Inspecting through a provider's batch API: each query paid once, whatever is killed, under a cap."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_servers import BatchServer, completion
from builders import make_corpus
from mmrad.endpoint import Batches, Endpoint, Price, Spending
from mmrad.errors import BudgetReached, ProviderError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.batch import BatchInspector
from mmrad.inspectors.chat_inspector import ChatInspector
from mmrad.inspectors.plan import plan_of
from mmrad.sample import Pair, Verdict
from servers import NO, YES

SETTINGS = InspectionSettings(max_tokens=9, min_p=0.1, seed=3)
PRICE = Price(1.0, 1000.0)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batches, "PAUSE", 0.01)


@pytest.fixture
def pairs(tmp_path: Path) -> list[Pair]:
    corpus = make_corpus(tmp_path / "corpus", 4)
    return corpus.pairs(corpus.samples)


def yes(body: dict[str, Any]) -> dict[str, Any]:
    return completion(YES)


def inspector(server: BatchServer, state: Path, **options: Any) -> BatchInspector:
    named = ("price", "rejects")
    endpoint = Endpoint("m", server.base_url, retries=0, **{n: options.pop(n) for n in named if n in options})
    return BatchInspector(endpoint, options.pop("settings", SETTINGS), state=state, **options)


def answers(verdicts: Iterator[tuple[int, Verdict]]) -> dict[int, Verdict]:
    found = list(verdicts)
    assert len({index for index, _ in found}) == len(found), "each pair once"
    return dict(found)


def test_all_pairs_are_handed_in_at_once_as_they_are_asked_otherwise(
    pairs: list[Pair], tmp_path: Path
) -> None:
    with BatchServer(yes) as server:
        made = inspector(server, tmp_path / "state", rejects=("min_p",))
        verdicts = answers(made.inspect(pairs))
        plain = ChatInspector(made.model, SETTINGS)
    assert len(server.batches) == 1
    assert sorted(verdicts) == [0, 1, 2, 3]
    assert {verdict.status for verdict in verdicts.values()} == {"ok"}
    body = server.requests[0]["body"]
    assert (body["seed"], body["max_tokens"], "min_p" in body) == (3, 9, False)
    assert made.key() == plain.key()
    width, height = pairs[0].sample.size_wh
    _, view = SETTINGS.ask(pairs[0])
    right, down = width / view.size_wh[0], height / view.size_wh[1]
    assert verdicts[0].regions[0].box.xyxy == pytest.approx((7 * right, 14 * down, 28 * right, 42 * down))


def test_a_killed_process_s_batch_is_found_again_and_paid_once(pairs: list[Pair], tmp_path: Path) -> None:
    state = tmp_path / "state"
    with BatchServer(yes) as server:
        begun = inspector(server, state).inspect(pairs)
        kept, _ = next(begun)
        begun.close()  # the answer was kept, the others are not taken
        rest = [pair for index, pair in enumerate(pairs) if index != kept]
        assert sorted(answers(inspector(server, state).inspect(rest))) == [0, 1, 2]
        assert len(server.requests) == 4
        assert len(answers(inspector(server, state).inspect(rest[:1]))) == 1
        assert len(server.requests) == 4


def test_another_question_is_another_request(pairs: list[Pair], tmp_path: Path) -> None:
    state = tmp_path / "state"
    with BatchServer(yes) as server:
        answers(inspector(server, state).inspect(pairs[:1]))
        answers(inspector(server, state, settings=InspectionSettings(seed=9)).inspect(pairs[:1]))
        pairs[0].image.write_bytes(pairs[1].image.read_bytes())
        answers(inspector(server, state).inspect(pairs[:1]))
        assert len({request["custom_id"] for request in server.requests}) == 3


def test_a_failed_answer_is_told_and_asked_again_by_the_next_call(pairs: list[Pair], tmp_path: Path) -> None:
    failing = [True]

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        return {"response": None, "error": {"message": "overloaded"}} if failing[0] else completion(NO)

    with BatchServer(answer) as server:
        state = tmp_path / "state"
        first = answers(inspector(server, state).inspect(pairs[:2]))
        assert {verdict.status for verdict in first.values()} == {"failed"}
        assert "overloaded" in first[0].detail
        failing[0] = False
        again = answers(inspector(server, state).inspect(pairs[:2]))
        assert {verdict.anomalous for verdict in again.values()} == {False}
        assert len(server.requests) == 4


def test_a_failure_found_again_does_not_hide_the_later_answer(pairs: list[Pair], tmp_path: Path) -> None:
    """Its batch is looked after again as long as it holds answers to other pairs than are asked now."""
    rounds = iter([NO, None, NO])

    def answer(body: dict[str, Any]) -> dict[str, Any]:
        text = next(rounds)
        return completion(text) if text else {"response": None, "error": {"message": "overloaded"}}

    with BatchServer(answer) as server:
        state = tmp_path / "state"
        begun = inspector(server, state).inspect(pairs[:2])
        assert next(begun)[1].status == "ok"
        begun.close()
        [verdict] = answers(inspector(server, state).inspect(pairs[1:2])).values()
        assert (verdict.status, verdict.anomalous) == ("ok", False)
        assert len(server.requests) == 3


def test_an_expired_batch_leaves_failed_verdicts_and_no_cost(pairs: list[Pair], tmp_path: Path) -> None:
    spending = Spending(1000.0)
    with BatchServer(yes, expiring=True) as server:
        made = inspector(server, tmp_path / "state", price=PRICE, spending=spending)
        verdicts = answers(made.inspect(pairs))
    assert {verdict.status for verdict in verdicts.values()} == {"failed"}
    assert "without an answer" in verdicts[0].detail
    assert spending.spent == 0


def test_an_unreadable_image_fails_its_pair_alone(pairs: list[Pair], tmp_path: Path) -> None:
    pairs[1].image.write_bytes(b"no image")
    with BatchServer(yes) as server:
        verdicts = answers(inspector(server, tmp_path / "state").inspect(pairs))
    assert [verdicts[index].status for index in range(4)] == ["ok", "failed", "ok", "ok"]
    assert "001.png" in verdicts[1].detail


def test_a_cap_holds_back_what_could_pass_it(pairs: list[Pair], tmp_path: Path) -> None:
    one = plan_of(pairs[:1], SETTINGS, PRICE).most_dollars
    assert one is not None
    spending = Spending(2.6 * one)
    found = {}
    with BatchServer(yes) as server:
        made = inspector(server, tmp_path / "state", price=PRICE, spending=spending)
        with pytest.raises(BudgetReached, match="1 of 4 pairs were not asked"):
            for index, verdict in made.inspect(pairs):
                found[index] = verdict
    # Two fit at once; what they really cost leaves room for a third.
    assert [len(batch) for batch in (server.batches, server.requests)] == [2, 3]
    assert sorted(found) == [0, 1, 2]
    assert spending.spent == pytest.approx(3 * (11 * 1 + 7 * 1000) / 1e6)
    assert spending.spent <= 2.6 * one


def test_a_batch_that_fails_as_a_whole_is_raised(pairs: list[Pair], tmp_path: Path) -> None:
    with (
        BatchServer(yes, failing=True) as server,
        pytest.raises(ProviderError, match="no such model"),
    ):
        answers(inspector(server, tmp_path / "state").inspect(pairs))


def test_a_kill_while_waiting_loses_nothing(
    pairs: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"

    def killed(seconds: float) -> None:
        raise KeyboardInterrupt

    with BatchServer(yes) as server:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr("mmrad.endpoint.batch.time.sleep", killed)
            answers(inspector(server, state).inspect(pairs))
        assert len(server.requests) == 4
        assert sorted(answers(inspector(server, state).inspect(pairs))) == [0, 1, 2, 3]
        assert len(server.batches) == 1
