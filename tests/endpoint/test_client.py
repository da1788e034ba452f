"""The client over real HTTP: retries, rate limits, streams, models without a system message."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import numpy as np
import pytest

from mmrad.endpoint import Endpoint, Price, Reply
from mmrad.errors import ProviderError
from mmrad.prompt import Message
from mmrad.sample import Usage
from mmrad.view import View
from servers import FaultServer, fails, fails_briefly, says, streams
from servers import Reply as Scripted

VIEW = View(np.zeros((28, 56, 3), np.uint8), (56, 28))
MESSAGES = [Message("system", ("Be brief.",)), Message("user", (VIEW, "What is it?"))]


def ask(
    *script: Scripted, count: int = 1, default: Scripted | None = None, **options: Any
) -> tuple[list[Reply], FaultServer]:
    options = {"retries": 2, "timeout": 30.0, **options}
    with FaultServer(script, default) as server:
        endpoint = Endpoint("m", server.base_url, **options)

        async def all_of_them() -> list[Reply]:
            async with endpoint.connect() as client:
                return list(await asyncio.gather(*(client.ask(MESSAGES, {}) for _ in range(count))))

        return asyncio.run(all_of_them()), server


def test_a_stream_is_put_together() -> None:
    [reply], server = ask(streams("all of it", reasoning="hm"), stream=True)
    assert (reply.status, reply.text, reply.model_reported) == ("ok", "<think>hm</think>all of it", "m")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 7)
    assert server.calls[0].body["stream_options"] == {"include_usage": True}


def test_a_cut_stream_is_no_answer_and_is_asked_again() -> None:
    [reply], server = ask(streams("half of it", cut=True), streams("whole"), stream=True)
    assert reply.text == "whole"
    assert len(server.calls) == 2
    [reply], _ = ask(streams("half of it", cut=True), stream=True, retries=0)
    assert (reply.status, reply.text) == ("failed", "")


def test_a_model_without_system_message_gets_its_text_from_the_user() -> None:
    _, server = ask(system=False)
    [message] = server.calls[0].body["messages"]
    assert message["role"] == "user"
    assert [part["type"] for part in message["content"]] == ["text", "image_url", "text"]
    assert message["content"][0]["text"] == "Be brief."


def test_extra_fields_are_sent() -> None:
    _, server = ask(extra={"reasoning_effort": "low", "top_k": 3})
    assert (server.calls[0].body["reasoning_effort"], server.calls[0].body["top_k"]) == ("low", 3)


def test_rejected_parameters_are_not_sent_and_are_told() -> None:
    with FaultServer() as server:
        options: dict[str, Any] = {"token_param": "max_completion_tokens", "extra": {"top_k": 3}}
        endpoint = Endpoint("m", server.base_url, rejects=("temperature", "seed"), **options)
        asked = {"temperature": 0.0, "max_tokens": 5, "min_p": 0.1}

        async def once() -> Reply:
            async with endpoint.connect() as client:
                return await client.ask(MESSAGES, asked)

        assert asyncio.run(once()).status == "ok"
    sent = server.calls[0].body
    assert sent.keys() == {"model", "messages", "max_completion_tokens", "min_p", "top_k"}
    assert endpoint.dropped(asked) == {"temperature": 0.0}
    assert Endpoint("m", "http://a").dropped(asked) == {}
    assert endpoint.key()["rejects"] == ["seed", "temperature"]


@pytest.mark.parametrize(
    ("reported", "status"),
    [("m-2026-01-31", "ok"), ("maker/m", "ok"), ("maker/m-0131", "ok"), ("maker/m-mini", "wrong_model")],
)
def test_a_model_may_answer_under_its_other_names(reported: str, status: str) -> None:
    [reply], _ = ask(says("fine", model=reported), reported_as=("maker/m",))
    assert (reply.status, reply.model_reported) == (status, reported)


def test_a_rate_limit_lets_fewer_requests_through_and_waits_for_the_named_time() -> None:
    replies, server = ask(
        *[fails(429, headers={"Retry-After": "0.3"})] * 4, count=12, concurrency=4, retries=6
    )
    assert [reply.status for reply in replies] == ["ok"] * 12
    assert len(server.calls) == 16


def test_slots_halve_and_grow_again() -> None:
    from mmrad.endpoint.slots import Slots

    async def story() -> list[int]:
        slots = Slots(16)
        seen = []
        slots.limited(0.0)
        seen.append(slots.allowed)
        for _ in range(8):
            await slots.succeeded()
        seen.append(slots.allowed)
        slots.limited(0.2)
        slots.limited(0.2)  # of the same burst
        seen.append(slots.allowed)
        before = time.monotonic()
        async with slots.one():
            seen.append(time.monotonic() - before >= 0.19)
        return seen

    assert asyncio.run(story()) == [8, 9, 4, True]


def test_no_more_than_the_allowed_slots_are_held() -> None:
    from mmrad.endpoint.slots import Slots

    async def story() -> int:
        slots, held, most = Slots(3), 0, 0

        async def one() -> None:
            nonlocal held, most
            async with slots.one():
                held += 1
                most = max(most, held)
                await asyncio.sleep(0.001)
                held -= 1

        await asyncio.gather(*(one() for _ in range(20)))
        return most

    assert asyncio.run(story()) == 3


def test_a_used_up_quota_ends_everything_even_after_answers() -> None:
    with pytest.raises(ProviderError, match="quota of this key is used up"):
        ask(says("fine"), fails(429, code="insufficient_quota"), count=2, concurrency=1)


def test_a_lasting_rate_limit_fails_the_request() -> None:
    [first, second], server = ask(says("fine"), *[fails_briefly(429)] * 3, count=2, concurrency=1, retries=2)
    assert {first.status, second.status} == {"ok", "failed"}
    assert len(server.calls) == 4


def test_unknown_tokens_have_no_price() -> None:
    price = Price(2.0, 10.0)
    assert price.cost(Usage(1_000_000, 100_000)) == pytest.approx(3.0)
    assert price.cost(Usage(None, 5)) is None
