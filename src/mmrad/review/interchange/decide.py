"""What an annotation made elsewhere says of a sample as it stands here."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from mmrad.corpus.reviews import Review, StaleReviewError, applied, decisive, standing
from mmrad.corpus.tables import region_row
from mmrad.review.interchange.annotated import NEAR, Annotation, moment
from mmrad.sample import Region, Sample

NEEDED = 2
"""How many people must agree where several annotated an image without seeing each other's work."""

_NAMESPACE = uuid.UUID("6b1f0f0e-6a55-4a0b-9a3e-0f3d5f6f2b7c")

Regions = tuple[Region, ...]

Nothing = Literal["known", "open"]
"""Why an annotation makes no review: it was imported before, or nothing shows that somebody was done."""


class RefusedError(Exception):
    """An annotation cannot be taken; the message says why."""


def decide(
    annotation: Annotation,
    sample: Sample,
    history: Sequence[Review],
    reviewer: str,
    *,
    blind: bool,
    finished: bool,
) -> Review | Nothing:
    """The review that an annotation makes.

    Args:
        annotation: The annotation.
        sample: Its sample, as the corpus was built.
        history: The sample's reviews so far.
        reviewer: Who annotated.
        blind: Whether the reviewer saw no other's work.
        finished: Whether an image is done of which the file does not tell.

    Returns:
        The review, or why there is none.

    Raises:
        RefusedError: When it cannot be taken.
    """
    if annotation.finished is False:
        return "open"
    _check(annotation, sample)
    identity = _identity(annotation, sample, reviewer, blind)
    own = [one for one in history if one.reviewer == reviewer and one.blind == blind]
    if any(one.id == identity for one in own) or (own and _repeats(annotation, own[-1])):
        return "known"
    before = _current(sample, history)
    after = _settled(annotation.regions, before)
    past = not blind and after != before and _is_past(annotation, before, history, reviewer)
    if not (annotation.finished or finished) and (after == before or not after or past):
        return "open"
    if not blind:
        _check_others(annotation, history, reviewer, past)
    track = reviewer if blind else ""
    return Review(
        id=identity,
        sample_id=sample.id,
        reviewer=reviewer,
        at=(annotation.at or datetime.now(UTC)).isoformat().replace("+00:00", "Z"),
        seconds=annotation.seconds,
        number=1 + sum(one.track == track for one in history),
        blind=blind,
        needed=NEEDED if blind else 1,
        outcome=annotation.outcome,
        reason=annotation.reason,
        before=before,
        after=after if annotation.outcome == "keep" else before,
    )


def _check(annotation: Annotation, sample: Sample) -> None:
    if annotation.problem:
        raise RefusedError(annotation.problem)
    if annotation.size_wh not in (None, sample.size_wh):
        found, (width, height) = annotation.size(), sample.size_wh
        raise RefusedError(f"its image is {found[0]}x{found[1]} there and {width}x{height} here")
    if annotation.outcome == "drop" and not annotation.reason:
        raise RefusedError("it is dropped without a reason; say why there")


def _identity(annotation: Annotation, sample: Sample, reviewer: str, blind: bool) -> str:
    """The same for the same annotation, so that it is stored once."""
    at = annotation.at.isoformat() if annotation.at else ""
    regions = [region_row(region) for region in annotation.regions]
    said = [sample.id, reviewer, blind, at, annotation.outcome, annotation.reason, regions]
    return str(uuid.uuid5(_NAMESPACE, json.dumps(said)))


def _repeats(annotation: Annotation, last: Review) -> bool:
    """Whether the reviewer's last review is this annotation, or a later one."""
    if annotation.at and moment(last.at) >= annotation.at:
        return True
    same = (last.outcome, last.reason) == (annotation.outcome, annotation.reason)
    return same and (last.outcome != "keep" or _settled(annotation.regions, last.after) == last.after)


def _current(sample: Sample, history: Sequence[Review]) -> Regions:
    """The regions of the sample as its reviews leave it; those it had when it is dropped."""
    try:
        left = applied(sample, history)
    except StaleReviewError as error:
        raise RefusedError(str(error)) from error
    return left.regions if left else decisive(history)[-1].after


def _settled(found: Sequence[Region], shown: Regions) -> Regions:
    """The regions of an annotation, those that did not move being the ones that were shown."""
    left, settled = list(found), []
    for region in shown:
        near = [one for one in left if _near(one, region)]
        if near:
            same = min(near, key=lambda one: one.label != region.label)
            left.remove(same)
            settled.append(replace(region, label=same.label))
    return (*settled, *left)


def _near(one: Region, other: Region) -> bool:
    corners = zip(one.box.xyxy, other.box.xyxy, strict=True)
    return all(abs(ours - theirs) <= NEAR for ours, theirs in corners)


def _is_past(annotation: Annotation, now: Regions, history: Sequence[Review], reviewer: str) -> bool:
    """Whether the annotation goes on from how the sample was before another person's review.

    Where the file does not tell what it goes on from, it is seen only of one that changes nothing of that.
    """
    counting = standing(history).counting
    if annotation.outcome != "keep" or not counting or counting[-1].reviewer == reviewer:
        return False
    if annotation.shown is not None:
        return _settled(annotation.shown, now) != now
    states = [state for review in counting for state in (review.before, review.after)]
    return any(_settled(annotation.regions, state) == state for state in states)


def _check_others(annotation: Annotation, history: Sequence[Review], reviewer: str, past: bool) -> None:
    """Refuse what would undo another person's decision that the annotator did not see."""
    if standing(history).status in ("waiting", "disputed"):
        raise RefusedError("its blind reviews are not settled; settle them in  mmrad review")
    since = [one.reviewer for one in history if one.reviewer != reviewer and _is_later(one, annotation)]
    if past or since:
        by = since[-1] if since else standing(history).counting[-1].reviewer
        raise RefusedError(f"{by} decided on it here since it was exported; look at it in  mmrad review")


def _is_later(review: Review, annotation: Annotation) -> bool:
    return not review.blind and annotation.at is not None and moment(review.at) > annotation.at
