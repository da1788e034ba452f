"""`mmrad build`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.progress import progress
from mmrad.errors import UsageError


def build(
    sources: Annotated[
        list[str], typer.Argument(help="NAME=ROOT, or NAME:ADAPTER=ROOT for a name of your own.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus.")],
) -> None:
    """Read raw datasets into a corpus: every image opened once, masks turned into boxes, rejections listed.

    Example:  mmrad build mvtec=/data/mvtec visa=/data/visa --out corpus
    """
    from mmrad.sources import build_corpus

    with progress("build") as update:
        result = build_corpus(parse_sources(sources), out, progress=update)
    for name, info in result.corpus.manifest.sources.items():
        typer.echo(f"{name}: {info.images} images, {info.anomalous} anomalous, licence {info.licence}")
    if result.rejections:
        typer.echo(f"{len(result.rejections)} files rejected, see {out / 'rejections.jsonl'}")


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
