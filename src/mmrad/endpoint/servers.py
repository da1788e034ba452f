"""The addresses of one model: a request goes to the least busy one that answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import openai

from mmrad.endpoint.slots import Slots

ABSENCE = 10.0
"""Seconds that an address is left out after a failure."""


@dataclass(slots=True, eq=False)
class Server:
    """One address.

    Attributes:
        host: Host and port, for messages.
        api: Its connections.
        slots: How many requests may be under way there.
        failed: Whether it failed since it last answered.
        absent_until: When it is tried again.
    """

    host: str
    api: openai.AsyncOpenAI
    slots: Slots
    failed: bool = False
    absent_until: float = 0.0


class Servers:
    """Shares requests out among addresses.

    One that fails is left out while others answer; after a while a single request finds out whether it is
    back. When all have failed, none is left out.

    Args:
        servers: At least one.
        clock: Tells the time in seconds.
    """

    def __init__(self, servers: Sequence[Server], clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = tuple(servers)
        self._clock = clock

    def __len__(self) -> int:
        """How many there are."""
        return len(self._servers)

    @property
    def hosts(self) -> str:
        """All of them, for messages."""
        return ", ".join(server.host for server in self._servers)

    def choose(self) -> Server:
        """The address for the next request."""
        now = self._clock()
        there = [server for server in self._servers if server.absent_until <= now] or self._servers
        chosen = min(there, key=lambda server: server.slots.load)
        if chosen.failed:
            chosen.absent_until = now + ABSENCE  # the other requests wait for what this one finds
        return chosen

    def fail(self, server: Server) -> bool:
        """Leave an address out for a while.

        Returns:
            Whether another one is there.
        """
        now = self._clock()
        server.failed, server.absent_until = True, now + ABSENCE
        return any(other.absent_until <= now for other in self._servers)

    def answer(self, server: Server) -> None:
        """An address has answered."""
        server.failed, server.absent_until = False, 0.0
