"""`mmrad import`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from mmrad.cli.options import CorpusArgument
from mmrad.cli.progress import progress
from mmrad.errors import UsageError


class Pixels(Enum):
    """Values of `--pixels`."""

    ORIGINAL = "original"
    VIEW = "view"


def import_(
    corpus: CorpusArgument,
    file: Annotated[
        Path, typer.Argument(help="text_annos.json, a folder with several, LLaVA-style JSON, or mmad.json.")
    ],
    name: Annotated[str, typer.Option(help="Whose texts these are, as a teacher's name.")],
    pixels: Annotated[
        Pixels | None,
        typer.Option(help="What the texts' coordinates are pixels of: the original image, or its view."),
    ] = None,
    max_pixels: Annotated[int, typer.Option(help="Largest area of the view.")] = 768 * 28 * 28,
    descriptions: Annotated[
        bool, typer.Option(help="Take answers to questions as descriptions: no think-then-answer texts.")
    ] = False,
) -> None:
    """Bring published texts into a corpus; they are verified like a teacher's.

    Example:  mmrad import corpus MMR-AD --name mmr-ad --pixels original
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import import_descriptions, import_texts
    from mmrad.view import Budget

    opened = Corpus(corpus)
    if descriptions:
        typer.echo(import_descriptions(opened, file, origin=name).describe())
        return
    if pixels is None:
        raise UsageError(
            "--pixels is needed: say whether coordinates are pixels of the original image or of a view; it "
            "cannot be told from the numbers"
        )
    meant: Literal["original"] | Budget = (
        "original" if pixels is Pixels.ORIGINAL else Budget(max_pixels=max_pixels)
    )
    with progress("import") as update:
        summary = import_texts(opened, file, teacher=name, pixels=meant, progress=update)
    typer.echo(summary.describe())
