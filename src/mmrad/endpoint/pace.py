"""A steady pace: so many requests or tokens a minute, whatever the number of connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class Pace:
    """Lets amounts through at a steady rate, in the order they came; nothing is saved up for bursts.

    Args:
        per_minute: How much in a minute.
        clock: Tells the time in seconds.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        per_minute: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = 60.0 / per_minute
        self._clock, self._sleep = clock, sleep
        self._next = 0.0

    async def take(self, amount: float = 1.0) -> None:
        """Wait until an amount may go."""
        now = self._clock()
        start = max(now, self._next)
        self._next = start + amount * self._seconds
        if start > now:
            await self._sleep(start - now)

    def correct(self, difference: float) -> None:
        """What was taken turned out larger (positive) or smaller (negative) than it was thought to be."""
        self._next += difference * self._seconds
