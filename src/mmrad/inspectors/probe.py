"""What convention a model really writes boxes in: made pictures with one known place, and which reading fits.

Nothing is read off the size of single numbers: every convention is held against all answers, and one is
settled only when it fits well, clearly better than any other, and hardly an answer speaks against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrad.answer import parse
from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, to_view
from mmrad.endpoint.background import in_background
from mmrad.endpoint.model import Chat, ChatModel
from mmrad.endpoint.spending import usage_of
from mmrad.image import RGB
from mmrad.inspectors.base import InspectionSettings
from mmrad.prompt import Message
from mmrad.sample import Usage
from mmrad.view import View, make_view

SIZES_WH = (
    (96, 72),
    (700, 700),
    (48, 132),
    (1024, 1024),
    (400, 1600),
    (2600, 650),
    (1600, 850),
    (1284, 1168),
    (2600, 1400),
    (1500, 2300),
    (3000, 2000),
    (611, 977),
)
"""Tiny and above 2 megapixels, square and 1:4, and sides that are no multiples of 28.

Most are resized, so that pixels of the view and of the original can be told apart.
"""

KNOWLEDGE = ("plate", ("bright rectangle",))
"""What the model is told of the pictures, in the words of any inspection."""

ENOUGH, FITS, MARGIN, CONTRADICTS, CONTRADICTIONS = 8, 0.5, 0.1, 0.3, 1
"""What settles: answers, mean IoU, its lead over the second; and an answer contradicts when another reading
leads by that much IoU, of which so many are put up with."""

ANSWERED = "answered"
VIEW_YX = "view_yx"
"""Pixels of the view with y first, which no family is known to write; a finding, not one to be asked for."""


READINGS = (*(space.value for space in CoordinateSpace), VIEW_YX)
"""Names of what four numbers may mean."""


@dataclass(frozen=True, slots=True)
class Target:
    """A made picture.

    Attributes:
        image: One bright rectangle on plain ground, shape `(height, width, 3)`.
        box: The rectangle, in pixels of the image.
    """

    image: RGB
    box: Box


@dataclass(frozen=True, slots=True)
class Attempt:
    """What a model said of a target.

    Attributes:
        target: The picture.
        view: What was shown of it.
        status: `answered`, or why there are no four numbers.
        text: The whole text.
        box: The four numbers as written.
        usage: What it cost.
        detail: Why there is no answer, in words.
    """

    target: Target
    view: View
    status: str
    text: str
    box: Box | None
    usage: Usage = Usage()
    detail: str = ""

    def read_as(self, reading: str) -> Box | None:
        """The box in pixels of the original image, read in a convention; None where there is none."""
        if self.box is None:
            return None
        if reading == VIEW_YX:
            shown = Box(self.box.y1, self.box.x1, self.box.y2, self.box.x2)
        else:
            shown = to_view(self.box, CoordinateSpace(reading), self.view)
        return self.view.to_original(shown)

    def iou(self, reading: str) -> float:
        """Overlap with the truth when read in a convention; 0 without an answer."""
        box = self.read_as(reading)
        return box.iou(self.target.box) if box else 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What the attempts say.

    Attributes:
        attempts: One a picture, in their order.
        iou: Mean IoU over the answered pictures by reading, best first; empty without answers.
        statuses: How many attempts ended how.
        settled: The convention the model writes in; None where that cannot be said.
        verdict: The same in words.
    """

    attempts: tuple[Attempt, ...]
    iou: dict[str, float]
    statuses: dict[str, int]
    settled: CoordinateSpace | None
    verdict: str

    @property
    def answered(self) -> int:
        """How many pictures got four numbers."""
        return self.statuses.get(ANSWERED, 0)

    @property
    def margin(self) -> float | None:
        """Lead of the best mean IoU over the second; None without answers."""
        best = list(self.iou.values())[:2]
        return best[0] - best[1] if best else None


def targets(seed: int = 0) -> list[Target]:
    """The made pictures: the rectangles lie far from the corner (0, 0) and to one side of the diagonal.

    So a wrong scale moves each off its place, and a swap of x and y puts it on the other side.

    Args:
        seed: Seed of places and colours.
    """
    rng = np.random.default_rng(seed)
    return [_target(size, upper=bool(index % 2), rng=rng) for index, size in enumerate(SIZES_WH)]


def _target(size_wh: tuple[int, int], *, upper: bool, rng: np.random.Generator) -> Target:
    far = rng.uniform(0.58, 0.7), rng.uniform(0.14, 0.2)
    near = rng.uniform(0.16, 0.24), rng.uniform(0.1, 0.14)
    (x, w), (y, h) = (far, near) if upper else (near, far)
    width, height = size_wh
    box = Box(*map(float, Box(x * width, y * height, (x + w) * width, (y + h) * height).rounded()))
    ground, bright = rng.integers(40, 90, 3, np.uint8), rng.integers(200, 256, 3, np.uint8)
    image = np.empty((height, width, 3), np.uint8)
    image[:] = ground
    x1, y1, x2, y2 = box.rounded()
    image[y1:y2, x1:x2] = bright
    return Target(image, box)


def question(target: Target, settings: InspectionSettings) -> tuple[list[Message], View]:
    """The messages of a real inspection about a picture beside its plain ground, and the view of it."""
    view = make_view(target.image, settings.budget)
    plain = View(np.broadcast_to(view.image[:1, :1], view.image.shape), view.original_wh)
    messages = settings.prompts.inspection(
        view, [plain], reasoning=settings.reasoning, domain_knowledge=KNOWLEDGE, space=settings.space
    )
    return messages, view


def expected_usage(settings: InspectionSettings, seed: int = 0) -> Usage:
    """Tokens that a probe is expected to take in all."""
    each = [usage_of(question(target, settings)[0]) for target in targets(seed)]
    return Usage(sum(one.input_tokens or 0 for one in each), sum(one.output_tokens or 0 for one in each))


def ask(
    model: ChatModel, settings: InspectionSettings, *, rejects: Sequence[str] = (), seed: int = 0
) -> Generator[tuple[int, Attempt], None, None]:
    """Ask a model about every picture; yields `(index of the picture, attempt)` as they are done.

    Args:
        model: The model.
        settings: How to ask, in which convention above all.
        rejects: Parameters that the model does not take.
        seed: Seed of the pictures.

    Raises:
        ProviderError: When nothing has been answered and every request would fail the same way.
    """
    asked = targets(seed)
    wanted = {"temperature": settings.temperature, "seed": settings.seed, "max_tokens": settings.max_tokens}
    parameters: dict[str, Any] = {name: value for name, value in wanted.items() if name not in rejects}

    async def one(chat: Chat, index: int) -> tuple[int, Attempt]:
        messages, view = question(asked[index], settings)
        reply = await chat.ask(messages, parameters)
        status, box, detail = (
            _four_numbers(reply.text) if reply.status == "ok" else (reply.status, None, reply.detail)
        )
        return index, Attempt(asked[index], view, status, reply.text, box, reply.usage, detail)

    yield from in_background(len(asked), one, model.connect, model.concurrency)


def _four_numbers(text: str) -> tuple[str, Box | None, str]:
    """The one box of an answer, as it is written; else why there is none."""
    answer = parse(text)
    if answer.status != "ok":
        return answer.status, None, answer.detail
    if len(answer.instances) == 1:
        return ANSWERED, answer.instances[0].box, ""
    if answer.instances:
        return "several boxes", None, ""
    return "no box" if answer.anomalous else "says normal", None, answer.detail


def settle(attempts: Sequence[Attempt]) -> Finding:
    """Hold every convention against all answers.

    Args:
        attempts: What the model said of each picture.
    """
    answered = [attempt for attempt in attempts if attempt.status == ANSWERED]
    mean = (
        {name: float(np.mean([one.iou(name) for one in answered])) for name in READINGS} if answered else {}
    )
    iou = dict(sorted(mean.items(), key=lambda item: -item[1]))
    space, verdict = _judge(answered, iou)
    return Finding(tuple(attempts), iou, dict(Counter(one.status for one in attempts)), space, verdict)


def _judge(answered: Sequence[Attempt], iou: dict[str, float]) -> tuple[CoordinateSpace | None, str]:
    if len(answered) < ENOUGH:
        return None, f"not settled: too few answers ({len(answered)}, at least {ENOUGH} are needed)"
    (best, first), (second, other) = list(iou.items())[:2]
    if first < FITS:
        return None, f"not settled: no convention fits (best IoU {first:.2f}, read as {best})"
    if first - other < MARGIN:
        return None, f"not settled: {best} and {second} fit alike (IoU {first:.2f} and {other:.2f})"
    against = [
        name for one in answered if one.iou(name := max(READINGS, key=one.iou)) >= one.iou(best) + CONTRADICTS
    ]
    if len(against) > CONTRADICTIONS:
        named = ", ".join(f"{count} {name}" for name, count in Counter(against).most_common())
        return None, f"not settled: most answers fit {best}, but others do not ({named})"
    if best == VIEW_YX:
        return None, "not settled: pixels of the view with y first, which mmrad does not ask for"
    return CoordinateSpace(best), f"settled as {best} (IoU {first:.2f}, {second} {other:.2f})"
