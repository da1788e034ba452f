"""The scripted teacher: short think-then-answer texts made from measurements of the pair.

It needs no model and knows the truth, so that a corpus, a training and the tests run anywhere. Facts come
from easy to hard, so that each prepares the next for a small model that learns to write them: whether and in
which cell of a 5 x 5 grid something differs, how it looks and what it is, how large it is, then the box.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.endpoint import Reply
from mmrad.image import RGB
from mmrad.teach.lesson import Earlier, Lesson
from mmrad.teach.measure import Change, change_in, lightness_shift
from mmrad.teach.texts import SCRIPTED
from mmrad.view import View

GRID = 5
"""Rows and columns that name a place."""

_TINY, _SMALL, _MEDIUM = 0.01, 0.04, 0.15
"""Largest share of the view's area that still has the name."""

_ELONGATED = 1.6
"""Ratio of the sides from which an area is called wide or tall."""

_BRIEF_FROM = 5
"""With this many places or more, only place, label and box are said of each."""

_NAMES = (
    ("upper left", "top", "upper right"),
    ("left", "center", "right"),
    ("lower left", "bottom", "lower right"),
)

_WITH_REFERENCE = ("Compared with the reference", "Beside the normal image", "Against the reference")
_WITHOUT_REFERENCE = ("Compared with its surroundings", "Beside the area around it", "Against the rest")
_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# Every text says first how many places differ, so that its first fact is the verdict, in one word for normal
# and (nearly always) one for anomalous: a small model would otherwise lean to the side with fewer openings.
_PLACE = (
    "{opening} place differs: row {row}, column {column}, {side}.",
    "{opening} area differs, in row {row}, column {column}, {side}.",
    "{opening} spot differs; it lies in row {row}, column {column}, {side}.",
)
_LOOK = (
    "The area is {look}: {label}.",
    "It is {look}, which means {label}.",
    "It looks {look}, so this is {label}.",
)
_BOX = (
    "The {size} {shape} area is at {box}.",
    "It is {size} and {shape} and covers {box}.",
    "Its extent is {size} and {shape}: {box}.",
)
_COUNT = ("{opening} places differ.", "{opening} areas differ.")
_ITEM = "Row {row}, column {column}, {side}: {look}, {label}, {size} and {shape}, {box}."
_BRIEF_ITEM = "Row {row}, column {column}: {label}, {box}."
_NORMAL = (
    "{opening} place differs. The image is {light}. Parts and edges agree in all rows. {end}",
    "{opening} area differs. The image is {light}. Colors and edges agree in all columns. {end}",
    "{opening} spot differs. The image is {light}. Shapes and surfaces are the same. {end}",
)
_NORMAL_ALONE = (
    "{opening} place differs. All rows and columns of the image look regular. {end}",
    "{opening} area differs. Surfaces and edges are even in every row and column. {end}",
)
_NORMAL_END = ("Nothing is anomalous.", "This {category} is normal.", "There is no anomaly.")


class ScriptedTeacher:
    """Writes from measurements: place, change against the reference, label, size and box."""

    name = SCRIPTED
    version = "2"
    tries = 1
    best_of = 1
    concurrency = 1
    price = None

    def key(self) -> dict[str, Any]:
        """See `Teacher.key`."""
        return {"teacher": self.name, "version": self.version}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[_Writer]:
        """Start working."""
        yield _Writer(self)

    def write(
        self,
        query: RGB,
        reference: RGB | None,
        view: View,
        truth: Sequence[Instance],
        category: str,
        rng: random.Random,
    ) -> str:
        """The whole text, `<think>…</think><answer>…</answer>`; boxes in whole pixels, in order of the grid.

        Args:
            query: Pixels of the query as the model sees it.
            reference: Pixels of the normal image beside it, of any size, or None.
            view: View of the query, in whose pixels the text gives places.
            truth: The true places in pixels of the view; none for a normal query.
            category: Product category.
            rng: Source of all choices.
        """
        opening = rng.choice(_WITHOUT_REFERENCE if reference is None else _WITH_REFERENCE)
        opening = f"{opening}, {_COUNTS[len(truth)] if len(truth) < len(_COUNTS) else len(truth)}"
        if not truth:
            return render(_normal(opening, query, reference, category, rng), ())
        size_wh = view.size_wh
        places = [Instance(Box(*place.box.rounded()), " ".join(place.label.split())) for place in truth]
        places.sort(key=lambda place: (*_cell(place.box, size_wh, GRID), place.box.xyxy))
        if len(places) == 1:
            facts = _facts(places[0], query, reference, size_wh)
            sentences = [rng.choice(options) for options in (_PLACE, _LOOK, _BOX)]
            think = " ".join(sentences).format(opening=opening, **facts)
        else:
            item = _ITEM if len(places) < _BRIEF_FROM else _BRIEF_ITEM
            items = [item.format(**_facts(place, query, reference, size_wh)) for place in places]
            think = " ".join([rng.choice(_COUNT).format(opening=opening), *items])
        return render(think, places)


@dataclass(frozen=True, slots=True)
class _Writer:
    teacher: ScriptedTeacher

    async def write(self, lesson: Lesson, earlier: Earlier | None, number: int) -> Reply:
        rng = random.Random(lesson.seed)
        query, category = lesson.query, lesson.sample.category
        reference = lesson.reference.image if lesson.reference else None
        return Reply("ok", self.teacher.write(query.image, reference, query, lesson.truth, category, rng))


def _normal(opening: str, query: RGB, reference: RGB | None, category: str, rng: random.Random) -> str:
    end = rng.choice(_NORMAL_END).format(category=" ".join(category.replace("_", " ").split()) or "product")
    if reference is None:
        return rng.choice(_NORMAL_ALONE).format(opening=opening, end=end)
    shift = lightness_shift(query, reference)
    light = "equally bright"
    if abs(shift) >= 4:
        light = ("slightly " if abs(shift) < 16 else "") + ("brighter" if shift > 0 else "darker")
    return rng.choice(_NORMAL).format(opening=opening, light=light, end=end)


def _facts(place: Instance, query: RGB, reference: RGB | None, size_wh: tuple[int, int]) -> dict[str, str]:
    row, column = _cell(place.box, size_wh, GRID)
    third_row, third_column = _cell(place.box, size_wh, 3)
    width, height = place.box.x2 - place.box.x1, place.box.y2 - place.box.y1
    return {
        "row": str(row + 1),
        "column": str(column + 1),
        "side": _NAMES[third_row][third_column],
        "look": _look(change_in(place.box, query, reference)),
        "label": place.label or "anomaly",
        "size": _size(place.box.area / (size_wh[0] * size_wh[1])),
        "shape": "wide"
        if width >= _ELONGATED * height
        else "tall"
        if height >= _ELONGATED * width
        else "compact",
        "box": str(list(place.box.rounded())),
    }


def _cell(box: Box, size_wh: tuple[int, int], cells: int) -> tuple[int, int]:
    """Row and column, counted from 0, of a box's centre in a grid of `cells` x `cells` over the view."""
    (x, y), (width, height) = box.center, size_wh
    row, column = (min(cells - 1, max(0, int(value * cells))) for value in (y / height, x / width))
    return row, column


def _size(share: float) -> str:
    return (
        "tiny"
        if share <= _TINY
        else "small"
        if share <= _SMALL
        else "medium"
        if share <= _MEDIUM
        else "large"
    )


def _look(change: Change) -> str:
    words: list[str] = []
    if abs(change.lightness) >= 8:
        words.append(
            ("much " if abs(change.lightness) >= 48 else "")
            + ("brighter" if change.lightness > 0 else "darker")
        )
    if max(abs(change.red_green), abs(change.blue_yellow)) >= 12:
        if abs(change.red_green) >= abs(change.blue_yellow):
            words.append("redder" if change.red_green > 0 else "greener")
        else:
            words.append("bluer" if change.blue_yellow > 0 else "yellower")
    if change.edges >= 1.3:
        words.append("richer in edges")
    elif change.edges <= 1 / 1.3:
        words.append("poorer in edges")
    return " and ".join(words) or "similar in color but not in shape"
