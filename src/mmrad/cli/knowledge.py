"""`mmrad knowledge`."""

from __future__ import annotations

import json

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmrad.cli.options import CorpusArgument, JsonOption


def knowledge(corpus: CorpusArgument, as_json: JsonOption = False) -> None:
    """Collect the anomaly labels of each category into CORPUS/knowledge.toml, which is yours to edit.

    Example:  mmrad knowledge corpus
    """
    from mmrad.corpus import Corpus
    from mmrad.teach import read_knowledge, write_knowledge

    opened = Corpus(corpus)
    path = write_knowledge(opened)
    found = read_knowledge(opened)
    if as_json:
        typer.echo(json.dumps(found, indent=2))
        return
    table = Table("category", "anomalies known of it")
    for category, labels in found.items():
        table.add_row(escape(category), escape(", ".join(labels)))
    Console().print(table)
    typer.echo(f"edit {path}; mmrad bench --knowledge tells models of it")
