"""`mmrad log`."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class Kind(Enum):
    """Values of `--to`."""

    INSPECT = "inspect"


def log(
    run: Annotated[Path, typer.Argument(help="Folder of one run.")],
    out: Annotated[Path, typer.Option(help="The file, ending in .eval or .json.")],
    to: Annotated[Kind, typer.Option(help="Whose log: `inspect` of inspect-ai.")] = Kind.INSPECT,
    images: Annotated[bool, typer.Option(help="Put the images in, in full size.")] = False,
) -> None:
    """Write a run as a log of another tool.

    Example:  mmrad log runs/gpt-4o --to inspect --out logs/gpt-4o.eval, then  inspect view --log-dir logs
    """
    from mmrad.bench import Run
    from mmrad.bench.inspect_log import write_inspect_log

    typer.echo(f"wrote {write_inspect_log(Run.load(run), out, images=images)} for {to.value}")
