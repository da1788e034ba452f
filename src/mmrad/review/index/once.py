"""Something that takes a while to make, made when it is first wanted, once for all threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """A value that is made when it is first wanted.

    Args:
        make: Makes it.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[T] = []

    @property
    def ready(self) -> bool:
        """Whether it is made: then asking for it takes no time."""
        return bool(self._made)

    def __call__(self) -> T:
        """The value; threads that ask while it is being made wait."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
