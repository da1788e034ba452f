"""Several addresses of one model: shared out, left out while down, tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from mmrad.endpoint import Endpoint, Reply
from mmrad.endpoint import servers as servers_module
from mmrad.endpoint.servers import ABSENCE, Server, Servers
from mmrad.endpoint.slots import Slots
from mmrad.errors import ProviderError
from mmrad.prompt import Message
from servers import FaultServer, cuts_connection, fails, fails_briefly, hangs, says, unused_port
from servers import Reply as Scripted

QUESTION = [Message("user", ("What is it?",))]


def ask_all(endpoint: Endpoint, count: int) -> list[Reply]:
    async def all_of_them() -> list[Reply]:
        async with endpoint.connect() as client:
            return list(await asyncio.gather(*(client.ask(QUESTION, {}) for _ in range(count))))

    return asyncio.run(all_of_them())


def nowhere() -> str:
    return f"http://127.0.0.1:{unused_port()}/v1"


@contextmanager
def two(
    first: Scripted | None = None, second: Scripted | None = None, **options: Any
) -> Iterator[tuple[Endpoint, FaultServer, FaultServer]]:
    with FaultServer(default=first) as one, FaultServer(default=second) as other:
        options = {"retries": 2, "timeout": 30.0, "concurrency": 8, **options}
        yield Endpoint("m", one.base_url, more_urls=(other.base_url,), **options), one, other


def test_requests_are_shared_out() -> None:
    with two() as (endpoint, one, other):
        replies = ask_all(endpoint, 40)
    assert {reply.status for reply in replies} == {"ok"}
    assert len(one.calls) + len(other.calls) == 40
    assert min(len(one.calls), len(other.calls)) >= 10


def test_an_address_that_hangs_is_asked_no_more_and_its_requests_go_to_the_other() -> None:
    with two(first=hangs, second=says("fine"), retries=0, timeout=0.5, concurrency=4) as (
        endpoint,
        one,
        other,
    ):
        open_questions = iter(range(20))

        async def story() -> list[Reply]:
            async with endpoint.connect() as client:

                async def work() -> list[Reply]:
                    return [await client.ask(QUESTION, {}) for _ in open_questions]

                return [reply for some in await asyncio.gather(*(work() for _ in range(4))) for reply in some]

        replies = asyncio.run(story())
    assert [reply.status for reply in replies] == ["ok"] * 20
    assert (len(one.calls), len(other.calls)) == (2, 20)  # it has two of the four slots


@pytest.mark.parametrize("down_first", [True, False])
def test_one_of_two_down_costs_nothing(down_first: bool) -> None:
    with FaultServer() as up:
        urls = (nowhere(), up.base_url) if down_first else (up.base_url, nowhere())
        replies = ask_all(Endpoint("m", urls[0], more_urls=urls[1:], retries=0, concurrency=4), 20)
    assert [reply.status for reply in replies] == ["ok"] * 20
    assert len(up.calls) == 20


@pytest.mark.parametrize("fault", [fails(500), fails(503), cuts_connection])
def test_a_failing_address_is_left_out(fault: Scripted) -> None:
    with two(first=fault, retries=1, concurrency=2) as (endpoint, one, other):
        replies = ask_all(endpoint, 20)
    assert [reply.status for reply in replies] == ["ok"] * 20
    assert len(one.calls) < 20 <= len(other.calls)


def test_an_address_that_no_longer_knows_the_model_does_not_swallow_the_rest() -> None:
    with FaultServer([says("fine")], fails(404)) as one, FaultServer(default=says("fine")) as other:
        endpoint = Endpoint("m", one.base_url, more_urls=(other.base_url,), retries=0, concurrency=1)

        async def story() -> list[Reply]:
            async with endpoint.connect() as client:
                return [await client.ask(QUESTION, {}) for _ in range(6)]

        replies = asyncio.run(story())
    assert [reply.status for reply in replies] == ["ok"] * 6
    assert (len(one.calls), len(other.calls)) == (2, 5)


def test_a_wrong_key_at_one_address_is_told_at_the_start() -> None:
    with two(first=fails(401), concurrency=1) as (endpoint, one, _):
        with pytest.raises(ProviderError, match="does not accept the key") as told:
            ask_all(endpoint, 1)
        assert str(one.server_port) in str(told.value)


def test_a_bad_request_is_asked_nowhere_else() -> None:
    with two(first=fails(400), second=fails(400), concurrency=1) as (endpoint, one, other):
        [reply] = ask_all(endpoint, 1)
    assert reply.status == "failed"
    assert len(one.calls) + len(other.calls) == 1


def test_all_down_is_told_with_all_their_names() -> None:
    urls = nowhere(), nowhere()
    with pytest.raises(ProviderError, match="cannot be reached") as told:
        ask_all(Endpoint("m", urls[0], more_urls=urls[1:], retries=0), 2)
    assert all(url.split("/")[2] in str(told.value) for url in urls)


def test_an_address_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers_module, "ABSENCE", 0.0)
    with FaultServer([fails_briefly(503)]) as one, FaultServer() as other:
        endpoint = Endpoint("m", one.base_url, more_urls=(other.base_url,), retries=3, concurrency=1)

        async def story() -> list[Reply]:
            async with endpoint.connect() as client:
                return [await client.ask(QUESTION, {}) for _ in range(4)]

        replies = asyncio.run(story())
    assert [reply.status for reply in replies] == ["ok"] * 4
    assert len(one.calls) >= 2


def made(clock: list[float]) -> tuple[Servers, Server, Server]:
    one, other = (Server(name, None, Slots(2)) for name in "ab")  # type: ignore[arg-type]
    return Servers([one, other], clock=lambda: clock[0]), one, other


def test_who_is_chosen_by_the_clock() -> None:
    clock = [0.0]
    servers, one, other = made(clock)
    assert servers.choose() is one
    assert servers.fail(one)
    assert servers.choose() is other
    assert not servers.fail(other)
    assert servers.choose() is one  # all are out: none is left out
    servers.answer(one)
    clock[0] = ABSENCE / 2
    assert servers.choose() is one
    servers.fail(one)
    clock[0] = ABSENCE + 1  # the second one's time is over, the first one's is not
    assert servers.choose() is other
    servers.answer(other)
    clock[0] = 2 * ABSENCE
    assert servers.choose() is one  # a single request finds out
    assert servers.choose() is other
    servers.answer(one)
    assert servers.choose() is one


def test_the_least_busy_is_chosen() -> None:
    async def story() -> list[str]:
        servers, one, other = made([0.0])
        chosen = []
        async with one.slots.one():
            chosen.append(servers.choose().host)
            async with other.slots.one(), other.slots.one():
                chosen.append(servers.choose().host)
        other.slots.limited(60.0)
        async with one.slots.one(), one.slots.one():
            chosen.append(servers.choose().host)
        return chosen

    assert asyncio.run(story()) == ["b", "a", "a"]


def test_addresses_with_passwords_are_refused() -> None:
    endpoint = Endpoint("m", "http://a/v1", more_urls=("http://user:secret@b/v1",))
    with pytest.raises(ProviderError, match="holds a name or password") as told:
        ask_all(endpoint, 1)
    assert "secret" not in str(told.value)


def test_further_addresses_are_part_of_the_key() -> None:
    plain = Endpoint("m", "http://a/v1").key()
    assert "more_urls" not in plain
    more = Endpoint("m", "http://a/v1", more_urls=("http://b/v1/?token=x",)).key()
    assert more["more_urls"] == ["http://b/v1"]
