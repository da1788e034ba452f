"""`mmrad train sft`, `grpo` and what belongs to them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmrad.cli.progress import progress
from mmrad.errors import MissingExtraError

RecipeArgument = Annotated[Path, typer.Argument(help="Recipe, such as recipes/nano.toml.")]
OutOption = Annotated[Path, typer.Option(help="Folder for data, checkpoints, logs and the model.")]
StartOption = Annotated[Path | None, typer.Option(help="Go on from this trained model.")]


def sft(recipe: RecipeArgument, out: OutOption, start: StartOption = None) -> None:
    """Train by supervised fine-tuning; the same command again goes on from the last checkpoint.

    Example:  mmrad train sft recipes/nano.toml --out /tmp/nano
    """
    try:
        from mmrad.train.pretrain import pretrain
    except ImportError as error:
        raise MissingExtraError(error.name or "transformers", "train") from error
    from mmrad.train.data import training_examples
    from mmrad.train.recipe import load_recipe

    loaded = load_recipe(recipe)
    with progress("data") as update:
        examples = training_examples(loaded, out / "data", progress=update)
    with progress("features") as update:
        trained = pretrain(loaded, examples, out / "pretraining", start=start, progress=update)
    typer.echo(f"wrote {trained}")
