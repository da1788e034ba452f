"""`mmrad diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument


def diff(
    corpus: CorpusArgument,
    first: Annotated[str, typer.Argument(help="A teacher.")],
    second: Annotated[str, typer.Argument(help="Another one.")],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("diff.html"),
    limit: Annotated[int, typer.Option(help="Samples that are shown at most.")] = 200,
) -> None:
    """Set the texts of two teachers side by side on a page that opens offline.

    Example:  mmrad diff corpus scripted qwen2.5-vl-72b-instruct --out diff.html
    """
    from mmrad.corpus import Corpus
    from mmrad.report.texts import write_text_diff

    typer.echo(f"open {write_text_diff(Corpus(corpus), first, second, out, limit=limit)}")
