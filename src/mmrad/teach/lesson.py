"""What a teacher is shown and told of a sample, and the protocol of teachers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from mmrad.answer import Instance
from mmrad.endpoint import Price, Reply
from mmrad.errors import DataError
from mmrad.image import read_image
from mmrad.sample import Pair, Sample
from mmrad.view import Budget, View, make_view, rescale


@dataclass(frozen=True, slots=True)
class Lesson:
    """A pair as a teacher gets it.

    Attributes:
        sample: The sample.
        query: View of the query; texts give places in its pixels.
        reference: View of the normal image beside it; None where none is shown.
        truth: The true places in pixels of the query's view; none for a normal query.
        seed: Seed of the teacher's choices.
    """

    sample: Sample
    query: View
    reference: View | None
    truth: tuple[Instance, ...]
    seed: str

    @property
    def references(self) -> list[View]:
        """The reference as prompts take it."""
        return [self.reference] if self.reference else []


@dataclass(frozen=True, slots=True)
class Earlier:
    """A text that failed verification, and what its teacher is told about it."""

    text: str
    feedback: str


class Writer(Protocol):
    """A teacher at work."""

    async def write(self, lesson: Lesson, earlier: Earlier | None, number: int) -> Reply:
        """A think-then-answer text.

        Args:
            lesson: The pair and its truth.
            earlier: The best text so far, where one was refused.
            number: Which answer for this lesson it is, from 1.
        """


class Teacher(Protocol):
    """Writes the reasoning text of a pair whose truth it is told.

    Attributes:
        name: Names the journal of its texts.
        tries: How often it is asked about a sample until a text passes.
        best_of: How many texts it writes at each try, of which the best is kept.
        concurrency: Samples at once.
        price: What its tokens cost; None where unknown.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - see the class
    @property
    def tries(self) -> int: ...  # noqa: D102 - see the class
    @property
    def best_of(self) -> int: ...  # noqa: D102 - see the class
    @property
    def concurrency(self) -> int: ...  # noqa: D102 - see the class
    @property
    def price(self) -> Price | None: ...  # noqa: D102 - see the class

    def key(self) -> dict[str, Any]:
        """Anything but the pair that its texts depend on: model, parameters, prompts, wording."""

    def connect(self) -> AbstractAsyncContextManager[Writer]:
        """Start working."""


def view_maker(budget: Budget) -> Callable[[Path], View]:
    """Makes the views of image files; the last few are kept, since one reference serves many queries."""
    return lru_cache(maxsize=16)(lambda path: make_view(read_image(path), budget))


def prepare(pair: Pair, view_of: Callable[[Path], View], seed: int) -> Lesson:
    """The lesson of a pair.

    Args:
        pair: The pair, with a reference.
        view_of: Makes the view of an image file, see `view_maker`.
        seed: Seed of the course.

    Raises:
        DataError: When an image is unreadable, has no view, or is of another size than recorded.
    """
    sample = pair.sample
    try:
        query, reference = view_of(pair.image), view_of(pair.references[0])
    except ValueError as error:
        raise DataError(f"{pair.image} or its reference: {error}") from error
    if query.original_wh != sample.size_wh:
        raise DataError(
            f"{pair.image}: the image is {query.original_wh} pixels wide and high, the corpus says "
            f"{sample.size_wh}; build the corpus again"
        )
    return Lesson(sample, query, reference, truth_in(sample, query.size_wh), f"{seed}/{sample.id}")


def truth_in(sample: Sample, view_wh: tuple[int, int]) -> tuple[Instance, ...]:
    """The true places in pixels of a view of that size."""
    return tuple(
        Instance(rescale(region.box, sample.size_wh, view_wh), region.label) for region in sample.regions
    )
