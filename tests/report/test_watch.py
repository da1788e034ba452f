"""`mmrad report --watch`: the page follows runs that are going on, and stops reading itself at the end."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from browser import driven, facts_of, needs_browser, opened
from mmrad.bench import Run
from mmrad.bench.run import VERDICTS_FILE
from mmrad.report import write_report
from mmrad.report.page import ReportWriter
from mmrad.report.watch import watch


def halved(run: Run) -> tuple[Path, list[str]]:
    """The file of a run's verdicts, cut to the first two, and the lines cut off."""
    path = run.path / VERDICTS_FILE
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:2]), "utf-8")
    return path, lines[2:]


def stopping(told: list[str], steps: list[Callable[[], object]]) -> Callable[[str], None]:
    """A `tell` that takes the next step each time it is called, and interrupts when there is none."""

    def tell(text: str) -> None:
        told.append(text)
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    return tell


def test_verdicts_that_come_are_shown(runs: list[Run], tmp_path: Path) -> None:
    path, rest = halved(runs[0])
    out = tmp_path / "report.html"
    shown: list[tuple[int, int, bool]] = []

    def look() -> None:
        run = facts_of(out)["runs"][0]
        shown.append((run["asked"], run["of"], "data-live=" in out.read_text("utf-8")))
        with path.open("a", encoding="utf-8") as file:
            file.write(rest.pop(0))

    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        watch(runs[0].path.parent, ReportWriter(out, thumb=32), stopping(told, [look, look]), pause=0.01)
    assert shown == [(2, 5, True), (3, 5, True)]
    assert facts_of(out)["runs"][0]["asked"] == 4
    assert "data-live=" not in out.read_text("utf-8")  # the end: nothing will change any more
    assert told == [f"wrote {out}"] * 3


def test_the_first_run_and_the_first_verdict_are_waited_for(runs: list[Run], tmp_path: Path) -> None:
    folder = tmp_path / "later"
    shutil.copytree(runs[0].path, tmp_path / "held")
    held = tmp_path / "held" / VERDICTS_FILE
    text = held.read_text("utf-8")
    held.write_text("", "utf-8")
    steps: list[Callable[[], object]] = [
        lambda: shutil.copytree(tmp_path / "held", folder / "run"),
        lambda: (folder / "run" / VERDICTS_FILE).write_text(text, "utf-8"),
    ]
    told: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        watch(folder, ReportWriter(tmp_path / "r.html", thumb=32), stopping(told, steps), pause=0.01)
    assert "no runs in it" in told[0]
    assert "no verdict yet" in told[1]
    assert told[2] == f"wrote {tmp_path / 'r.html'}"


def test_an_interrupt_ends_the_command_well(runs: list[Run]) -> None:
    folder = runs[0].path.parent
    process = subprocess.Popen(
        [sys.executable, "-m", "mmrad.cli", "report", str(folder), "--watch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    while "wrote" not in (line := process.stdout.readline()):
        assert line, process.communicate()
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "stopped watching" in out
    assert "data-live=" not in (folder / "report.html").read_text("utf-8")


@needs_browser
def test_the_page_reads_itself_again_where_it_was(runs: list[Run], tmp_path: Path) -> None:
    path = ReportWriter(tmp_path / "page.html", thumb=32).write(runs, reload_after=1)
    with opened(path, "#metric=recall") as page:
        page.evaluate("scrollTo({ top: 700, behavior: 'instant' }); globalThis.before = true")
        page.wait_for_function("!globalThis.before && document.documentElement?.dataset.ready")
        assert page.evaluate("[scrollY, location.hash, state.metric]") == [700, "#metric=recall", "recall"]


@needs_browser
def test_a_finished_page_does_not(runs: list[Run], tmp_path: Path) -> None:
    path = write_report(runs, tmp_path / "page.html", thumb=32)
    steps = (
        "await later(3000); log.push(history.state === null, document.querySelectorAll('#live-on').length);"
    )
    assert driven(path, steps) == ["true", "0"]
