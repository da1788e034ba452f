"""`mmrad build`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.progress import progress
from mmrad.errors import UsageError


class LicenceChoice(Enum):
    """Values of `--licence`."""

    ANY = "any"
    COMMERCIAL = "commercial"


class RunnerChoice(Enum):
    """Values of `--runner`."""

    NATIVE = "native"
    RAY = "ray"


def build(
    sources: Annotated[
        list[str], typer.Argument(help="NAME=ROOT, or NAME:ADAPTER=ROOT for a name of your own.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus.")],
    drop: Annotated[
        str, typer.Option(help="Leave out images with these findings, as in  blurry,near_duplicate,leak.")
    ] = "",
    per_category: Annotated[
        int | None, typer.Option(help="At most so many images of a category, half of them anomalous.", min=1)
    ] = None,
    seed: Annotated[int, typer.Option(help="Which ones.")] = 0,
    licence: Annotated[
        LicenceChoice, typer.Option(help="Whether sources that forbid commercial use are refused.")
    ] = LicenceChoice.ANY,
    runner: Annotated[
        RunnerChoice, typer.Option(help="This machine, or the Ray cluster that RAY_ADDRESS names.")
    ] = RunnerChoice.NATIVE,
) -> None:
    """Read raw datasets into a corpus: every image opened once, masks turned into boxes, rejections listed.

    Called again, it opens only what is new or changed; an interrupted build goes on.

    Example:  mmrad build mvtec=/data/mvtec visa=/data/visa --out corpus --drop leak,exact_duplicate
    """
    from pydantic import ValidationError

    from mmrad.curate.licences import terms
    from mmrad.curate.selection import Selection
    from mmrad.sources import ADAPTERS, build_corpus

    try:
        names = tuple(name.strip() for name in drop.split(",") if name.strip())
        selection = Selection(drop=names, per_category=per_category, seed=seed)
    except ValidationError as error:
        raise UsageError(f"--drop: {error.errors()[0]['msg']}") from error
    with progress("build") as update:
        result = build_corpus(
            parse_sources(sources),
            out,
            selection=selection,
            commercial=licence is LicenceChoice.COMMERCIAL,
            runner=runner.value,
            progress=update,
        )
    for name, info in result.corpus.manifest.sources.items():
        typer.echo(f"{name}: {info.images} images, {info.anomalous} anomalous, licence {info.licence}")
        if ADAPTERS[info.adapter].expected:
            typer.echo(f"  published: {ADAPTERS[info.adapter].expected}")
        for duty in terms(info.licence).duties:
            typer.echo(f"  {duty}")
    for line in result.decisions.describe():
        typer.echo(line)
    if result.rejections:
        typer.echo(f"{len(result.rejections)} files left out, see {out / 'rejections.jsonl'}")


def parse_sources(arguments: list[str]) -> dict[str, tuple[str, Path]]:
    """Turn `NAME=ROOT` and `NAME:ADAPTER=ROOT` into source name -> (adapter, root).

    Raises:
        UsageError: When an argument has another form or a name comes twice.
    """
    parsed: dict[str, tuple[str, Path]] = {}
    for argument in arguments:
        head, equals, root = argument.partition("=")
        name, _, adapter = head.partition(":")
        if not (equals and name and root):
            raise UsageError(f"{argument!r} is not NAME=ROOT or NAME:ADAPTER=ROOT, as in  mvtec=/data/mvtec")
        if name in parsed:
            raise UsageError(f"the source name {name!r} is given twice; use  NAME:{adapter or name}=ROOT")
        parsed[name] = (adapter or name, Path(root))
    return parsed
