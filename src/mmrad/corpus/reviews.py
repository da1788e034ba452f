"""Reviews: what people decided on samples, kept in `reviews.jsonl` of a corpus, and what follows from it.

The file is append-only, one line a decision. Most reviews see what all others decided before, and go on from
there. A blind one is made without seeing others: when as many people as were asked for agree, their decision
counts; when they do not, a later review that is not blind settles it (adjudication).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

from mmrad.box import match
from mmrad.corpus.tables import region_of, region_row
from mmrad.errors import DataError
from mmrad.journal import read_journal
from mmrad.sample import Region, Sample

FILE_NAME = "reviews.jsonl"

Outcome = Literal["keep", "drop", "unsure"]
"""What a person decides of a sample: it is right as `after` says, it does not belong into the corpus, or the
person cannot tell. The last one changes nothing."""

Status = Literal["open", "keep", "drop", "unsure", "waiting", "disputed"]
"""How a sample stands: nobody decided, the outcome that counts, blind ones are missing, or they disagree."""

AGREED_IOU = 0.5
"""Two people mean one place when their boxes have more than this IoU."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TextReview:
    """What a person decided of a teacher's text.

    Attributes:
        teacher: Name of the teacher's journal.
        before: The text as it was read.
        good: Whether its reasoning fits its answer and the picture, after editing.
        after: The text as the person edited it, or None.
        checks: Outcome of each check of `mmrad.teach.verify` on the edited text; empty without one.
    """

    teacher: str
    before: str
    good: bool
    after: str | None
    checks: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Review:
    """One decision of one person on one sample.

    Attributes:
        id: Unique; made where the decision is made, so that sending it twice stores it once.
        sample_id: The sample.
        reviewer: Who decided.
        at: When, ISO 8601 in UTC.
        seconds: How long the person looked at it.
        number: 1 for the first review of its `track`, and so on.
        blind: Whether it was made without seeing others' reviews.
        needed: How many blind reviews were asked for; 1 for one that is not blind.
        outcome: The decision.
        reason: Why, in the person's words; needed for `drop`.
        before: The regions that were shown.
        after: The regions as the person left them; those of `before` for `drop` and `unsure`. A mask is true
            of one place: a region that is moved away from where `before` has it loses it.
        text: What was decided of a text, or None.
    """

    id: str
    sample_id: str
    reviewer: str
    at: str
    seconds: float
    number: int
    blind: bool
    needed: int
    outcome: Outcome
    reason: str
    before: tuple[Region, ...]
    after: tuple[Region, ...]
    text: TextReview | None = None

    def __post_init__(self) -> None:
        masked = {(region.mask, region.box) for region in self.before}
        after = (
            region if (region.mask, region.box) in masked else replace(region, mask=None)
            for region in self.after
        )
        object.__setattr__(self, "after", tuple(after))

    @property
    def track(self) -> str:
        """Which reviews of the sample this one follows: the reviewer's own when blind, else everybody's."""
        return self.reviewer if self.blind else ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a sample stands after its reviews.

    Attributes:
        status: See `Status`.
        counting: The reviews that count, in order: each goes on from the one before it.
        blind: The latest blind review of each person since the last one that counts.
    """

    status: Status = "open"
    counting: tuple[Review, ...] = ()
    blind: tuple[Review, ...] = ()


def agree(first: Review, second: Review) -> bool:
    """Whether two people decided the same: the outcome, and for `keep` the places and their labels."""
    if first.outcome != second.outcome:
        return False
    if first.outcome != "keep":
        return True
    ours, theirs = ([region.box for region in review.after] for review in (first, second))
    matched = match(ours, theirs, AGREED_IOU)
    return len(matched) == len(first.after) == len(second.after) and all(
        first.after[i].label.casefold() == second.after[j].label.casefold() for i, j in matched
    )


def standing(reviews: Iterable[Review]) -> Standing:
    """How a sample stands after its reviews, which are given in the order they were made."""
    counting: list[Review] = []
    blind: dict[str, Review] = {}
    status: Status = "open"
    for review in reviews:
        if not review.blind:
            counting.append(review)
            blind.clear()
            status = review.outcome
            continue
        blind[review.reviewer] = review
        if len(blind) < review.needed:
            status = "waiting"
        elif all(agree(*two) for two in combinations(blind.values(), 2)):
            counting.append(next(iter(blind.values())))
            status = counting[-1].outcome
        else:
            status = "disputed"
    return Standing(status, tuple(counting), tuple(blind.values()))


def count_statuses(histories: Iterable[Iterable[Review]]) -> dict[Status, int]:
    """How many samples stand how, most first.

    Args:
        histories: The reviews of each sample, in the order they were made.
    """
    return dict(Counter(standing(reviews).status for reviews in histories).most_common())


def decisive(reviews: Iterable[Review]) -> tuple[Review, ...]:
    """The reviews of a sample that count and are not unsure, in order; the last one holds."""
    return tuple(review for review in standing(reviews).counting if review.outcome != "unsure")


class StaleReviewError(DataError):
    """The reviews of a sample were made for another truth than it has now."""


def applied(sample: Sample, reviews: Sequence[Review]) -> Sample | None:
    """The sample as its reviews leave it, or None when it is dropped.

    It may have been built before or after any of them: a corpus that was built with its reviews is read
    again with the same reviews.

    Raises:
        StaleReviewError: When its regions are none that a reviewer saw or left; raw data has changed since.
    """
    deciding = decisive(reviews)
    if not deciding:
        return sample
    if deciding[-1].outcome == "drop":
        return None
    if not any(sample.regions in (review.before, review.after) for review in deciding):
        raise StaleReviewError(f"{sample.id}: its regions are others than its reviewers saw; review it again")
    return replace(sample, regions=deciding[-1].after)


def dropped_for(reviews: Sequence[Review]) -> str:
    """The reason why a sample was dropped; empty when it was not."""
    deciding = decisive(reviews)
    return deciding[-1].reason if deciding and deciding[-1].outcome == "drop" else ""


def review_to_record(review: Review) -> Record:
    """A review as JSON values, a line of `reviews.jsonl`; boxes are `[x1, y1, x2, y2]` in original pixels."""
    return {
        **{name: getattr(review, name) for name in _PLAIN},
        "before": [region_row(region) for region in review.before],
        "after": [region_row(region) for region in review.after],
        "text": asdict(review.text) if review.text else None,
    }


_PLAIN = ("id", "sample_id", "reviewer", "at", "seconds", "number", "blind", "needed", "outcome", "reason")


def review_of_record(record: Record) -> Review:
    """The review that `review_to_record` wrote.

    Raises:
        DataError: When the record is not one of a review.
    """
    try:
        if record["outcome"] not in get_args(Outcome):
            raise ValueError(f"unknown outcome {record['outcome']!r}")
        return Review(
            **{name: record[name] for name in _PLAIN},
            before=tuple(region_of(row) for row in record["before"]),
            after=tuple(region_of(row) for row in record["after"]),
            text=TextReview(**record["text"]) if record["text"] else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"not a review: {error!r}") from error


def read_reviews(folder: Path) -> dict[str, list[Review]]:
    """The reviews of a corpus folder by sample id, in the order they were made; a repeated line counts once.

    Raises:
        DataError: When the file is damaged; the message names the line.
    """
    path = folder / FILE_NAME
    found: dict[str, list[Review]] = {}
    seen: set[str] = set()
    for number, record in enumerate(read_journal(path), start=1):
        try:
            review = review_of_record(record)
        except DataError as error:
            raise DataError(f"{path}, line {number}: {error}; restore the line or remove it") from error
        if review.id not in seen:
            seen.add(review.id)
            found.setdefault(review.sample_id, []).append(review)
    return found
