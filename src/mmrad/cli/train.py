"""`mmrad train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.progress import progress
from mmrad.errors import MissingExtraError

app = typer.Typer(help="Train models from recipes.", no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Keep `sft` a sub-command while it is the only one."""


@app.command()
def sft(
    recipe: Annotated[Path, typer.Argument(help="Recipe, such as recipes/nano.toml.")],
    out: Annotated[Path, typer.Option(help="Folder for data, checkpoints and the model.")],
    start: Annotated[Path | None, typer.Option(help="Go on from this trained model.")] = None,
) -> None:
    """Train a nano model by supervised fine-tuning; the same command again goes on from the last checkpoint.

    Example:  mmrad train sft recipes/nano.toml --out /tmp/nano
    """
    try:
        from mmrad.train.sft import sft as run_sft
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "train") from error
    from mmrad.train.data import factory_examples
    from mmrad.train.recipe import load_recipe

    loaded = load_recipe(recipe)
    with progress("data") as update:
        examples = factory_examples(loaded, out / "data", progress=update)
    with progress("features") as update:
        typer.echo(f"wrote {run_sft(loaded, examples, out, start=start, progress=update)}")
