"""Prompts: what is said to a model, as chat messages made of text and views.

The structure follows the paper's Table 2 and its domain-knowledge prompt (section 4.1). The wording lies in
TOML files and can be replaced; its hash goes into every result, since answers depend on it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from string import Template
from typing import Literal

from mmrad.answer import Instance, one_line
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.errors import DataError
from mmrad.view import View

BUILT_IN = ("default", "brief")


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message; its parts are texts and images in reading order."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | View, ...]


@dataclass(frozen=True, slots=True)
class Hint:
    """What a detector says of a query, to be told to a model.

    Attributes:
        places: The most unusual places, in pixels of the original image, the strongest first; at least one.
        alarm: Whether the detector's score of the whole image is above its threshold.
    """

    places: tuple[Box, ...]
    alarm: bool


@dataclass(frozen=True, slots=True)
class Prompts:
    """A set of wordings, one field for each role a sentence plays; see `prompts/default.toml`.

    Each convention of boxes has a sentence (`location_…`, named as in `CoordinateSpace`), a form that fills
    `$box` in the sentences that ask (`box`, or `box_yx` where y comes first), and a form of the places of a
    hint (`hint_box`, or `hint_box_yx`).
    """

    name: str
    system: str
    reference: str
    no_reference: str
    location_view: str
    location_original: str
    location_thousand: str
    location_thousand_yx: str
    location_unit: str
    box: str
    box_yx: str
    domain_knowledge: str
    reasoning_format: str
    answer_format: str
    confidence: str
    teacher_anomalous: str
    teacher_normal: str
    opposite_of_normal: str
    opposite_of_anomalous: str
    hint: str
    hint_alarm: str
    hint_no_alarm: str
    hint_box: str
    hint_box_yx: str
    hint_crop: str
    hint_crop_pair: str
    hint_whole: str

    @property
    def hash(self) -> str:
        """First 12 hex digits of the SHA-256 over all wordings but those of hints.

        Runs with hints and without stand in one table: they differ by what is told, not by how it is asked.
        """
        names = [field.name for field in fields(self) if not field.name.startswith("hint")]
        return _hash({name: getattr(self, name) for name in names})

    @property
    def hints_hash(self) -> str:
        """The same over the wordings of hints, which change the answers of runs with hints alone."""
        names = [field.name for field in fields(self) if field.name.startswith("hint")]
        return _hash({name: getattr(self, name) for name in names})

    @property
    def teaching_hash(self) -> str:
        """The same over the wordings for pixels of the view, in which teachers write.

        It stays when only other conventions are worded otherwise, so that texts already paid for stay valid.
        """
        filled = {
            name: _fill(getattr(self, name), box=self.box) for name in ("reasoning_format", "answer_format")
        }
        names = ("name", "system", "reference", "no_reference", "location", "domain_knowledge", *filled)
        names += ("teacher_anomalous", "teacher_normal", "opposite_of_normal", "opposite_of_anomalous")
        told = {"location": self.location_view, **filled}
        return _hash({name: told[name] if name in told else getattr(self, name) for name in names})

    def inspection(
        self,
        query: View,
        references: Sequence[View] = (),
        *,
        reasoning: bool = True,
        domain_knowledge: tuple[str, Sequence[str]] | None = None,
        space: CoordinateSpace = CoordinateSpace.VIEW,
        confidence: bool = False,
        hint: Hint | None = None,
        details: Sequence[Sequence[View]] = (),
    ) -> list[Message]:
        """The messages that ask for a verdict: references first, the query last, details of hints between.

        Args:
            query: View of the image under inspection.
            references: Views of normal images; none asks without reference.
            reasoning: Whether to ask for reasoning before the answer.
            domain_knowledge: Category and its known anomaly labels.
            space: The convention in which to ask for boxes.
            confidence: Whether to ask how sure the model is, from 0 to 100, that the product is anomalous.
            hint: What a detector says of the query.
            details: Enlarged views of each place of the hint, strongest first: of the query, and where there
                are references of the same place of the first; none tells the hint in words only.
        """
        *lines, ending = self._task(query, references, reasoning, domain_knowledge, space)
        if hint:
            lines += self._hint(hint, details, query, len(references), space)
        lines += [ending, self.confidence] if confidence else [ending]
        enlarged = [view for views in details for view in views]
        return self._messages(query, [*references, *enlarged], lines)

    def teacher(
        self, marked_query: View, references: Sequence[View], truth: Sequence[Instance]
    ) -> list[Message]:
        """The messages that ask a teacher for a reasoning text under hints.

        Args:
            marked_query: View of the query with the true boxes drawn in red.
            references: Views of normal images.
            truth: The true places in pixels of the view; none for a normal query.
        """
        hint = ", ".join(f"({list(place.box.rounded())}, '{one_line(place.label)}')" for place in truth)
        told = _fill(self.teacher_anomalous, hint=hint) if truth else self.teacher_normal
        return self._messages(marked_query, references, [*self._task(marked_query, references), told])

    def opposite(self, query: View, references: Sequence[View], *, anomalous: bool) -> list[Message]:
        """The messages that ask for a wrong text, for contrastive sampling.

        Args:
            query: View of the unmarked query.
            references: Views of normal images.
            anomalous: The truth, whose opposite is told.
        """
        told = self.opposite_of_anomalous if anomalous else self.opposite_of_normal
        return self._messages(query, references, [*self._task(query, references), told])

    def _task(
        self,
        query: View,
        references: Sequence[View],
        reasoning: bool = True,
        knowledge: tuple[str, Sequence[str]] | None = None,
        space: CoordinateSpace = CoordinateSpace.VIEW,
    ) -> list[str]:
        images = "image is" if len(references) == 1 else f"{len(references)} images are"
        box = self.box_yx if space is CoordinateSpace.THOUSAND_YX else self.box
        width, height = map(str, query.original_wh)
        lines = [
            _fill(self.reference, count_words=images) if references else self.no_reference,
            _fill(getattr(self, f"location_{space.value}"), box=box, width=width, height=height),
        ]
        if knowledge:
            category, labels = knowledge
            lines.append(_fill(self.domain_knowledge, category=category, labels=", ".join(labels)))
        return [*lines, _fill(self.reasoning_format if reasoning else self.answer_format, box=box)]

    def _hint(
        self, hint: Hint, details: Sequence[Sequence[View]], query: View, before: int, space: CoordinateSpace
    ) -> list[str]:
        """The lines of a hint; `before` images stand before its details."""
        form = self.hint_box_yx if space is CoordinateSpace.THOUSAND_YX else self.hint_box
        places = [_fill(form, numbers=_numbers(place, space, query)) for place in hint.places]
        alarm = self.hint_alarm if hint.alarm else self.hint_no_alarm
        lines = [_fill(self.hint, places=", ".join(places), alarm=alarm)]
        number = before + 1
        for place, views in zip(places, details, strict=bool(details)):
            told = self.hint_crop if len(views) == 1 else self.hint_crop_pair
            lines.append(_fill(told, place=place, number=str(number), next=str(number + 1)))
            number += len(views)
        return [*lines, self.hint_whole] if details else lines

    def _messages(self, query: View, before: Sequence[View], lines: Sequence[str]) -> list[Message]:
        return [
            Message("system", (self.system,)),
            Message("user", (*before, query, "\n".join(lines))),
        ]


def load_prompts(name_or_file: str = "default") -> Prompts:
    """Load a built-in set of prompts by name, or a user's own from a TOML file.

    Raises:
        DataError: When the file is missing, is not TOML, or lacks or adds a field.
    """
    if name_or_file in BUILT_IN:
        text = resources.files("mmrad").joinpath("prompts", f"{name_or_file}.toml").read_text("utf-8")
        return Prompts(**tomllib.loads(text))
    path = Path(name_or_file)
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: not a readable prompt file ({error}); built in are {', '.join(BUILT_IN)}"
        ) from error
    wanted = {field.name for field in fields(Prompts)}
    if values.keys() != wanted or not all(isinstance(value, str) for value in values.values()):
        wrong = sorted(wanted ^ values.keys()) or "a value that is no text"
        raise DataError(f"{path}: a prompt file has exactly the texts {sorted(wanted)}; check {wrong}")
    return Prompts(**values)


def _hash(wordings: Mapping[str, str]) -> str:
    text = "\x1f".join(f"{name}={wording}" for name, wording in wordings.items())
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _fill(text: str, **values: str) -> str:
    return Template(text).safe_substitute(values)


def _numbers(place: Box, space: CoordinateSpace, query: View) -> str:
    """A place in original pixels, as a model with this convention writes it."""
    written = from_view(query.to_view(place), space, query)
    if space is not CoordinateSpace.UNIT:
        return str(list(written.rounded()))
    return str([thousandth / 1000 for thousandth in written.scaled(1000, 1000).rounded()])
