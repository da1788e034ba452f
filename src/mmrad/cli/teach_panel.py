"""How a teaching goes: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

if TYPE_CHECKING:
    from mmrad.teach import Tally

_LINE_SECONDS = 15.0
_FRAMES_A_SECOND = 4


class TeachPanel:
    """Shows rate, money and why texts failed; used as a context, called with each state."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, refresh_per_second=_FRAMES_A_SECOND, transient=True)
        self._teacher = ""
        self._printed = 0.0

    def __enter__(self) -> TeachPanel:
        """Start showing."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._live.stop()

    def __call__(self, tally: Tally) -> None:
        """Show a state."""
        now = time.monotonic()
        if tally.teacher != self._teacher:
            self._teacher, self._started, self._before = tally.teacher, now, tally.done
            self._printed = 0.0
        over = tally.done >= tally.total
        wait = 1 / _FRAMES_A_SECOND if self._console.is_terminal else _LINE_SECONDS
        if not over and now - self._printed < wait:
            return
        self._printed = now
        facts = self._facts(tally, now)
        if self._console.is_terminal:
            self._live.update(_panel(tally, facts))
        else:
            line = ", ".join(f"{name} {value}" for name, value in facts.items())
            print(f"teach {tally.teacher}: {line}", file=sys.stderr)  # noqa: T201

    def _facts(self, tally: Tally, now: float) -> dict[str, str]:
        fresh = tally.done - self._before
        rate = fresh / max(now - self._started, 1e-9)
        left = tally.total - tally.done
        facts = {
            "samples": f"{tally.done}/{tally.total}",
            "verified": str(tally.verified),
            "rate": f"{rate:.1f}/s",
            "time left": f"{left / rate:.0f} s" if rate else "-",
            "spent": "unknown (no price)" if tally.dollars is None else f"${tally.dollars:.2f}",
        }
        if tally.dollars is not None and fresh:
            facts["projected"] = f"${tally.dollars * (1 + left / fresh):.2f}"
        return facts


def _panel(tally: Tally, facts: dict[str, str]) -> Panel:
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        grid.add_row(name, value)
    reasons = Table("failed check", "texts", "share", box=None)
    for name, count in tally.failed_checks.most_common():
        reasons.add_row(name, str(count), f"{count / max(1, tally.answers):.1%}")
    for status, count in tally.failures.most_common():
        reasons.add_row(f"no text: {status}", str(count), "")
    rows = Table.grid(expand=True)
    rows.add_row(ProgressBar(total=max(1, tally.total), completed=tally.done))
    rows.add_row(grid)
    if reasons.row_count:
        rows.add_row(reasons)
    return Panel(rows, title=escape(f"teach: {tally.teacher}"), width=72)
