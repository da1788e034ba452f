"""A report that follows runs that are going on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from mmrad.bench import Run
from mmrad.bench.run import INFO_FILE, VERDICTS_FILE
from mmrad.errors import DataError
from mmrad.report.page import ReportWriter

PAUSE = 2.0
"""Seconds between looks at the runs."""

RELOAD = 5
"""Seconds after which the page reads itself again."""


def run_folders(runs: Path) -> list[Path]:
    """The folders of runs in a folder, or that folder itself when it is a run."""
    if (runs / INFO_FILE).exists():
        return [runs]
    return sorted(path.parent for path in runs.glob(f"*/{INFO_FILE}"))


def load_runs(runs: Path) -> list[Run]:
    """The runs in a folder, by name.

    Raises:
        DataError: When there are none, or one is damaged.
    """
    folders = run_folders(runs)
    if not folders:
        raise DataError(
            f"{runs}: no runs in it; make one with  mmrad bench CORPUS --model MODEL --out {runs}"
        )
    return [Run.load(folder) for folder in folders]


def watch(runs: Path, writer: ReportWriter, tell: Callable[[str], None], *, pause: float = PAUSE) -> None:
    """Write the report whenever verdicts have been added, until interrupted.

    What cannot be read at the moment (no run yet, no verdict yet, a corpus that is being written) is told and
    tried again after the next change. At the end, however it comes, the page stops reloading itself.

    Args:
        runs: Folder of the runs.
        writer: Of the report.
        tell: Told what was written, and what is waited for.
        pause: Seconds between looks.

    Raises:
        KeyboardInterrupt: The usual end.
        UsageError: When runs are not comparable.
    """
    seen: object = None
    try:
        while True:
            if (state := _state(runs)) != seen:
                seen, start = state, time.monotonic()
                try:
                    tell(f"wrote {writer.write(load_runs(runs), reload_after=RELOAD)}")
                except DataError as error:
                    tell(f"waiting: {error}")
                time.sleep(time.monotonic() - start)  # leaves half of the time to the run
            time.sleep(pause)
    finally:
        writer.settle()


def _state(runs: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of each file that the report depends on."""
    found = {}
    for folder in run_folders(runs):
        for path in (folder / INFO_FILE, folder / VERDICTS_FILE):
            if path.exists():
                stat = path.stat()
                found[path] = (stat.st_size, stat.st_mtime_ns)
    return found
