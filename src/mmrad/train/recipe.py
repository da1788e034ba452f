"""Training recipes: TOML files that say everything a training depends on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.errors import DataError
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import settings_for
from mmrad.train.nano import NanoSize


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FactoryData(_Table):
    """How much the factory makes: images a category, and for each of its anomaly types."""

    seed: int
    train: int
    good: int
    per_anomaly: int


class Data(_Table):
    """What is trained on.

    Attributes:
        factory: Make this much with the factory; a training without it is refused for now.
        hold_out: Sources never trained on.
        references: From how many of its best references a pair picks one at each reading.
    """

    factory: FactoryData | None = None
    hold_out: tuple[str, ...] = ()
    references: int = 3


class Asking(_Table):
    """How the model is asked, in training and later; saved beside its weights."""

    prompts: str = "brief"
    max_pixels: int = 112 * 112
    max_tokens: int = 192


class Stage(_Table):
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


class Training(_Table):
    """The optimisation: stages one after the other, each from the model of the one before."""

    stages: tuple[Stage, ...]
    weight_decay: float
    seed: int
    save_steps: int = 500
    logging_steps: int = 50


class Recipe(_Table):
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
    try:
        return Recipe.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable recipe ({error})") from error


def settings_from(asking: Asking) -> InspectionSettings:
    """The inspection settings that a recipe's `[asking]` table means."""
    return settings_for(InspectionSettings(), **asking.model_dump())
