"""`mmrad train sft` and `mmrad train grpo`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mmrad.cli.progress import progress
from mmrad.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mmrad.train.examples.example import Examples
    from mmrad.train.recipe import Recipe

RecipeArgument = Annotated[Path, typer.Argument(help="Recipe, such as recipes/nano.toml.")]
OutOption = Annotated[Path, typer.Option(help="Folder for data, checkpoints, logs and the model.")]
StartOption = Annotated[
    str | None, typer.Option(help="Start from this model: a folder, or a name on the Hugging Face hub.")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Estimate the memory of each device, and train nothing.")
]


def sft(
    recipe: RecipeArgument, out: OutOption, start: StartOption = None, dry_run: DryRunOption = False
) -> None:
    """Train by supervised fine-tuning; the same command again goes on from the last checkpoint.

    A recipe with [pretraining] pretrains a nano model first.

    Example:  mmrad train sft recipes/nano.toml --out /tmp/nano
    """
    loaded = _load(recipe)
    if dry_run:
        _tell_memory(loaded, "sft", start or _start_of_sft(loaded, out))
        return
    examples = _examples(loaded, out)
    if loaded.pretraining:
        from mmrad.train.pretraining.pretrain import pretrain

        with progress("features") as update:
            start = str(pretrain(loaded, examples, out / "pretraining", start=start, progress=update))
        if loaded.sft is None:
            typer.echo(f"wrote {start}")
            return
    from mmrad.train.sft import sft as run_sft

    with progress("sft, updates") as update:
        trained = run_sft(
            loaded, examples, out / "sft", start=start or _start_of_sft(loaded, out), progress=update
        )
    _finish(out / "sft", trained, examples)


def grpo(
    recipe: RecipeArgument, out: OutOption, start: StartOption = None, dry_run: DryRunOption = False
) -> None:
    """Train by GRPO with contrastive sampling; the same command again goes on from the last checkpoint.

    It starts from the model that `mmrad train sft` left in the same folder.

    Example:  mmrad train grpo recipes/anomaly-r1-7b.toml --out out
    """
    loaded = _load(recipe)
    if dry_run:
        base = loaded.base.path if loaded.base else None  # has the size of what is trained from it
        _tell_memory(loaded, "grpo", start or base or _start_of_grpo(loaded, out))
        return
    begun = start or _start_of_grpo(loaded, out)
    from mmrad.train.reinforcement.grpo import grpo as run_grpo

    examples = _examples(loaded, out, negatives=True)
    with progress("grpo, updates") as update:
        trained = run_grpo(loaded, examples, out / "grpo", start=begun, progress=update)
    _finish(out / "grpo", trained, examples)


def _load(recipe: Path) -> Recipe:
    try:
        from mmrad.train.recipe import load_recipe
        from mmrad.train.sft import sft  # noqa: F401 - all that the extra installs
    except ImportError as error:
        raise MissingExtraError(error.name or "trl", "train") from error
    # TRL 1.16 and peft 0.21 call transformers by names that its version 6 will drop.
    warnings.filterwarnings("ignore", ".*gradient_checkpointing.* is deprecated", FutureWarning)
    return load_recipe(recipe)


def _examples(loaded: Recipe, out: Path, *, negatives: bool = False) -> Examples:
    from mmrad.train.examples.data import training_examples

    with progress("data") as update:
        return training_examples(loaded, out / "data", negatives=negatives, progress=update)


def _start_of_sft(loaded: Recipe, out: Path) -> str:
    """The model that supervised fine-tuning starts from; before pretraining a base, which has its size.

    Raises:
        UsageError: When nothing names one.
    """
    if loaded.base:
        return loaded.base.path
    if loaded.pretraining:
        return str(out / "pretraining" / "model")
    raise UsageError(
        f"the recipe {loaded.name!r} begins with no model: give it [base], or [nano] with [pretraining], "
        "or say --start MODEL"
    )


def _start_of_grpo(loaded: Recipe, out: Path) -> str:
    """The model that reinforcement learning starts from.

    Raises:
        UsageError: When it is not there yet.
    """
    if loaded.sft is None and loaded.pretraining is None:
        return _start_of_sft(loaded, out)
    model = out / ("sft" if loaded.sft else "pretraining") / "model"
    if not model.exists():
        raise UsageError(f"{model}: not there; first  mmrad train sft RECIPE --out {out}, or give --start")
    return str(model)


def _tell_memory(loaded: Recipe, stage: Literal["sft", "grpo"], model: str) -> None:
    from mmrad.train.memory import estimate

    typer.echo(estimate(loaded, stage, model).table())


def _finish(folder: Path, trained: Path, examples: Examples) -> None:
    from mmrad.train.plots import write_plots
    from mmrad.train.publishing.trained_on import write_trained_on

    write_trained_on(folder, examples.samples)
    typer.echo(f"wrote {trained} and {write_plots(folder)}")
