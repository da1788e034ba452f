"""The card of a published model: `README.md` with the metadata that the Hugging Face Hub reads.

Format: https://huggingface.co/docs/hub/model-cards
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from huggingface_hub import ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from mmrad import __version__
from mmrad.curate.licences import terms
from mmrad.errors import UsageError
from mmrad.files import file_name
from mmrad.sample import Sample
from mmrad.train.publishing.trained_on import TrainedOn
from mmrad.train.recipe import Recipe, settings_from
from mmrad.view import FACTOR, View

_SPELLINGS = {
    name.lower().replace(" ", "-"): name
    for name in ("CC0-1.0", "CC BY 4.0", "CC BY-SA 4.0", "CC BY-NC-SA 4.0", "MIT", "Apache-2.0", "GPL-3.0")
}
"""How mmrad spells the licences that the Hub calls so."""


@dataclass(frozen=True, slots=True)
class BaseModel:
    """The model that was fine-tuned.

    Attributes:
        name: Its name on the Hub, or what else it is called.
        licence: Its licence; `unknown` where nobody said it.
    """

    name: str
    licence: str

    @property
    def on_hub(self) -> bool:
        """Whether the name is one of the Hub, `OWNER/MODEL`."""
        return self.name.count("/") == 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run says of the model on one source.

    Attributes:
        run: Name of the run.
        source: Source of the queries.
        queries: How many there were.
        unanswered: How many got no readable answer.
        values: Figures as tables show them, by title.
    """

    run: str
    source: str
    queries: int
    unanswered: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Card:
    """What a card is made of.

    Attributes:
        name: Of the model.
        recipe: Of its training.
        method: How it was trained, in words.
        base: The model that was fine-tuned; None for one made from nothing.
        trained_on: The images of its trainings.
        adapter: Whether the LoRA weights lie beside the merged ones.
        licence: What the publisher claims for the weights; None claims nothing.
        figures: Of runs of this model.
    """

    name: str
    recipe: Recipe
    method: str
    base: BaseModel | None
    trained_on: Sequence[TrainedOn]
    adapter: bool = False
    licence: str | None = None
    figures: Sequence[Figures] = ()

    def text(self) -> str:
        """The whole `README.md`.

        Raises:
            UsageError: When the licence claimed allows what the data or the base model forbid.
        """
        forbidden = list(self._forbidden())
        if self.licence and forbidden and not _forbids_too(self.licence):
            raise UsageError(
                f"--licence {self.licence} cannot be claimed: {'; '.join(forbidden)}. Leave it out, or claim "
                "one that forbids commercial use (such as cc-by-nc-sa-4.0)"
            )
        environment = Environment(
            loader=PackageLoader("mmrad.train.publishing", ""),
            undefined=StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters["tojson"] = json.dumps  # jinja's own writes for HTML
        template = environment.get_template("card.md.jinja")
        return (
            f"---\n{self._metadata(forbidden).to_yaml()}\n---\n\n{template.render(self._values(forbidden))}"
        )

    def _metadata(self, forbidden: Sequence[str]) -> ModelCardData:
        other = None if self.licence else "non-commercial" if forbidden else "not-stated"
        return ModelCardData(
            base_model=self.base.name if self.base and self.base.on_hub else None,
            language="en",
            library_name="transformers",
            pipeline_tag="image-text-to-text",
            license=self.licence or "other",
            license_name=other,
            tags=["anomaly-detection", "industrial-inspection", "mmrad", *(["lora"] if self.adapter else [])],
        )

    def _forbidden(self) -> Iterator[str]:
        """What allows no commercial use, or does not say that it does."""
        for part in self.trained_on:
            if not terms(part.licence).commercial:
                yield f"the images of {part.source} are licensed as {part.licence}"
        if self.base and not terms(_spelled(self.base.licence)).commercial:
            yield f"the licence of the base model {self.base.name} is {self.base.licence}"

    def _values(self, forbidden: Sequence[str]) -> dict[str, Any]:
        recipe, licences = self.recipe, sorted({part.licence for part in self.trained_on})
        references = min(recipe.data.references, 1)
        system, user = _wording(recipe, references)
        return {
            "name": self.name,
            "served": file_name(self.name),
            "base": self.base,
            "method": self.method,
            "adapter": self.adapter,
            "version": __version__,
            "forbidden": forbidden,
            "references": references,
            "knowledge": recipe.data.knowledge,
            "asking": recipe.asking,
            "system": system,
            "user": user,
            "trained_on": self.trained_on,
            "commercial": [licence for licence in licences if terms(licence).commercial],
            "duties": [(licence, terms(licence).duties) for licence in licences if terms(licence).duties],
            "figures": self.figures,
            "seen": {part.source for part in self.trained_on},
        }


def _wording(recipe: Recipe, references: int) -> tuple[str, str]:
    """The texts of the system and of the user message, as mmrad asks the model."""
    view = View(np.zeros((FACTOR, FACTOR, 3), np.uint8), (FACTOR, FACTOR))
    sample = Sample("part", "", "", "test", "part.png", (FACTOR, FACTOR), (), "")
    messages = settings_from(recipe.asking).messages(sample, view, [view] * references)
    system, user = (
        "\n".join(part for part in message.parts if isinstance(part, str)) for message in messages
    )
    return system, user


def _spelled(licence: str) -> str:
    return _SPELLINGS.get(licence.lower().replace(" ", "-"), licence)


def _forbids_too(licence: str) -> bool:
    """Whether a licence forbids commercial use, by its name on the Hub."""
    return "-nc" in licence.lower().replace(" ", "-")
