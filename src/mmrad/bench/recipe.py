"""Recipes of the benchmark: TOML files that say which models are asked, how, and on what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from mmrad.coordinates import CoordinateSpace
from mmrad.recipe import Table, read_recipe


class Entry(Table):
    """One model, asked in one way.

    What is left out is what the catalogue says of the model, and where that says nothing mmrad's default.

    Attributes:
        model: A bundled model, a model of the catalogue, a folder, or a model of `base_urls`.
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
        seed: Seed of sampling.
        repeats: How often everything is asked; each time with the next seed.
        concurrency: Requests at once to an endpoint.
        requests_per_minute: Most requests a minute to an endpoint; None for no limit.
        tokens_per_minute: Most tokens a minute, read and written; None for no limit.
        batch_size: Queries at once for a local model.
        batch: Whether the provider's batch API is used.
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

    @property
    def variant(self) -> str:
        """The name of the run, the same for its repeats."""
        if self.name:
            return self.name
        unusual = {
            "+knowledge": self.knowledge,
            "-no-reference": self.references == 0,
            f"-{self.references}-references": self.references > 1,
            "-no-reasoning": not self.reasoning,
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
        twice = [name for name, count in Counter(entry.variant for entry in self.runs).items() if count > 1]
        if twice:
            raise ValueError(f"several runs would be named {twice[0]!r}; give each a `name`")
        return self

    def with_options(self, **given: Any) -> BenchRecipe:
        """The recipe with values that were given otherwise, which win; None means not given."""
        values = {name: value for name, value in given.items() if value is not None}
        own = {name: value for name, value in values.items() if name in BenchRecipe.model_fields}
        values = {name: value for name, value in values.items() if name in Entry.model_fields}
        runs = [{**entry.model_dump(exclude_unset=True), **values} for entry in self.runs]
        return BenchRecipe.model_validate({**self.model_dump(exclude_unset=True), **own, "runs": runs})

    def repeats(self) -> Iterator[tuple[Entry, str, dict[str, Any]]]:
        """Each run: how it is asked, its name, and what tables say of it; the first repeats first."""
        most = max((entry.repeats for entry in self.runs), default=0)
        for repeat in range(1, most + 1):
            for entry in self.runs:
                if repeat <= entry.repeats:
                    name = entry.variant if repeat == 1 else f"{entry.variant}#{repeat}"
                    about = {"variant_of": entry.variant, "repeat": repeat} if entry.repeats > 1 else {}
                    yield entry.model_copy(update={"seed": entry.seed + repeat - 1}), name, about


def load_bench_recipe(path: Path) -> BenchRecipe:
    """Read a recipe of the benchmark.

    Raises:
        DataError: When the file is missing, is not TOML, or a value is missing, unknown or of the wrong type.
    """
    return read_recipe(path, BenchRecipe)
