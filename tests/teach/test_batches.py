"""Teaching through the batch API: rounds, kills between any two steps, whole batches that fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from batch_servers import BatchServer, completion
from hinted import good_text, hinted_in
from mmrad.corpus import Corpus
from mmrad.endpoint import Batches, Endpoint, batch
from mmrad.errors import ProviderError
from mmrad.teach import MLLMTeacher, Tally, Teaching, chosen_texts, teach
from mmrad.view import Budget

TEACHING = Teaching(budget=Budget(max_pixels=140 * 140))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batches, "PAUSE", 0.01)


def obeys(body: dict[str, Any]) -> dict[str, Any]:
    return completion(good_text(hinted_in(body)))


def run(corpus: Corpus, server: BatchServer, **options: Any) -> Tally:
    endpoint = Endpoint("m", server.base_url, retries=0, timeout=20.0)
    [tally] = teach(corpus, [MLLMTeacher(endpoint, batch=True, **options)], teaching=TEACHING)
    return tally


def test_a_batch_teaches_all(corpus: Corpus) -> None:
    with BatchServer(obeys) as server:
        tally = run(corpus, server)
        assert (tally.verified, tally.answers, len(server.batches)) == (4, 4, 1)
        assert len(chosen_texts(corpus)) == 4
        assert run(corpus, server).verified == 4
        assert len(server.batches) == 1
    line = server.requests[0]
    assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions")
    assert line["body"]["model"] == "m" and "extra_body" not in line["body"]


def test_what_fails_verification_goes_into_the_next_batch_with_the_reasons(corpus: Corpus) -> None:
    def lies_first(body: dict[str, Any]) -> dict[str, Any]:
        return obeys(body) if len(body["messages"]) > 2 else completion("<answer>Perhaps.</answer>")

    with BatchServer(lies_first) as server:
        tally = run(corpus, server)
    assert (tally.verified, tally.answers, len(server.batches)) == (4, 8, 2)


def test_requests_that_fail_are_left_for_the_next_call(corpus: Corpus) -> None:
    def fails(body: dict[str, Any]) -> dict[str, Any]:
        if hinted_in(body):
            return {"response": None, "error": {"code": "server_error", "message": "down"}}
        return obeys(body)

    with BatchServer(fails) as server:
        tally = run(corpus, server)
        assert (tally.verified, tally.done, tally.failures) == (2, 2, {"failed": 2})
        server.answer = obeys
        assert run(corpus, server).verified == 4
        assert len(server.requests) == 6


def test_an_expired_batch_is_left_for_the_next_call(corpus: Corpus) -> None:
    with BatchServer(obeys, expiring=True) as server:
        assert run(corpus, server).done == 0
        server.expiring = False
        assert run(corpus, server).verified == 4


def test_a_batch_that_fails_as_a_whole_says_why(corpus: Corpus) -> None:
    with BatchServer(obeys, failing=True) as server, pytest.raises(ProviderError, match="no such model"):
        run(corpus, server)


class _Killed(BaseException):
    """Stands for the death of the process."""


@pytest.mark.parametrize("point", ["before handing in", "after handing in", "while waiting", "while keeping"])
def test_nothing_is_paid_twice_whenever_the_process_dies(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    def dying(original: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def die(*arguments: Any) -> Any:
            if after:
                original(*arguments)
            raise _Killed

        return die

    class Torn:
        """Dies at the third answer."""

        count = 0

    from mmrad.teach.course import Course

    record = Course.record

    def torn(*arguments: Any) -> None:
        Torn.count += 1
        if Torn.count == 3:
            raise _Killed
        record(*arguments)

    with BatchServer(obeys) as server:
        with monkeypatch.context() as patch:
            if point == "while keeping":
                patch.setattr(Course, "record", torn)
            elif point == "while waiting":
                patch.setattr(batch, "_look_after", dying(batch._look_after, after=False))
            else:
                patch.setattr(batch, "submit", dying(batch.submit, after=point == "after handing in"))
            with pytest.raises(_Killed):
                run(corpus, server)
        tally = run(corpus, server)
        assert tally.verified == 4
        assert len(server.batches) == 1
        assert len(server.requests) == 4
    lines = (corpus.path / "texts/m.jsonl").read_text().splitlines()
    assert len({json.loads(line)["sample_id"] for line in lines}) == len(lines) == 4


def test_files_stay_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = [batch.request_line(str(number), {"model": "m"}) for number in range(7)]
    monkeypatch.setattr(batch, "MOST_REQUESTS", 3)
    assert [len(group) for group in batch.in_files(iter(requests))] == [3, 3, 1]
    monkeypatch.setattr(batch, "MOST_BYTES", 2 * len(requests[0].line))
    assert [len(group) for group in batch.in_files(iter(requests))] == [2, 2, 2, 1]
    assert list(batch.in_files([])) == []
