"""How many requests may be under way: as many as asked for, fewer while the endpoint says "too many"."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """A limit that adapts to the endpoint (additive increase, multiplicative decrease).

    A rate limit halves the number of requests under way and lets nobody start before the time the endpoint
    named; each full round of successes lets one eighth more through, at least one.

    Args:
        most: Never more than this many at once.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = most
        self._active = 0
        self._wanted = 0
        self._successes = 0
        self._not_before = 0.0
        self._changed = asyncio.Condition()

    @property
    def load(self) -> tuple[bool, float]:
        """How busy it is, for comparison: whether nobody may start, then requests for each slot."""
        return time.monotonic() < self._not_before, self._wanted / self.allowed

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Hold a slot for one request."""
        self._wanted += 1
        try:
            await self._acquire()
            try:
                yield
            finally:
                async with self._changed:
                    self._active -= 1
                    self._changed.notify()
        finally:
            self._wanted -= 1

    async def _acquire(self) -> None:
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: self._active < self.allowed)
                pause = self._not_before - time.monotonic()
                if pause <= 0:
                    self._active += 1
                    return
            await asyncio.sleep(pause)

    def limited(self, pause: float) -> None:
        """The endpoint refused a request for its rate; it wants a pause of that many seconds."""
        now = time.monotonic()
        if now >= self._not_before:  # of a burst of refusals only the first counts
            self.allowed = max(1, self.allowed // 2)
            self._successes = 0
        self._not_before = max(self._not_before, now + pause)

    async def succeeded(self) -> None:
        """The endpoint answered a request."""
        self._successes += 1
        if self._successes >= self.allowed and self.allowed < self.most:
            self._successes = 0
            async with self._changed:
                self.allowed = min(self.most, self.allowed + max(1, self.allowed // 8))
                self._changed.notify_all()
