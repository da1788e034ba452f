"""The ablations of the paper's Table 5: what each row leaves out, what it trains, and what rows share.

Rows with the same cold start share it: the full model and the ones without reinforcement learning or without
contrastive sampling are one model until it ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from mmrad.errors import UsageError
from mmrad.recipe import Table, read_recipe
from mmrad.train.claim import PACE, claim
from mmrad.train.recipe import FactoryData, Recipe


class Judging(Table):
    """What the models are judged on, and how they answer; defaults are the paper's (section 5.1).

    Attributes:
        factory: Make this much anew, of all sources; none judges the test split of the held-out sources of
            the training's own corpus.
        trained_on: Whether the models are judged on the other sources of that factory too, on unseen images.
        temperature: Of the answers; 0 is greedy.
        min_p: Smallest probability of a token relative to the likeliest.
        batch_size: Queries at once.
    """

    factory: FactoryData | None = None
    trained_on: bool = True
    temperature: float = Field(default=1.5, ge=0)
    min_p: float = Field(default=0.1, ge=0, le=1)
    batch_size: int = Field(default=16, ge=1)


class AblationRecipe(Recipe):
    """The recipe of the full model, and how all rows are judged; see `recipes/table5-nano.toml`.

    Attributes:
        judging: What the models are judged on.
        seeds: Of the trainings; each trains all rows from the same start.
    """

    judging: Judging = Judging()
    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)

    @model_validator(mode="after")
    def _of_the_full_model(self) -> Self:
        if self.sft is None or self.grpo is None:
            raise ValueError("ablations need [sft] and [grpo]")
        if not self.base and not (self.nano and self.pretraining):
            raise ValueError("name one start of all rows: [base], or [nano] with [pretraining]")
        if not self.data.hold_out:
            raise ValueError("data.hold_out is empty: name the sources that the rows are judged on")
        whole = self.asking.reasoning and self.data.references and self.grpo.contrast
        if not whole or self.data.knowledge:
            raise ValueError(
                "give the recipe of the full model: reasoning, references and contrast on, knowledge off"
            )
        return self

    def plain(self) -> Recipe:
        """What of it is the recipe of a training."""
        return Recipe(**{name: getattr(self, name) for name in Recipe.model_fields})


@dataclass(frozen=True, slots=True)
class Row:
    """A row of Table 5; rows are equal that have the same ingredients.

    Attributes:
        key: Its name in commands and folders.
        title: Its name in the paper, but for the full model, which is called Anomaly-R1-7B there.
        reasoning: Whether texts reason before they answer, in training and after.
        reference: Whether a normal image is shown, in training and after.
        cold_start: Whether supervised fine-tuning comes first.
        reinforcement: Whether reinforcement learning follows.
        contrast: Whether it samples contrastively.
        knowledge: Whether the known anomalies of a category are told, in training and after.
    """

    key: str = field(compare=False)
    title: str = field(compare=False)
    reasoning: bool = True
    reference: bool = True
    cold_start: bool = True
    reinforcement: bool = True
    contrast: bool = True
    knowledge: bool = False

    @property
    def with_all_training(self) -> Row:
        """The row whose cold start this one has."""
        whole = replace(self, cold_start=True, reinforcement=True, contrast=True)
        return next(row for row in ROWS if row == whole)


ROWS = (
    Row("no-reasoning", "w/o Reasoning Data", reasoning=False),
    Row("no-reference", "w/o Normal Reference Image", reference=False),
    Row("no-cold-start", "w/o CoT Cold-Start", cold_start=False),
    Row("no-rl", "w/o Reinforcement learning", reinforcement=False),
    Row("no-contrast", "w/o Contrastive Sampling", contrast=False),
    Row("full", "Full Model"),
    Row("knowledge", "+ Domain Knowledge", knowledge=True),
)
"""In the order of the paper."""


@dataclass(frozen=True, slots=True)
class Training:
    """One training of a row.

    Attributes:
        kind: Supervised or reinforcement learning.
        folder: Where it is done.
        recipe: What it follows.
        start: The model it begins with.
    """

    kind: Literal["sft", "grpo"]
    folder: Path
    recipe: Recipe
    start: str | Path

    @property
    def model(self) -> Path:
        """The trained model, there as a whole or not at all."""
        return self.folder / "model"

    @property
    def done(self) -> bool:
        """Whether an earlier call has finished it."""
        return self.model.exists()


def load_ablation(path: Path) -> AblationRecipe:
    """Read a recipe of ablations.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, AblationRecipe)


def claim_folder(recipe: AblationRecipe, out: Path) -> None:
    """Write down what is trained and judged in a folder; more seeds may be asked for later.

    Raises:
        UsageError: When the folder was begun with another recipe.
    """
    parts = ("sft", "grpo", "pretraining")
    pace = {f"{part}.{name}" for part in parts for name in PACE} | {"judging.batch_size"}
    claim(out, recipe.model_dump(mode="json", exclude={"seeds"}), ignored=pace)


def rows_named(names: Sequence[str] | None) -> tuple[Row, ...]:
    """The rows of these names, in the order of the paper; None means all.

    Raises:
        UsageError: When there is no such row.
    """
    known = [row.key for row in ROWS]
    if unknown := [name for name in names or () if name not in known]:
        raise UsageError(f"Table 5 has no row {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(row for row in ROWS if names is None or row.key in names)


def is_pretrained(recipe: AblationRecipe, out: Path) -> bool:
    """Whether the model that all rows begin with is there; its `mmrad.json` is written last."""
    return recipe.pretraining is None or (Path(start_of(recipe, out)) / "mmrad.json").exists()


def start_of(recipe: AblationRecipe, out: Path) -> str | Path:
    """The model that all rows begin with."""
    return recipe.base.path if recipe.base and not recipe.pretraining else out / "pretraining" / "model"


def trainings_of(row: Row, recipe: AblationRecipe, seed: int, out: Path) -> list[Training]:
    """The trainings of a row, each beginning with the model of the one before; the last makes its model."""
    found: list[Training] = []
    start = start_of(recipe, out)
    if row.cold_start:
        shared = row.with_all_training
        folder = out / f"seed-{seed}" / "sft" / shared.key
        found.append(Training("sft", folder, _recipe_of(shared, recipe, seed, "sft"), start))
        start = found[-1].model
    if row.reinforcement:
        folder = out / f"seed-{seed}" / "grpo" / row.key
        found.append(Training("grpo", folder, _recipe_of(row, recipe, seed, "grpo"), start))
    return found


def judged_file(row: Row, seed: int, out: Path) -> Path:
    """Where it is kept how a row did: the counts of each query, see `mmrad.metrics.COUNTS`."""
    return out / f"seed-{seed}" / "judged" / f"{row.key}.json"


def _recipe_of(row: Row, recipe: AblationRecipe, seed: int, kind: Literal["sft", "grpo"]) -> Recipe:
    """The recipe of one training of a row; what is left out of it cannot make it another one."""
    assert recipe.sft and recipe.grpo, "a valid recipe has both"
    return Recipe(
        name=f"{recipe.name}-{row.key}",
        data=recipe.data.model_copy(
            update={
                "references": recipe.data.references if row.reference else 0,
                "knowledge": row.knowledge,
            }
        ),
        asking=recipe.asking.model_copy(update={"reasoning": row.reasoning}),
        base=recipe.base,
        sft=recipe.sft.model_copy(update={"seed": seed}) if kind == "sft" else None,
        grpo=recipe.grpo.model_copy(update={"seed": seed, "contrast": row.contrast})
        if kind == "grpo"
        else None,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A piece of work of the ablations.

    Attributes:
        work: `pretraining`, `sft`, `grpo` or `judging`.
        folder: Where it is done.
        amount: How much it is, in words.
        rows: Keys of the rows that need it.
        done: Whether an earlier call has finished it.
    """

    work: str
    folder: Path
    amount: str
    rows: tuple[str, ...]
    done: bool


def plan(recipe: AblationRecipe, out: Path, rows: Sequence[Row], seeds: Sequence[int]) -> list[Planned]:
    """All work of these rows and seeds in the order in which it is done; nothing is made or read.

    Args:
        recipe: The recipe.
        out: Folder of the ablations.
        rows: The rows.
        seeds: Seeds of the trainings.
    """
    return [
        *_pretraining(recipe, out, rows),
        *(one for seed in seeds for one in _seed(recipe, out, rows, seed)),
    ]


def _pretraining(recipe: AblationRecipe, out: Path, rows: Sequence[Row]) -> Iterator[Planned]:
    if recipe.pretraining:
        stages = ", ".join(f"{stage.objective} {stage.steps}" for stage in recipe.pretraining.stages)
        names = tuple(row.key for row in rows)
        folder = Path(start_of(recipe, out)).parent
        yield Planned("pretraining", folder, f"steps: {stages}", names, is_pretrained(recipe, out))


def _seed(recipe: AblationRecipe, out: Path, rows: Sequence[Row], seed: int) -> Iterator[Planned]:
    chains = {row.key: trainings_of(row, recipe, seed, out) for row in rows}
    told: set[Path] = set()
    for row in rows:
        for training in chains[row.key]:
            if training.folder not in told:
                told.add(training.folder)
                users = tuple(
                    key for key, chain in chains.items() if training.folder in [one.folder for one in chain]
                )
                yield Planned(training.kind, training.folder, _amount(training), users, training.done)
        path = judged_file(row, seed, out)
        yield Planned("judging", path, "", (row.key,), path.exists())


def _amount(training: Training) -> str:
    part = training.recipe.sft or training.recipe.grpo
    assert part, "a training has one of the two"
    length = f"{part.steps} steps" if part.steps else f"{part.epochs:g} epochs"
    if training.recipe.sft:
        return f"{length}, {training.recipe.sft.batch} conversations each"
    learned = training.recipe.grpo
    assert learned
    return (
        f"{length}, {learned.updates} from each rollout of {learned.prompts} x {learned.responses} responses"
    )
