"""How far a run is, and what it has cost so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from mmrad.endpoint import Price
from mmrad.sample import Verdict


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.

    Attributes:
        run: Its name.
        total: All queries.
        done: Queries with a verdict, those of earlier calls included.
        unanswered: How many of them have a status other than `ok`, by status.
        dollars: Spent on this run, earlier calls included; None when the price is unknown.
    """

    run: str
    total: int
    done: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)
    dollars: float | None = None


class Reporter:
    """Counts verdicts for the caller's progress.

    Args:
        call: Told of every change.
        start: How far the run is before its first verdict.
        kept: Verdicts of earlier calls.
        price: What the tokens cost; None where unknown.
    """

    def __init__(
        self,
        call: Callable[[Progress], None] | None,
        start: Progress,
        kept: Iterable[Verdict],
        price: Price | None,
    ) -> None:
        self._call = call
        self._price = price
        self.now = start
        for verdict in kept:
            self._count(verdict)
        self._tell()

    def add(self, verdict: Verdict) -> None:
        """Another verdict has come."""
        self._count(verdict)
        if self._price and self.now.dollars is not None:
            self.now = replace(self.now, dollars=self.now.dollars + (self._price.cost(verdict.usage) or 0.0))
        self._tell()

    def _count(self, verdict: Verdict) -> None:
        unanswered = self.now.unanswered + Counter([verdict.status] if verdict.status != "ok" else ())
        self.now = replace(self.now, done=self.now.done + 1, unanswered=unanswered)

    def _tell(self) -> None:
        if self._call:
            self._call(self.now)
