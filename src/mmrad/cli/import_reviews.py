"""`mmrad import-reviews`."""

from __future__ import annotations

from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.options import CorpusArgument
from mmrad.cli.progress import progress
from mmrad.cli.review import DatabaseOption, database_url, web_extra


class Tool(Enum):
    """Values of `--from`."""

    LABEL_STUDIO = "label-studio"
    CVAT = "cvat"
    COCO = "coco"


def import_reviews(
    corpus: CorpusArgument,
    files: Annotated[
        list[Path],
        typer.Argument(help="Label Studio's JSON, CVAT for images 1.1, COCO JSON; or ZIP archives of them."),
    ],
    tool: Annotated[Tool, typer.Option("--from", help="The tool that wrote the files.")],
    reviewer: Annotated[
        str | None, typer.Option(help="Who annotated; by default as the files tell, such as label-studio:7.")
    ] = None,
    finished: Annotated[
        bool,
        typer.Option("--finished", help="All images were looked at, those without a change or a tag too."),
    ] = False,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="The annotators saw no other's work; two of them must agree."),
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Take back as reviews what people did in Label Studio, CVAT or a tool that writes COCO.

    The corpus went there by `mmrad export`. Importing a file again adds nothing.

    Example:  mmrad import-reviews corpus annotations.xml --from cvat
    """
    from mmrad.corpus import Corpus

    with web_extra():
        from mmrad.review.interchange import import_reviews
        from mmrad.review.store import Store

    opened = Corpus(corpus)
    with closing(Store(database_url(corpus, database))) as store, progress("import") as update:
        taken = import_reviews(
            opened,
            store,
            files,
            tool.value,
            reviewer=reviewer,
            finished=finished,
            blind=blind,
            progress=update,
        )
    typer.echo(taken.describe())
