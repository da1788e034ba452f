"""`mmrad review`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmrad.cli.options import CorpusArgument
from mmrad.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mmrad.review.application import Options

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        envvar="MMRAD_DATABASE",
        help="URL of the database, as postgresql://USER@HOST/NAME; CORPUS/review.sqlite3 by default.",
    ),
]
PortOption = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")]
OpenOption = Annotated[bool, typer.Option("--open", help="Open it in a browser.")]


def review(
    corpus: CorpusArgument,
    runs: Annotated[
        Path | None, typer.Option(help="Folder of runs on the corpus, whose verdicts are shown and proposed.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; beyond this machine, accounts are needed.")
    ] = "127.0.0.1",
    port: PortOption = 8420,
    database: DatabaseOption = None,
    reviewer: Annotated[
        str, typer.Option(help="Your name in reviews, while nobody has to log in.")
    ] = "local",
    prefix: Annotated[str, typer.Option(help="Path under which a reverse proxy shows it, as /mmrad.")] = "",
    behind_proxy: Annotated[
        bool,
        typer.Option("--behind-proxy", help="A reverse proxy with TLS stands before it (docs/deploy.md)."),
    ] = False,
    browse: OpenOption = False,
    sam: Annotated[
        Path | None, typer.Option(help="Folder of a SAM, SAM-HQ or SAM 2 model, to tighten boxes.")
    ] = None,
) -> None:
    """Review a corpus in the browser: check boxes, labels and texts, alone or with others.

    Decisions are kept in CORPUS/reviews.jsonl; `mmrad build` and `mmrad export` apply them. On this machine
    nobody logs in while there are no accounts; for others to take part, see docs/deploy.md.

    Example:  mmrad review corpus --reviewer ann
    """
    with web_extra():
        from mmrad.review.application import Options

    if not reviewer.strip():
        raise UsageError("--reviewer: name who reviews, as in  --reviewer ann")
    address = database_url(corpus, database)
    start(corpus, runs, Options(host, port, _path(prefix), behind_proxy, reviewer), address, browse, sam)


def database_url(corpus: Path, given: str | None) -> str:
    """The database of a corpus: the one that was given, or the file beside the corpus."""
    with web_extra():
        from sqlalchemy import URL

    path = (corpus / "review.sqlite3").resolve()
    return given or URL.create("sqlite", database=str(path)).render_as_string()


def start(
    corpus: Path, runs: Path | None, options: Options, database: str | None, browse: bool, sam: Path | None
) -> None:
    """Serve the review application until Ctrl-C or SIGTERM.

    Args:
        corpus: Folder of the corpus.
        runs: Folder of runs on it.
        options: How it is served.
        database: URL of the database, or None to look only.
        browse: Whether to open it in a browser.
        sam: A SAM model.
    """
    from mmrad.corpus import Corpus
    from mmrad.report.watch import load_runs
    from mmrad.review.application import Application
    from mmrad.review.server.app import create_app
    from mmrad.review.server.serve import serve
    from mmrad.review.store.store import Store

    opened = Corpus(corpus)
    found = load_runs(runs) if runs else []
    with closing(Store(database)) if database else nullcontext() as store:
        application = Application(opened, store, found, options, sam)
        application.warm()
        serve(create_app(application), options, tell=typer.echo, browse=browse)


def _path(prefix: str) -> str:
    """A prefix as `/mmrad`, or empty for the root."""
    path = prefix.rstrip("/")
    if not re.fullmatch(r"(/\w[\w.~-]*)*", path, re.ASCII):
        raise UsageError(f"--prefix {prefix}: write it as /mmrad, of letters, digits and . _ ~ -")
    return path


@contextmanager
def web_extra() -> Iterator[None]:
    """Name the extra when its packages are missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "nicegui", "web") from error
