"""Progress of long work: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

Update = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_LINE_SECONDS = 15.0


class Counts(Protocol):
    """Progress that says how much is done and how much there is."""

    @property
    def done(self) -> int:
        """How much is done."""

    @property
    def total(self) -> int:
        """How much there is."""


def counted(update: Update) -> Callable[[Counts], None]:
    """Feed an update from progress that comes as one object."""
    return lambda counts: update(counts.done, counts.total)


@contextmanager
def progress(title: str) -> Iterator[Update]:
    """Show the progress of one piece of work on standard error.

    Args:
        title: What is being done.
    """
    if sys.stderr.isatty():
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.speed:.1f}/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        ) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        yield _Lines(title)


class _Lines:
    """Prints a line at the start, now and then, and at the end."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.printed = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done < total and now - self.printed < _LINE_SECONDS:
            return
        self.printed = now
        rate = done / max(now - self.started, 1e-9)
        left = (total - done) / rate if rate else 0.0
        print(f"{self.title}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left", file=sys.stderr)  # noqa: T201 - no terminal
