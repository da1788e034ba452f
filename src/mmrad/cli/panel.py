"""How costly work goes: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

_LINE_SECONDS = 15.0
_FRAMES_A_SECOND = 4


@dataclass(frozen=True, slots=True)
class State:
    """How some work stands.

    Attributes:
        name: Who does it, for the title.
        done: Pieces that are done, earlier calls included.
        total: All pieces.
        dollars: Money spent; None when the price is unknown.
        facts: Further facts, by name.
        reasons: What went wrong: name, how often, share of the answers.
    """

    name: str
    done: int
    total: int
    dollars: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    reasons: Sequence[tuple[str, int, str]] = ()


class LivePanel:
    """Shows rate, money and what went wrong; used as a context, told of each state.

    Args:
        command: What is being done.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=_FRAMES_A_SECOND, transient=True)
        self._name: str | None = None
        self._printed = 0.0

    def __enter__(self) -> LivePanel:
        """Start showing."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._live.stop()

    def show(self, state: State) -> None:
        """Show a state, not more often than people can read."""
        now = time.monotonic()
        if state.name != self._name:
            self._name, self._first, self._started = state.name, state, now
            self._printed = 0.0
        wait = 1 / _FRAMES_A_SECOND if self._console.is_terminal else _LINE_SECONDS
        if state.done < state.total and now - self._printed < wait:
            return
        self._printed = now
        facts = self._facts(state, now)
        if self._console.is_terminal:
            self._live.update(self._panel(state, facts))
        else:
            line = ", ".join(f"{name} {value}" for name, value in facts.items())
            print(f"{self._command} {state.name}: {line}", file=sys.stderr)  # noqa: T201 - no terminal

    def _facts(self, state: State, now: float) -> dict[str, str]:
        fresh, left = state.done - self._first.done, state.total - state.done
        rate = fresh / max(now - self._started, 1e-9)
        facts = {
            "samples": f"{state.done}/{state.total}",
            **state.facts,
            "rate": f"{rate:.1f}/s",
            "time left": f"{left / rate:.0f} s" if rate else "-",
            "spent": "unknown (no price)" if state.dollars is None else f"${state.dollars:.2f}",
        }
        if state.dollars is not None and fresh:
            now_spent = state.dollars - (self._first.dollars or 0.0)
            facts["projected"] = f"${state.dollars + now_spent * left / fresh:.2f}"
        return facts

    def _panel(self, state: State, facts: Mapping[str, str]) -> Panel:
        grid = Table.grid(padding=(0, 2))
        for name, value in facts.items():
            grid.add_row(name, value)
        reasons = Table("what went wrong", "answers", "share", box=None)
        for name, count, share in state.reasons:
            reasons.add_row(name, str(count), share)
        rows = Table.grid(expand=True)
        rows.add_row(ProgressBar(total=max(1, state.total), completed=state.done))
        rows.add_row(grid)
        if reasons.row_count:
            rows.add_row(reasons)
        return Panel(rows, title=escape(f"{self._command}: {state.name}"), width=72)
