"""What people said of images in other tools, whatever the tool: one record, and the conversions of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import get_args

from mmrad.box import Box
from mmrad.corpus.reviews import Outcome
from mmrad.review.decision import LONGEST_LABEL
from mmrad.review.pixels import whole_pixels
from mmrad.sample import Region
from mmrad.sources.polygons import enclosing

NEAR = 1.0
"""Corners that differ by at most so many pixels are the same: tools round, and store shares of sides."""


@dataclass(slots=True)
class Annotation:
    """What one person said of one image in another tool.

    Attributes:
        where: What messages call it: the file and the image or task.
        sample_id: The sample, where the file says it.
        image: Name of the image's file, without folders.
        person: Who said it, as the tool knows people; empty where the file does not tell.
        finished: Whether the person was done with the image; None where the file does not tell.
        size_wh: Width and height of the image in the tool; None where the file does not tell.
        regions: The places, in whole pixels of the image.
        shown: The places that the person began with; None where the file does not tell.
        outcome: The decision.
        reason: Why.
        at: When, in UTC; None where the file does not tell.
        seconds: How long the person worked on it; 0 where the file does not tell.
        outlines: How many of the regions are upright boxes around an outline of another form.
        problem: Why it cannot be taken, or "".
    """

    where: str
    sample_id: str | None = None
    image: str = ""
    person: str = ""
    finished: bool | None = None
    size_wh: tuple[int, int] | None = None
    regions: list[Region] = field(default_factory=list)
    shown: list[Region] | None = None
    outcome: Outcome = "keep"
    reason: str = ""
    at: datetime | None = None
    seconds: float = 0.0
    outlines: int = 0
    problem: str = ""

    def add_box(self, label: object, xyxy: Sequence[float]) -> None:
        """Add a region that was drawn as an upright box `(x1, y1, x2, y2)` in pixels, half-open.

        Raises:
            ValueError: When it has no label or no area, or reaches outside the image.
        """
        box, (width, height) = Box(*xyxy), self.size()
        if min(box.x1, box.y1) < -NEAR or box.x2 > width + NEAR or box.y2 > height + NEAR:
            raise ValueError(f"the box {xyxy} reaches outside the image of {width}x{height}")
        self._add(label, box)

    def add_outline(self, label: object, points: Sequence[Sequence[float]]) -> None:
        """Add the upright box around an outline, such as a polygon or a turned box.

        Args:
            label: Its label.
            points: Corners `(x, y)` in pixels; what lies outside the image is cut off.

        Raises:
            ValueError: When it has no label or no area inside the image.
        """
        self._add(label, enclosing(points))
        self.outlines += 1

    def decide(self, outcome: object, reason: object) -> None:
        """Take over a decision in words.

        Raises:
            ValueError: When it is none of `Outcome`.
        """
        for known in get_args(Outcome):
            if outcome == known:
                self.outcome = known
                self.reason = str(reason or "").strip()
                return
        raise ValueError(f"unknown outcome {outcome!r}")

    def size(self) -> tuple[int, int]:
        """Width and height of the image.

        Raises:
            ValueError: When the file does not tell.
        """
        if self.size_wh is None:
            raise ValueError("the size of the image is not said")
        return self.size_wh

    def _add(self, label: object, box: Box) -> None:
        text = label.strip() if isinstance(label, str) else ""
        if not 0 < len(text) <= LONGEST_LABEL or any(ord(letter) < 32 for letter in text):
            raise ValueError(f"a label has 1 to {LONGEST_LABEL} letters on one line, not {label!r}")
        whole = whole_pixels(box, self.size())
        if whole is None:
            raise ValueError(f"the box {box.xyxy} lies outside the image")
        self.regions.append(Region(whole, text))


UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
"""What reading an annotation raises when it is not as its format has it."""


def problem_of(error: Exception) -> str:
    """One of `UNREADABLE` in words."""
    return str(error) if isinstance(error, ValueError) else f"not as its format has it ({error!r})"


def moment(text: str) -> datetime:
    """A time in UTC, from ISO 8601; one without a zone is in UTC.

    Raises:
        ValueError: When it is none.
    """
    found = datetime.fromisoformat(text.strip())
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def base_name(path: object) -> str:
    """The name of a file without its folders, on any system."""
    return str(path).replace("\\", "/").rpartition("/")[2]
