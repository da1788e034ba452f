"""`mmrad fuse`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def fuse(
    model_run: Annotated[Path, typer.Argument(help="Folder of a model's run.")],
    expert_run: Annotated[
        Path, typer.Argument(help="Folder of an expert's run on the same queries, with honest thresholds.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the runs.")],
    name: Annotated[str, typer.Option(help="Name of the fused run; by default made of both.")] = "",
    expert: Annotated[
        Path | None,
        typer.Option(help="Folder of the expert; by default RUNS/experts/NAME beside its run."),
    ] = None,
) -> None:
    """Fuse what a model says and what an expert measures into one verdict for each query; nobody is asked.

    Example:  mmrad fuse runs/gpt-4o runs/patchcore --out runs
    """
    from mmrad.bench import Run
    from mmrad.bench.fuse import fuse as fuse_runs
    from mmrad.cli.bench import describe

    run = fuse_runs(Run.load(model_run), Run.load(expert_run), out, calibrated=expert, name=name)
    typer.echo(f"{run.info.name}: {describe(run)}")
