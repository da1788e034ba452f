"""`mmrad export`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument
from mmrad.cli.progress import progress


class Format(Enum):
    """Values of `--to`."""

    MMR_AD = "mmr-ad"


def export(
    corpus: CorpusArgument,
    to: Annotated[Format, typer.Option(help="mmr-ad: the folder tree in which MMR-AD is published.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Write a corpus in the format of another tool.

    Example:  mmrad export corpus --to mmr-ad --out MMR-AD
    """
    from mmrad.corpus import Corpus
    from mmrad.export import export_release

    writers = {Format.MMR_AD: export_release}
    with progress("export") as update:
        count = writers[to](Corpus(corpus), out, progress=update)
    typer.echo(f"wrote {count} images to {out}")
