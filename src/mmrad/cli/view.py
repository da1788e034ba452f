"""`mmrad view`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.review import OpenOption, PortOption, start, web_extra


def view(
    folder: Annotated[
        Path, typer.Argument(metavar="RUNS|CORPUS", help="Folder of runs, of one run, or of a corpus.")
    ],
    runs: Annotated[Path | None, typer.Option(help="Folder of runs on the corpus.")] = None,
    port: PortOption = 8420,
    browse: OpenOption = False,
) -> None:
    """Look at a corpus, and at the verdicts of runs over its truth, in the browser; nothing can be changed.

    Example:  mmrad view runs
    """
    with web_extra():
        from mmrad.corpus.manifest import FILE_NAME
        from mmrad.review.application import Options

    corpus, found = (folder, runs) if (folder / FILE_NAME).exists() else (_corpus_of(folder), folder)
    start(corpus, found, Options(port=port), None, browse, None)


def _corpus_of(runs: Path) -> Path:
    """The corpus of runs: that of the first, with which the others must agree."""
    from mmrad.report.watch import load_runs

    return load_runs(runs)[0].corpus.path
