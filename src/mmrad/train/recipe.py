"""Training recipes: TOML files that say everything a training depends on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import settings_for
from mmrad.recipe import Table, read_recipe
from mmrad.train.nano import NanoSize


class FactoryData(Table):
    """How much the factory makes: images a category, and for each of its anomaly types."""

    seed: int
    train: int
    good: int
    per_anomaly: int


class Data(Table):
    """What is trained on.

    Attributes:
        factory: Make this much with the factory; a training without it is refused for now.
        hold_out: Sources never trained on.
        references: From how many of its best references a pair picks one at each reading.
    """

    factory: FactoryData | None = None
    hold_out: tuple[str, ...] = ()
    references: int = 3


class Asking(Table):
    """How the model is asked, in training and later; saved beside its weights."""

    prompts: str = "brief"
    max_pixels: int = 112 * 112
    max_tokens: int = 192


class Stage(Table):
    """One stage of a training, with a cosine schedule.

    Attributes:
        objective: What is learned: `features` (the vision tower imitates a trained network and finds
            anomalies in single images), `pairs` (image tokens find them beside a reference) or `texts`.
        steps: Updates.
        batch_size: Images or pairs of an update.
        learning_rate: Largest learning rate of matrices, see `mmrad.train.muon`.
        warmup_steps: Updates until it is reached.
    """

    objective: Literal["features", "pairs", "texts"]
    steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100


class Training(Table):
    """The optimisation: stages one after the other, each from the model of the one before."""

    stages: tuple[Stage, ...]
    weight_decay: float
    seed: int
    save_steps: int = 500
    logging_steps: int = 50


class Recipe(Table):
    """A whole recipe; see `recipes/nano.toml`."""

    name: str
    data: Data
    asking: Asking
    model: NanoSize
    training: Training


def load_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, Recipe)


def settings_from(asking: Asking) -> InspectionSettings:
    """The inspection settings that a recipe's `[asking]` table means."""
    return settings_for(InspectionSettings(), **asking.model_dump())
