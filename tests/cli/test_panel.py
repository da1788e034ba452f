"""The live panel shows what a user waits for."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from mmrad.cli.panel import LivePanel
from mmrad.cli.teach import state_of
from mmrad.teach import Tally


def test_the_panel_names_progress_money_and_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, width=100, file=io.StringIO())
    panel = LivePanel("teach")
    monkeypatch.setattr(panel, "_console", console)
    panel._live.console = console
    with panel:
        panel.show(state_of(Tally("org/[m]", 10, dollars=0.0)))
        state = Tally(
            "org/[m]", 10, done=10, verified=8, answers=12, failed_checks=Counter(iou=3, label=1), dollars=0.5
        )
        state.failures["refused"] = 2
        panel.show(state_of(state))
        paper = Console(width=100, record=True, file=io.StringIO())
        paper.print(panel._live.get_renderable())
        shown = paper.export_text()
    for part in ("org/[m]", "10/10", "verified", "$0.50", "iou", "25.0%", "no text: refused"):
        assert part in shown, part


def test_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with LivePanel("teach") as panel:
        panel.show(state_of(Tally("m", 2)))
        panel.show(state_of(Tally("m", 2, done=2, verified=2, answers=2)))
    said = capsys.readouterr().err
    assert "teach m: samples 2/2, verified 2" in said and "spent unknown (no price)" in said
