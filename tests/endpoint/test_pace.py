"""Rate limits by a clock of their own: a steady pace of requests and of tokens."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mmrad.endpoint import Endpoint, client
from mmrad.endpoint.pace import Pace
from mmrad.prompt import Message
from servers import FaultServer, says


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def pace(self, per_minute: float) -> Pace:
        return Pace(per_minute, clock=lambda: self.now, sleep=self.sleep)


def test_requests_go_one_after_the_other() -> None:
    clock = Clock()
    pace = clock.pace(120)

    async def story() -> None:
        for _ in range(4):
            await pace.take()
        clock.now += 60  # what was not used is not saved up
        await pace.take()
        await pace.take()

    asyncio.run(story())
    assert clock.slept == pytest.approx([0.5, 1.0, 1.5, 0.5])


def test_amounts_count_and_are_corrected() -> None:
    clock = Clock()
    pace = clock.pace(6000)

    async def story() -> None:
        await pace.take(1000)  # ten seconds
        await pace.take(100)
        pace.correct(-500)  # the first took half as many
        await pace.take(100)

    asyncio.run(story())
    assert clock.slept == pytest.approx([10.0, 6.0])


def test_the_client_keeps_the_pace_at_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    taken: list[float] = []
    corrected: list[float] = []

    class Watched(Pace):
        def __init__(self, per_minute: float) -> None:
            super().__init__(per_minute, clock=lambda: clock.now, sleep=clock.sleep)

        async def take(self, amount: float = 1.0) -> None:
            taken.append(amount)
            await super().take(amount)

        def correct(self, difference: float) -> None:
            corrected.append(difference)
            super().correct(difference)

    monkeypatch.setattr(client, "Pace", Watched)

    def ask(**limits: Any) -> None:
        with FaultServer(default=says("a part")) as one, FaultServer(default=says("a part")) as other:
            endpoint = Endpoint("m", one.base_url, more_urls=(other.base_url,), **limits)

            async def story() -> None:
                async with endpoint.connect() as opened:
                    asked = (opened.ask([Message("user", ("x" * 400,))], {}) for _ in range(3))
                    await asyncio.gather(*asked)

            asyncio.run(story())

    ask()
    assert taken == []
    ask(requests_per_minute=30)
    assert taken == [1, 1, 1] and clock.slept == pytest.approx([2.0, 4.0])
    taken.clear()
    ask(tokens_per_minute=1000)
    assert taken == [500, 500, 500]  # 400 characters, and an answer as long as they are on average
    assert corrected == [18 - 500] * 3  # the server says 11 and 7
