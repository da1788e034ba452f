"""The cache of replies: what is found, what is not, and what never goes in."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrad.endpoint import Endpoint, Price, Reply, ResponseCache
from mmrad.endpoint.endpoint import request_of, settings_of
from mmrad.errors import DataError, UsageError
from mmrad.prompt import Message
from mmrad.view import View
from servers import FaultServer, cuts_connection, fails, says
from servers import Reply as Scripted

GREEDY = {"temperature": 0.0, "max_tokens": 9}
SECRET = "sk-very-secret"


def question(grey: int = 0, text: str = "What is it?") -> list[Message]:
    return [Message("user", (View(np.full((28, 56, 3), grey, np.uint8), (56, 28)), text))]


def ask(
    path: Path,
    server: FaultServer,
    *questions: list[Message],
    parameters: dict[str, Any] = GREEDY,
    **options: Any,
) -> tuple[list[Reply], ResponseCache]:
    endpoint = Endpoint("m", server.base_url, retries=0, **options)
    with ResponseCache(path) as cache:

        async def story() -> list[Reply]:
            async with endpoint.connect(cache) as client:
                return [await client.ask(messages, parameters) for messages in questions or [question()]]

        return asyncio.run(story()), cache


def test_a_second_time_nothing_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "replies.jsonl"
    token = {"token": "Yes", "logprob": -0.1, "top_logprobs": [{"token": "No", "logprob": -2.5}]}
    with FaultServer(default=says("a nut", model="m-2026-01-31", logprobs=[token])) as server:
        [first], cache = ask(path, server)
        assert (cache.hits, cache.writes, first.usage.cached) == (0, 1, False)
        [second], cache = ask(path, server)
        assert (cache.hits, cache.writes, len(cache)) == (1, 0, 1)
        assert cache.describe() == f"{path}: 1 answers found, 0 added"
        assert len(server.calls) == 1
    assert second.usage.cached and second.usage.seconds is None
    assert replace(second, usage=first.usage) == first
    assert (second.usage.input_tokens, second.usage.output_tokens) == (11, 7)
    price = Price(1e6, 1e6)
    assert (price.cost(first.usage), price.cost(second.usage)) == (18.0, 0.0)


def test_within_one_run_too(tmp_path: Path) -> None:
    with FaultServer() as server:
        replies, cache = ask(tmp_path / "r", server, question(), question(), question(7))
        assert [reply.usage.cached for reply in replies] == [False, True, False]
        assert (cache.hits, cache.writes, len(server.calls)) == (1, 2, 2)


def test_whatever_can_change_the_answer_is_in_the_key(tmp_path: Path) -> None:
    with ResponseCache(tmp_path / "r") as cache:

        def digest(
            messages: list[Message] | None = None, parameters: dict[str, Any] = GREEDY, **changed: Any
        ) -> str:
            endpoint = Endpoint(**{"model": "m", "base_url": "http://a/v1", **changed})
            body = request_of(endpoint, messages or question(), parameters)
            key = cache.key_of(endpoint, settings_of(endpoint, parameters), json.dumps(body).encode())
            assert key is not None
            return key.digest

        plain = digest()
        others = [
            digest(model="n"),
            digest(base_url="http://b/v1"),
            digest(base_url="http://a/v2"),
            digest(question(1)),
            digest(question(text="Which?")),
            digest(parameters={**GREEDY, "max_tokens": 10}),
            digest(parameters={**GREEDY, "seed": 1}),
            digest(extra={"reasoning_effort": "low"}),
            digest(token_param="max_completion_tokens"),
            digest(rejects=("max_tokens",)),
            digest(reported_as=("n",)),
        ]
        assert len({plain, *others}) == len(others) + 1
        # How it is asked changes no answer.
        same = digest(
            base_url="http://a/v1/?token=x", concurrency=2, timeout=3, retries=9, more_urls=("http://b/v1",)
        )
        assert same == plain


@pytest.mark.parametrize(
    ("parameters", "kept"),
    [
        ({"temperature": 0}, True),
        ({"temperature": 0.7, "seed": 0}, True),
        ({"seed": 3}, True),
        ({"temperature": 0.7}, False),
        ({"temperature": 0.7, "seed": None}, False),
        ({}, False),
    ],
)
def test_only_what_is_meant_to_be_the_same_again_is_kept(
    tmp_path: Path, parameters: dict[str, Any], kept: bool
) -> None:
    with FaultServer() as server:
        _, cache = ask(tmp_path / "r", server, question(), question(), parameters=parameters)
        assert (cache.hits, cache.writes, len(server.calls)) == ((1, 1, 1) if kept else (0, 0, 2))


def test_a_rejected_temperature_is_none(tmp_path: Path) -> None:
    with FaultServer() as server:
        _, cache = ask(tmp_path / "r", server, rejects=("temperature",))
        assert (cache.hits, cache.writes) == (0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fails(400), id="400"),
        pytest.param(cuts_connection, id="cut"),
        pytest.param(says(""), id="empty"),
        pytest.param(says("half", finish="length"), id="truncated"),
        pytest.param(says("no", finish="content_filter"), id="refused"),
        pytest.param(says("fine", model="other"), id="wrong model"),
    ],
)
def test_what_is_no_answer_is_asked_again(tmp_path: Path, fault: Scripted) -> None:
    with FaultServer([fault]) as server:
        [reply], cache = ask(tmp_path / "r", server)
        assert reply.status != "ok" and cache.writes == 0
        assert (tmp_path / "r").read_bytes() == b""
        [reply], cache = ask(tmp_path / "r", server)
        assert (reply.status, cache.hits, cache.writes) == ("ok", 0, 1)


def test_a_torn_line_is_asked_again_and_the_others_are_not(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with FaultServer() as server:
        ask(path, server, question(1), question(2))
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        replies, cache = ask(path, server, question(1), question(2))
        assert [reply.usage.cached for reply in replies] == [True, False]
        assert (cache.hits, cache.writes, len(server.calls)) == (1, 1, 3)
    assert path.read_bytes()[: len(whole) - 20].startswith(whole.splitlines(keepends=True)[0])
    with ResponseCache(path) as cache:
        assert len(cache) == 2


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "r"
    with FaultServer() as server:
        ask(path, server, question(1), question(2))
        first, second = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(first + b"scribble\n" + second)
        with pytest.raises(DataError, match="r, line 2: no line of a response cache"):
            ask(path, server)
        path.write_bytes(first[:-30] + b"\n" + second)
        with pytest.raises(DataError, match=f"the line of key {json.loads(first)['key']} is damaged"):
            ask(path, server, question(1))
        [reply], _ = ask(path, server, question(2))  # a refused file was let go
        assert reply.usage.cached


def test_the_parts_of_a_key_stand_beside_the_answer_but_no_secret_and_no_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    path = tmp_path / "r"
    with FaultServer() as server:
        ask(path, server, reported_as=("n",))
        [line] = path.read_text().splitlines()
        asked = json.loads(line)["asked"]
        assert asked == {"model": "m", "base_url": server.base_url, "reported_as": ["n"], **GREEDY}
    assert SECRET not in line and "base64" not in line and "What is it?" not in line
    assert len(line) < 600


def test_a_second_process_is_told_that_it_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "r"
    code = (
        f"from mmrad.endpoint import ResponseCache; ResponseCache(__import__('pathlib').Path({str(path)!r}))"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}

    def other() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)

    with ResponseCache(path):
        refused = other()
        assert refused.returncode == 1 and b"another run uses this response cache" in refused.stderr
        with pytest.raises(UsageError, match="another run uses"):
            ResponseCache(path)
    assert other().returncode == 0


def test_many_threads_share_one(tmp_path: Path) -> None:
    with FaultServer() as server:
        endpoint = Endpoint("m", server.base_url, concurrency=8)
        with ResponseCache(tmp_path / "r") as cache:

            async def story() -> list[Reply]:
                async with endpoint.connect(cache) as client:
                    asked = (client.ask(question(grey), GREEDY) for grey in range(60))
                    return list(await asyncio.gather(*asked))

            asyncio.run(story())
            again = asyncio.run(story())
            assert (cache.hits, cache.writes, len(server.calls)) == (60, 60, 60)
    assert all(reply.usage.cached for reply in again)
