"""Batches of any requests: answers each once, found again after a kill, left for whoever wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from batch_servers import BatchServer, completion
from mmrad.endpoint import Batches, Endpoint, Reply, batch
from mmrad.errors import ProviderError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Batches, "PAUSE", 0.01)


def echo(body: dict[str, Any]) -> dict[str, Any]:
    return completion(body["messages"], model="maker/m")


def opened(path: Path, server: BatchServer, **options: Any) -> Batches:
    return Batches(Endpoint("m", server.base_url, retries=0, reported_as=("maker/m",), **options), path)


def requests(names: str) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((name, {"model": "m", "messages": name.upper()}) for name in names)


def everything(_: str) -> bool:
    return True


def texts(answers: Iterator[tuple[str, Reply]]) -> dict[str, str]:
    return {custom_id: reply.text for custom_id, reply in answers}


def test_answers_come_with_their_ids_once(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "batches"
    with BatchServer(echo) as server:
        with opened(path, server) as batches:
            assert texts(batches.answers(everything)) == {}
            assert batches.hand_in(requests("abc")) == 3
            assert texts(batches.answers(everything)) == {"a": "A", "b": "B", "c": "C"}
            assert texts(batches.answers(everything)) == {}
        with opened(path, server) as batches:
            assert texts(batches.answers(everything)) == {}
        assert len(server.batches) == 1


def test_nothing_to_hand_in_makes_no_batch(tmp_path: Path) -> None:
    with BatchServer(echo) as server, opened(tmp_path / "b", server) as batches:
        assert batches.hand_in(iter(())) == 0
        assert not server.batches


def test_requests_are_taken_file_by_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST_REQUESTS", 2)
    seen = []

    with BatchServer(echo) as server, opened(tmp_path / "b", server) as batches:

        def watched() -> Iterator[tuple[str, dict[str, Any]]]:
            for name, body in requests("abcde"):
                seen.append(len(server.batches))
                yield name, body

        assert batches.hand_in(watched()) == 5
        assert seen == [0, 0, 0, 1, 1]  # one ahead of the file that is full
        assert [
            len(server.files[found["input_file_id"]].splitlines()) for found in server.batches.values()
        ] == [
            2,
            2,
            1,
        ]
        assert sorted(texts(batches.answers(everything))) == list("abcde")


def test_answers_nobody_wants_now_are_there_another_time(tmp_path: Path) -> None:
    with BatchServer(echo) as server:
        with opened(tmp_path / "b", server) as batches:
            batches.hand_in(requests("abc"))
            assert sorted(texts(batches.answers(lambda name: name != "b"))) == ["a", "c"]
        with opened(tmp_path / "b", server) as batches:
            assert sorted(texts(batches.answers(everything))) == ["a", "b", "c"]
            assert texts(batches.answers(everything)) == {}


def test_who_stops_taking_finds_the_answers_again(tmp_path: Path) -> None:
    with BatchServer(echo) as server:
        with opened(tmp_path / "b", server) as batches:
            batches.hand_in(requests("abc"))
            answers = batches.answers(everything)
            next(answers)
            answers.close()
        with opened(tmp_path / "b", server) as batches:
            assert sorted(texts(batches.answers(everything))) == ["a", "b", "c"]
        assert len(server.batches) == 1


class _Killed(BaseException):
    """Stands for the death of the process."""


@pytest.mark.parametrize("after", [False, True])
def test_a_process_that_dies_while_handing_in_pays_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    submit: Callable[..., str] = batch.submit

    def die(*arguments: Any) -> str:
        if after:
            submit(*arguments)
        raise _Killed

    with BatchServer(echo) as server:
        with (
            monkeypatch.context() as patch,
            pytest.raises(_Killed),
            opened(tmp_path / "b", server) as batches,
        ):
            patch.setattr(batch, "submit", die)
            batches.hand_in(requests("ab"))
        with opened(tmp_path / "b", server) as batches:
            assert sorted(texts(batches.answers(everything))) == (["a", "b"] if after else [])
            assert texts(batches.answers(everything)) == {}


def test_a_failed_request_is_a_reply(tmp_path: Path) -> None:
    def refuses(body: dict[str, Any]) -> dict[str, Any]:
        if body["messages"] == "A":
            return {"response": None, "error": {"code": "server_error", "message": "down"}}
        return completion("other", model="other")

    with BatchServer(refuses) as server, opened(tmp_path / "b", server) as batches:
        batches.hand_in(requests("ab"))
        found = dict(batches.answers(everything))
    assert found["a"].status == "failed" and "down" in found["a"].detail
    assert found["b"].status == "wrong_model"


def test_a_damaged_line_of_answers_is_told(tmp_path: Path) -> None:
    with BatchServer(echo) as server, opened(tmp_path / "b", server) as batches:
        batches.hand_in(requests("a"))
        while next(iter(server.batches.values()))["status"] != "completed":
            server.work(next(iter(server.batches.values())))
        server.files[next(iter(server.batches.values()))["output_file_id"]] = "{"
        with pytest.raises(ProviderError, match="damaged"):
            list(batches.answers(everything))


def test_an_endpoint_without_the_batch_api_is_told(tmp_path: Path) -> None:
    told = pytest.raises(ProviderError, match=r"HTTP 404.*removing its lines from")
    with (
        BatchServer(echo, refusing={"files": 404}) as server,
        opened(tmp_path / "b", server) as batches,
        told,
    ):
        batches.hand_in(requests("a"))
    with opened(tmp_path / "b", server) as batches, pytest.raises(ProviderError, match="Connection error"):
        batches.hand_in(requests("a"))


def test_a_batch_is_never_handed_in_again_by_itself(tmp_path: Path) -> None:
    with BatchServer(echo, refusing={"batches": 500}) as server:
        endpoint = Endpoint("m", server.base_url, retries=3)
        with Batches(endpoint, tmp_path / "b") as batches, pytest.raises(ProviderError, match="refused"):
            batches.hand_in(requests("a"))
        assert server.posts == ["files", "batches"]
