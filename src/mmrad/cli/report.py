"""`mmrad report`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Thumbs(Enum):
    """Where the pictures of the report lie."""

    EMBED = "embed"
    BESIDE = "beside"


def report(
    runs: Annotated[Path, typer.Argument(help="Folder of the runs, or of one run.")],
    out: Annotated[Path | None, typer.Option(help="File to write; RUNS/report.html by default.")] = None,
    gallery: Annotated[
        int, typer.Option(min=0, help="How many queries to show with their pictures and answers.")
    ] = 200,
    thumbs: Annotated[
        Thumbs,
        typer.Option(
            help="`embed`: pictures in the file itself, and beside it only what is over 16 MB; "
            "`beside`: all in the folder report_files."
        ),
    ] = Thumbs.EMBED,
    published: Annotated[
        bool,
        typer.Option(
            "--published/--no-published", help="Show the rows of the paper's Table 4 beside one's own."
        ),
    ] = True,
    mixed: Annotated[
        bool, typer.Option("--mixed", help="Put runs into one report that are not comparable; it says so.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option(
            "--watch", help="Write the report again whenever verdicts were added, until Ctrl-C (exit 0)."
        ),
    ] = False,
) -> None:
    """Write one HTML file with tables, plots and a gallery; it opens without a network.

    Example:  mmrad report runs --watch
    """
    from mmrad.report.page import ReportWriter
    from mmrad.report.watch import load_runs, watch

    writer = ReportWriter(
        out or runs / "report.html",
        gallery=gallery,
        beside=thumbs is Thumbs.BESIDE,
        published=published,
        mixed=mixed,
    )
    if not follow:
        typer.echo(f"wrote {writer.write(load_runs(runs))}")
        return
    typer.echo(f"watching {runs}; Ctrl-C ends it")
    try:
        watch(runs, writer, typer.echo)
    except KeyboardInterrupt:
        typer.echo("stopped watching")
