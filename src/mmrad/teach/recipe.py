"""Recipes of teaching: TOML files that name teachers, verification and views."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from mmrad.endpoint import Endpoint, Price
from mmrad.endpoint.inspect_models import InspectModel
from mmrad.endpoint.model import ChatModel
from mmrad.prompt import load_prompts
from mmrad.recipe import Table, read_recipe
from mmrad.teach.lesson import Teacher
from mmrad.teach.mllm import MLLMTeacher
from mmrad.teach.run import Teaching
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.teach.texts import SCRIPTED
from mmrad.teach.verify import Limits
from mmrad.view import Budget


class PriceTable(Table):
    """US dollars per million tokens, and the day they were looked up."""

    input: NonNegativeFloat
    output: NonNegativeFloat
    as_of: str = ""


class ModelTable(Table):
    """A model and how it is reached; see `mmrad.endpoint.Endpoint`.

    Attributes:
        provider: `openai` for any compatible endpoint, `inspect` for a provider of inspect-ai.
    """

    model: str
    provider: Literal["openai", "inspect"] = "openai"
    base_url: str | None = None
    more_urls: tuple[str, ...] = ()
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: PositiveInt = 16
    timeout: PositiveFloat = 120.0
    retries: NonNegativeInt = 4
    token_param: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream: bool = False
    system: bool = True
    extra: dict[str, Any] | None = None
    rejects: tuple[str, ...] = ()
    reported_as: tuple[str, ...] = ()
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    price: PriceTable | None = None

    def chat_model(self) -> ChatModel:
        """The model."""
        price = Price(**self.price.model_dump()) if self.price else None
        if self.provider == "inspect":
            return InspectModel(self.model, self.concurrency, price)
        names = set(ModelTable.model_fields) - {"provider", "price"}
        return Endpoint(**{name: getattr(self, name) for name in names}, price=price)


class TeacherTable(ModelTable):
    """A teacher; the model `scripted` needs none of the rest. See `mmrad.teach.mllm.MLLMTeacher`."""

    name: str = ""
    tries: int = 3
    best_of: int = 1
    temperature: NonNegativeFloat = 0.0
    max_tokens: int = 2048
    seed: int = 0
    version: str = ""
    batch: bool = False

    def teacher(self, prompts: str) -> Teacher:
        """The teacher.

        Args:
            prompts: Built-in prompts by name, or a file.

        Raises:
            UsageError: When the settings contradict each other.
        """
        if self.model == SCRIPTED:
            return ScriptedTeacher()
        own = set(TeacherTable.model_fields) - set(ModelTable.model_fields)
        settings = {name: getattr(self, name) for name in own}
        return MLLMTeacher(self.chat_model(), load_prompts(prompts), **settings)


class TeachRecipe(Table):
    """A whole recipe; see `recipes/teach.toml`.

    Attributes:
        teachers: Cheap ones first; each further one is asked about what the earlier ones failed at.
        prompts: Built-in prompts by name, or a file.
        max_pixels: Largest area of a view.
        seed: Seed of all choices.
        verification: Thresholds, see `mmrad.teach.verify.Limits`.
    """

    teachers: tuple[TeacherTable, ...]
    prompts: str = "default"
    max_pixels: int = Budget().max_pixels
    seed: int = 0
    verification: Limits = Limits()

    def make_teachers(self) -> list[Teacher]:
        """The teachers."""
        return [table.teacher(self.prompts) for table in self.teachers]

    def teaching(self, **further: Any) -> Teaching:
        """How a corpus is taught; `further` are fields of `Teaching` that no recipe has."""
        budget = Budget(max_pixels=self.max_pixels)
        return Teaching(budget=budget, seed=self.seed, limits=self.verification, **further)


def load_teach_recipe(path: Path) -> TeachRecipe:
    """Read a recipe of teaching.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, TeachRecipe)
