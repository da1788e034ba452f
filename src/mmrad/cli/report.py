"""`mmrad report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.errors import DataError


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of the runs.")],
    out: Annotated[Path | None, typer.Option(help="File to write; RUNS/report.html by default.")] = None,
    gallery: Annotated[int, typer.Option(help="How many queries to show with their pictures.")] = 200,
) -> None:
    """Write one HTML file with tables, plots and a gallery; it opens without a network.

    Example:  mmrad report runs
    """
    from mmrad.bench import Run
    from mmrad.report import write_report

    folders = sorted(path.parent for path in runs.glob("*/run.json"))
    if not folders:
        raise DataError(
            f"{runs}: no runs in it; make one with  mmrad bench CORPUS --model MODEL --out {runs}"
        )
    written = write_report(
        [Run.load(folder) for folder in folders], out or runs / "report.html", gallery=gallery
    )
    typer.echo(f"wrote {written}")
