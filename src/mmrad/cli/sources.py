"""`mmrad sources`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from mmrad.errors import UsageError


def sources(
    name: Annotated[str | None, typer.Argument(help="Show the folder tree this source expects.")] = None,
) -> None:
    """List the raw datasets that can be read: licence, size, and with a name the layout it expects.

    Example:  mmrad sources mvtec
    """
    from mmrad.sources import ADAPTERS

    if name is not None:
        if name not in ADAPTERS:
            raise UsageError(f"no source {name!r}; there are {', '.join(ADAPTERS)}")
        typer.echo(ADAPTERS[name].layout)
        return
    table = Table("name", "licence", "where", title="sources")
    for key, adapter in ADAPTERS.items():
        table.add_row(key, adapter.licence, adapter.url)
    Console().print(table)
