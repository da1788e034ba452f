"""`mmrad factory`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import SeedOption
from mmrad.cli.progress import progress


def factory(
    out: Annotated[Path, typer.Argument(help="Folder to write the made-up datasets into.")],
    train: Annotated[int, typer.Option(help="Normal training images a category.")] = 20,
    good: Annotated[int, typer.Option(help="Normal test images a category.")] = 10,
    per_anomaly: Annotated[int, typer.Option(help="Images of each anomaly type.")] = 3,
    assorted: Annotated[
        int, typer.Option(help="Further products composed by chance, to train on, in MVTec AD's layout.")
    ] = 0,
    seed: SeedOption = 0,
) -> None:
    """Make products and defects, in the raw layouts of MVTec AD, VisA, MVTec LOCO and Real-IAD.

    Example:  mmrad factory /tmp/factory --train 20 --good 10 --per-anomaly 3
    """
    from mmrad.factory import make_factory

    with progress("factory") as update:
        make_factory(
            out,
            seed=seed,
            train=train,
            good=good,
            per_anomaly=per_anomaly,
            assorted=assorted,
            progress=update,
        )
    typer.echo(f"wrote {out}; read it with:  mmrad build {' '.join(build_arguments(out))} --out CORPUS")


def build_arguments(root: Path) -> list[str]:
    """The `NAME=ROOT` or `NAME:ADAPTER=ROOT` arguments with which `mmrad build` reads a factory."""
    from mmrad.factory import factory_roots

    return [
        f"{source}={folder}" if source == adapter else f"{source}:{adapter}={folder}"
        for source, (adapter, folder) in factory_roots(root).items()
    ]
