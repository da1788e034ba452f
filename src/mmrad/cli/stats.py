"""`mmrad stats`."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption
from mmrad.cli.progress import Update, progress
from mmrad.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mmrad.corpus import Corpus
    from mmrad.curate.statistics import Composition, Statistics
    from mmrad.curate.tokens import Tokenizer
    from mmrad.report import Summary
    from mmrad.report.statistics import TextTable


def stats(
    corpus: CorpusArgument,
    tokenizer: Annotated[
        str,
        typer.Option(
            help="Counts text tokens: a bundled model, a model's folder, or its id on Hugging Face."
        ),
    ] = "anomaly-r1-nano",
    compare_paper: Annotated[
        bool, typer.Option("--compare-paper", help="Show the figures of the paper's Tables 1 and 3 as well.")
    ] = False,
    text_set: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FILE, another dataset of texts to count: MMAD's mmad.json, or a LLaVA-style list of "
            "conversations. May be repeated."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for stats.html and the plots as PNG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Count a corpus by source: images, text tokens, categories, anomaly types and anomalous regions.

    Anomaly types are the distinct labels of a source, as in the paper's Table 1; the sum adds up the sources.
    Text tokens are those of the verified texts of all teachers.

    Example:  mmrad stats corpus --compare-paper --out stats
    """
    from mmrad.report import shown_tables, write_statistics

    summary = _summarise(corpus, tokenizer, compare_paper, _parse_text_sets(text_set or []))
    written = write_statistics(summary, out) if out else None
    if as_json:
        typer.echo(json.dumps(summary.to_dict(), indent=2))
        return
    for table in shown_tables(summary):
        Console().print(_rich_table(table))
    for note in summary.notes:
        typer.echo(note)
    if written:
        typer.echo(f"wrote {written}")


def _parse_text_sets(arguments: list[str]) -> dict[str, Path]:
    parsed: dict[str, Path] = {}
    for argument in arguments:
        name, equals, path = argument.partition("=")
        if not (equals and name and path):
            raise UsageError(f"{argument!r} is not NAME=FILE, as in  MMAD=/data/MMAD/mmad.json")
        parsed[name] = Path(path)
    return parsed


def _summarise(path: Path, tokenizer: str, compare_paper: bool, text_sets: dict[str, Path]) -> Summary:
    from mmrad.corpus import Corpus
    from mmrad.curate.paper import table_3
    from mmrad.curate.text_sets import read_text_set
    from mmrad.report import Summary
    from mmrad.teach import chosen_texts

    corpus = Corpus(path)
    texts = [(key, text.text) for key, text in chosen_texts(corpus).items()]
    notes = [] if texts else [f"There are no verified texts yet: run  mmrad teach {path}"]
    try:
        count_tokens = _load_tokenizer(tokenizer)
    except MissingExtraError as error:
        count_tokens = None
        notes.append(f"Text tokens need a tokenizer: {error}")
    return Summary(
        corpus=path.resolve(),
        statistics=_count(corpus, texts, count_tokens),
        tokenizer=tokenizer if count_tokens else None,
        notes=tuple(notes),
        paper=_published(corpus) if compare_paper else None,
        datasets=(
            *(table_3() if compare_paper else ()),
            *(read_text_set(name, file, count_tokens) for name, file in text_sets.items()),
        ),
    )


def _load_tokenizer(name: str) -> Tokenizer:
    from mmrad.curate.tokens import Tokenizer
    from mmrad.inspectors.make import BUNDLED, bundled_nano

    return Tokenizer(bundled_nano() if name in BUNDLED else name)


def _count(corpus: Corpus, texts: list[tuple[str, str]], count_tokens: Tokenizer | None) -> Statistics:
    from mmrad.curate.statistics import count_corpus

    if count_tokens is None or not texts:
        return count_corpus(corpus, texts, None)
    with progress("text tokens") as update:
        return count_corpus(corpus, texts, partial(count_tokens, advance=_adding_up(update, len(texts))))


def _adding_up(update: Update, total: int) -> Callable[[int], None]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        update(done, total)

    return advance


def _published(corpus: Corpus) -> dict[str, Composition]:
    """The paper's row by name of a source, and that of all its sources."""
    from mmrad.curate.paper import table_1
    from mmrad.curate.statistics import TOTAL

    rows = table_1()
    found = {name: rows.get(info.adapter) for name, info in corpus.manifest.sources.items()}
    return {name: row for name, row in found.items() if row} | {TOTAL: rows[TOTAL]}


def _rich_table(table: TextTable) -> Table:
    shown = Table(title=table.title, caption=escape(table.caption), box=SIMPLE_HEAD, padding=0)
    shown.add_column(table.columns[0], overflow="fold")
    for number, column in enumerate(table.columns[1:], 1):
        # A number is never broken; the headings and the texts leave it the room.
        words = any(" " in cells[number] for _, cells in table.rows)
        shown.add_column(
            escape(column).replace(" ", "\n"), justify="right", overflow="fold", no_wrap=not words
        )
    for published, cells in table.rows:
        shown.add_row(*map(escape, cells), style="dim" if published else None)
    return shown
