"""Recipes of the benchmark: TOML files that say which models are asked, how, and on what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from mmrad.coordinates import CoordinateSpace
from mmrad.errors import UsageError
from mmrad.inspectors.base import HintsAs
from mmrad.inspectors.experts.expert import is_expert
from mmrad.inspectors.experts.settings import DETECTORS, ExpertSettings
from mmrad.recipe import Table, problem_of, read_recipe

ORACLE = "-oracle"
"""What the name of an expert's second run ends in, see `mmrad.bench.oracle`."""


class Entry(Table):
    """One model, asked in one way.

    What is left out is what the catalogue says of the model, and where that says nothing mmrad's default.

    Attributes:
        model: A bundled model, a model of the catalogue, a folder, a model of `base_urls`, or an expert: the
            name of a detector, which is trained first, or the folder of one that was trained.
        name: Name of the run; by default the model's with what is unusual about the asking.
        base_urls: OpenAI-compatible endpoints that share the requests.
        provider: How the model is reached where that is not plain: `inspect` (inspect-ai) or `vllm` (in
            process).
        sources: Only these sources; those of the whole recipe by default.
        references: Reference images beside each query; 0 asks without reference.
        reasoning: Whether to ask for reasoning before the answer.
        knowledge: Whether the anomalies known of each category are told.
        score: What the score is made of: probability of "Yes" where the model gives it (`auto`), that or an
            error (`probability`), a confidence put in words, or nothing.
        space: Convention of the model's boxes.
        prompts: Built-in prompts by name, or a file.
        max_pixels: Largest area of a view.
        max_tokens: Limit of an answer.
        temperature: 0 is greedy.
        min_p: Smallest probability of a token relative to the likeliest.
        seed: Seed of sampling, or of training a detector.
        repeats: How often everything is asked; each time with the next seed.
        concurrency: Requests at once to an endpoint.
        requests_per_minute: Most requests a minute to an endpoint; None for no limit.
        tokens_per_minute: Most tokens a minute, read and written; None for no limit.
        batch_size: Queries at once for a local model.
        batch: Whether the provider's batch API is used.
        expert_settings: How a detector is trained, see `ExpertSettings`; of one that was trained before,
            where its `weights` are and its `device`.
        alpha: Share of the normal images that an expert may flag by its honest threshold.
        expert: Folder of an expert's run about the same queries, from which the model is given hints.
        hints: How they are told, see `mmrad.bench.hints`.
    """

    model: str
    name: str = ""
    base_urls: tuple[str, ...] = ()
    provider: Literal["inspect", "vllm"] | None = None
    sources: tuple[str, ...] = ()
    references: NonNegativeInt = 1
    reasoning: bool = True
    knowledge: bool = False
    score: Literal["auto", "probability", "confidence", "none"] = "auto"
    space: CoordinateSpace | None = None
    prompts: str = "default"
    max_pixels: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    temperature: NonNegativeFloat | None = None
    min_p: NonNegativeFloat | None = None
    seed: int = 0
    repeats: PositiveInt = 1
    concurrency: PositiveInt = 16
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = None
    batch_size: PositiveInt = 16
    batch: bool = False
    expert_settings: dict[str, Any] = Field(default_factory=dict)
    alpha: float = Field(default=0.05, gt=0, lt=1)
    expert: Path | None = None
    hints: HintsAs = "text"

    @model_validator(mode="after")
    def _trainable(self) -> Self:
        if self.model in DETECTORS:
            self.detector()
        elif self.expert_settings and not self.of_expert:
            raise ValueError(f"expert_settings are for an expert, and {self.model} is none")
        return self

    @model_validator(mode="after")
    def _hinted(self) -> Self:
        if self.expert is None and "hints" in self.model_fields_set:
            raise ValueError("hints need an expert: the folder of its run")
        if self.expert and self.of_expert:
            raise ValueError(f"{self.model} is an expert itself, and is told nothing by another")
        return self

    @property
    def of_expert(self) -> bool:
        """Whether the model is an expert: it is asked nothing, and shown no reference."""
        return self.model in DETECTORS or is_expert(Path(self.model))

    @property
    def beside(self) -> int:
        """How many reference images each query is given."""
        return 0 if self.of_expert else self.references

    def detector(self) -> ExpertSettings:
        """How the detector that `model` names is trained.

        Raises:
            ValueError: When a setting is unknown or of the wrong type.
        """
        twice = {"detector", "seed"} & self.expert_settings.keys()
        if twice:
            raise ValueError(
                f"expert_settings: leave out {', '.join(sorted(twice))}, which the run itself says"
            )
        try:
            own = {"detector": self.model, "seed": self.seed}
            return ExpertSettings.model_validate(own | self.expert_settings)
        except ValidationError as error:
            raise ValueError(f"expert_settings.{problem_of(error)}") from error

    @property
    def variant(self) -> str:
        """The name of the run, the same for its repeats."""
        if self.name or self.of_expert:
            return self.name or Path(self.model).name
        unusual = {
            "+knowledge": self.knowledge,
            "-no-reference": self.references == 0,
            f"-{self.references}-references": self.references > 1,
            "-no-reasoning": not self.reasoning,
            f"+{self.expert and self.expert.name}-{self.hints}": self.expert is not None,
        }
        return Path(self.model).name + "".join(suffix for suffix, applies in unusual.items() if applies)


class BenchRecipe(Table):
    """A whole benchmark; see `recipes/table4.toml`.

    Attributes:
        runs: The models, each with how it is asked; the keys of the table `[ask]` hold for all that do not
            say otherwise.
        sources: Only these sources of the corpus; all by default. A model trained on the other sources only
            is thereby judged on sources it has not seen (leave-source-out).
        splits: Only these splits.
        limit: Only this many samples, drawn with the seed; the same for all models.
        seed: Seed of that choice.
    """

    runs: tuple[Entry, ...]
    sources: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("test",)
    limit: PositiveInt | None = None
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _ask_all(cls, content: Any) -> Any:
        if not isinstance(content, dict) or "ask" not in content:
            return content
        runs = content.get("runs", ())
        asked = [{**content["ask"], **run} if isinstance(run, dict) else run for run in runs]
        return {**{key: value for key, value in content.items() if key != "ask"}, "runs": asked}

    @model_validator(mode="after")
    def _told_apart(self) -> Self:
        names = Counter(entry.variant for entry in self.runs)
        names.update(entry.variant + ORACLE for entry in self.runs if entry.of_expert)
        twice = [name for name, count in names.items() if count > 1]
        if twice:
            raise ValueError(f"several runs would be named {twice[0]!r}; give each a `name`")
        return self

    def with_options(self, **given: Any) -> BenchRecipe:
        """The recipe with values that were given otherwise, which win; None means not given.

        Raises:
            UsageError: When a value is of the wrong type, or the values do not fit together.
        """
        values = {name: value for name, value in given.items() if value is not None}
        own = {name: value for name, value in values.items() if name in BenchRecipe.model_fields}
        values = {name: value for name, value in values.items() if name in Entry.model_fields}
        runs = [{**entry.model_dump(exclude_unset=True), **values} for entry in self.runs]
        return _checked({**self.model_dump(exclude_unset=True), **own, "runs": runs})

    @classmethod
    def of_models(cls, models: Sequence[str]) -> BenchRecipe:
        """Models, each asked in mmrad's own way.

        Raises:
            UsageError: When one is named twice.
        """
        return _checked({"runs": [{"model": model} for model in models]})

    def repeats(self) -> Iterator[tuple[Entry, str, dict[str, Any]]]:
        """Each run: how it is asked, its name, and what tables say of it; the first repeats first."""
        most = max((entry.repeats for entry in self.runs), default=0)
        for repeat in range(1, most + 1):
            for entry in self.runs:
                if repeat <= entry.repeats:
                    name = entry.variant if repeat == 1 else f"{entry.variant}#{repeat}"
                    about = {"variant_of": entry.variant, "repeat": repeat} if entry.repeats > 1 else {}
                    yield entry.model_copy(update={"seed": entry.seed + repeat - 1}), name, about


def _checked(content: dict[str, Any]) -> BenchRecipe:
    try:
        return BenchRecipe.model_validate(content)
    except ValidationError as error:
        raise UsageError(problem_of(error).replace("Value error, ", "", 1)) from error


def load_bench_recipe(path: Path) -> BenchRecipe:
    """Read a recipe of the benchmark.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, BenchRecipe)
