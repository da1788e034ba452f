"""`mmrad import-runs`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument, SourceOption
from mmrad.coordinates import CoordinateSpace


def import_runs(
    corpus: CorpusArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help="lmms-eval's *_samples_*.jsonl, VLMEvalKit's predictions (xlsx, tsv, csv, json, jsonl), or "
            'JSON lines {"sample_id": …, "prediction": …}.'
        ),
    ],
    name: Annotated[str, typer.Option(help="Name of the model, as that of the run.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    space: Annotated[
        CoordinateSpace | None,
        typer.Option(help="What the numbers of a box mean, where the file does not say it."),
    ] = None,
    references: Annotated[
        int | None,
        typer.Option(
            min=0, help="Reference images that were shown, where the file does not say it; 1 by default."
        ),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option(help="Largest area of an image as shown, where the file does not give the sizes.")
    ] = 768 * 28 * 28,
    source: SourceOption = None,
    split: Annotated[
        list[str] | None, typer.Option(help="Only this split; `test` when none is given.")
    ] = None,
) -> None:
    """Make a run of predictions that another harness has collected; then score and report it like any other.

    Example:  mmrad import-runs corpus logs/20261125_samples_mmrad_view.jsonl --name qwen --out runs
    """
    from mmrad.bench.imported import import_run
    from mmrad.corpus import Corpus
    from mmrad.view import Budget

    opened = Corpus(corpus)
    imported = import_run(
        opened,
        opened.select(sources=source, splits=split or ["test"]),
        file,
        out,
        name=name,
        space=space,
        references=references,
        budget=Budget(max_pixels=max_pixels),
    )
    typer.echo(imported.describe())
