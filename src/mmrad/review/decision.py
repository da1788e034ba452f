"""A decision as it comes from a browser, and what makes its regions acceptable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from mmrad.box import Box
from mmrad.corpus.reviews import Outcome
from mmrad.errors import UsageError
from mmrad.sample import Region

LONGEST_LABEL = 200
MOST_REGIONS = 500


def _without_controls(text: str) -> str:
    if any(ord(letter) < 32 and letter not in "\t\n\r" for letter in text):
        raise ValueError("it holds control characters")
    return text


Name = Annotated[str, StringConstraints(max_length=1000)]
Text = Annotated[str, StringConstraints(max_length=20_000), AfterValidator(_without_controls)]
Side = Annotated[int, Field(gt=0, le=1_000_000)]
Coordinate = Annotated[float, Field(allow_inf_nan=False)]


class Sent(BaseModel):
    """What a browser sends: nothing else than is named, and of no other type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SentRegion(Sent):
    """A region; its box is `[x1, y1, x2, y2]` in original pixels."""

    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]
    label: Name
    mask: Name | None = None


Regions = Annotated[tuple[SentRegion, ...], Field(max_length=MOST_REGIONS)]


class SentText(Sent):
    """What was decided of a teacher's text, see `mmrad.corpus.reviews.TextReview`."""

    teacher: Name
    before: str
    good: bool
    after: Text | None = None
    view_wh: tuple[Side, Side]


class Decision(Sent):
    """One decision, see `mmrad.corpus.reviews.Review`.

    Attributes:
        id: Made by the browser, so that sending it twice stores it once.
        sample_id: The sample.
        queue: Key of the queue it was shown in, if any.
        seen: How many reviews there were of those that this one follows.
        outcome: The decision.
        reason: Why; needed for `drop`.
        regions: As the person left them.
        text: What was decided of a text.
        seconds: How long the person looked.
    """

    id: UUID
    sample_id: Name
    queue: Name | None = None
    seen: int = Field(ge=0)
    outcome: Outcome
    reason: Annotated[Text, StringConstraints(max_length=2000, strip_whitespace=True)] = ""
    regions: Regions = ()
    text: SentText | None = None
    seconds: float = Field(ge=0, le=1e7, allow_inf_nan=False)


class TextCheck(Sent):
    """A text that is to be verified against regions."""

    sample_id: Name
    text: Text
    view_wh: tuple[Side, Side]
    regions: Regions = ()


class Segmenting(Sent):
    """A box in original pixels that is to be tightened."""

    id: Name
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate]


SentT = TypeVar("SentT", bound=Sent)


def read_sent(kind: type[SentT], body: bytes) -> SentT:
    """What a body of JSON says.

    Raises:
        UsageError: When it is not of that kind; the message names the first thing wrong.
    """
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(f"{where}: {first['msg']}" if where else str(first["msg"])) from error


def regions_of(
    sent: Sequence[SentRegion], shown: Collection[Region], size_wh: tuple[int, int]
) -> tuple[Region, ...]:
    """The regions that a person left.

    Those that were shown may stay as they are, however odd; others must be in whole pixels inside the image,
    have a label, and no other mask than one that was shown.

    Args:
        sent: As sent.
        shown: The regions that were shown.
        size_wh: Width and height of the image.

    Raises:
        UsageError: When one is not acceptable; the message counts from 1.
    """
    return tuple(_region(number, region, shown, size_wh) for number, region in enumerate(sent, 1))


def _region(number: int, sent: SentRegion, shown: Collection[Region], size_wh: tuple[int, int]) -> Region:
    for known in shown:
        if (known.box.xyxy, known.label, known.mask) == (sent.box, sent.label, sent.mask):
            return known
    box = whole_box(sent.box, size_wh, f"region {number}")
    label = " ".join(sent.label.split())
    if label not in {known.label for known in shown}:
        _check_label(label, number)
    if sent.mask is not None and sent.mask not in {known.mask for known in shown}:
        raise UsageError(f"region {number}: its mask is none of this sample")
    return Region(box, label, sent.mask)


def whole_box(box: Sequence[float], size_wh: tuple[int, int], name: str) -> Box:
    """A box in whole pixels inside an image of that width and height.

    Raises:
        UsageError: When it is not.
    """
    x1, y1, x2, y2 = box
    width, height = size_wh
    if any(value != int(value) for value in box):
        raise UsageError(f"{name}: its box {list(box)} is not in whole pixels")
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise UsageError(
            f"{name}: its box {list(box)} is empty or not inside the image of {width} x {height}"
        )
    return Box(*map(int, box))


def _check_label(label: str, number: int) -> None:
    if not label:
        raise UsageError(f"region {number} has no label")
    if len(label) > LONGEST_LABEL or any(ord(letter) < 32 for letter in label):
        raise UsageError(f"region {number}: a label has at most {LONGEST_LABEL} letters, on one line")
