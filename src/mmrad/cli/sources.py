"""`mmrad sources`."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmrad.cli.options import JsonOption
from mmrad.errors import UsageError


def sources(
    name: Annotated[str | None, typer.Argument(help="Show the folder tree this source expects.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the raw datasets that can be read: licence, size, and with a name the layout it expects.

    Example:  mmrad sources mvtec
    """
    from mmrad.sources import describe_sources

    described = describe_sources()
    known = [source["name"] for source in described]
    if name is not None:
        if name not in known:
            raise UsageError(f"no source {name!r}; there are {', '.join(known)}")
        described = [source for source in described if source["name"] == name]
    if as_json:
        typer.echo(json.dumps(described, indent=2))
    elif name is not None:
        typer.echo(described[0]["layout"])
    else:
        table = Table("name", "licence", "counts", "where", title="sources")
        for source in described:
            table.add_row(source["name"], source["licence"], source["expected"], source["url"])
        Console().print(table)
