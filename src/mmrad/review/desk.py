"""What the desk is told of a sample, and how a decision is taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mmrad.answer import parse
from mmrad.corpus.reviews import Review, TextReview
from mmrad.corpus.tables import region_row
from mmrad.errors import MissingExtraError, UsageError
from mmrad.review.decision import Decision, SentText, TextCheck, regions_of
from mmrad.review.index.samples import SampleIndex
from mmrad.review.records import ConflictError, Queue, Role, User
from mmrad.review.store.ledger import Ledger
from mmrad.sample import Reasoning, Region, Sample
from mmrad.teach.lesson import truth_in
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.verify import advice, verify
from mmrad.view import rescale

Json = dict[str, Any]


class ForbiddenError(UsageError):
    """The person's role does not allow this decision."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Somebody in front of a sample.

    Attributes:
        person: Who.
        queue: The queue it is shown in, if any.
        judging: Whether an admin looks at what blind reviewers decided.
    """

    person: User
    queue: Queue | None = None
    judging: bool = False

    @property
    def needed(self) -> int:
        """How many blind reviews the sample gets; 1 for one that is not blind."""
        return self.queue.needed if self.queue else 1

    @property
    def blind(self) -> bool:
        """Whether others' reviews are hidden."""
        return self.needed > 1

    @property
    def track(self) -> str:
        """See `Review.track`."""
        return self.person.name if self.blind else ""

    def sees(self, review: Review) -> bool:
        """Whether a review may be known here: blind reviewers must not know of each other."""
        return review.reviewer == self.person.name or self.judging or not (self.blind or review.blind)


class DeskService:
    """Tells what there is of a sample, and takes decisions.

    Args:
        index: What is known of samples.
        ledger: How they stand.
    """

    def __init__(self, index: SampleIndex, ledger: Ledger) -> None:
        self._index = index
        self._ledger = ledger
        self._similarity = LabelSimilarity()

    def describe(self, sample: Sample, seat: Seat) -> Json:
        """What the desk shows of a sample, without the addresses of its pictures."""
        history = [review for review in self._ledger.history(sample.id) if seat.sees(review)]
        status = self._ledger.standing(sample.id).status
        return {
            "id": sample.id,
            "source": sample.source,
            "category": sample.category,
            "split": sample.split,
            "licence": sample.licence,
            "size_wh": list(sample.size_wh),
            "regions": [region_json(region) for region in self._shown(sample, seat)],
            "labels": self._index.labels(sample.source, sample.category),
            "findings": list(self._index.findings(sample.id)),
            "status": "open" if seat.blind and not history else status,
            "seen": self._ledger.seen(sample.id, seat.track),
            "blind": seat.blind,
            "history": [review_json(review) for review in history],
            "texts": [_text_json(text, history) for text in self._index.texts(sample.id, history)],
        }

    def decide(self, decision: Decision, sample: Sample, seat: Seat) -> None:
        """Store a decision; one that was sent before is not stored again.

        Raises:
            UsageError: When it is not acceptable.
            ForbiddenError: When it would settle blind reviews and the person is no admin.
            ConflictError: When somebody decided since the sample was shown.
        """
        earlier = [review for review in self._ledger.history(sample.id) if review.id == str(decision.id)]
        if earlier:
            if earlier[0].reviewer != seat.person.name:
                raise UsageError("id: it belongs to another decision")
            return
        self._check_turn(decision, sample, seat)
        self._ledger.decide(self._review(decision, sample, seat), seat.queue.key if seat.queue else None)

    def check(self, asked: TextCheck, sample: Sample) -> Json:
        """Verify a text against regions.

        Returns:
            `checks` by name, `label` null where the packages to compare labels are missing; `passed`, which
            does not count such a check; `feedback`, what to do better; `boxes`, the places that the text
            names, in original pixels.
        """
        regions = regions_of(asked.regions, self._known(sample), sample.size_wh)
        return self._verified(asked.text, asked.view_wh, replace(sample, regions=regions))

    def shown(self, sample: Sample) -> Sample:
        """A sample as its reviews leave it."""
        return self._ledger.sample(sample)

    def _shown(self, sample: Sample, seat: Seat) -> tuple[Region, ...]:
        """The regions to start from: those the reviews left, for a blind reviewer the own ones."""
        own = [review for review in self._ledger.standing(sample.id).blind if review.reviewer == seat.track]
        return own[-1].after if seat.blind and own else self._ledger.sample(sample).regions

    def _known(self, sample: Sample) -> list[Region]:
        """All regions that the sample has or had."""
        left = (region for review in self._ledger.history(sample.id) for region in review.after)
        return [*sample.regions, *self._ledger.sample(sample).regions, *left]

    def _check_turn(self, decision: Decision, sample: Sample, seat: Seat) -> None:
        seen = self._ledger.seen(sample.id, seat.track)
        if decision.seen > seen:
            raise UsageError(f"seen: there are only {seen} reviews")
        if decision.seen < seen:
            self._ledger.refresh()
            of_track = tuple(r for r in self._ledger.history(sample.id) if r.track == seat.track)
            raise ConflictError(sample.id, of_track)
        if self._ledger.standing(sample.id).blind and not (seat.blind or seat.person.role is Role.ADMIN):
            raise ForbiddenError(
                "people review this sample without seeing each other; only an admin may settle it"
            )

    def _review(self, decision: Decision, sample: Sample, seat: Seat) -> Review:
        if decision.outcome == "drop" and not decision.reason:
            raise UsageError("reason: say why the sample does not belong into the corpus")
        before = self._ledger.sample(sample).regions
        kept = decision.outcome == "keep"
        after = regions_of(decision.regions, self._known(sample), sample.size_wh) if kept else before
        return Review(
            id=str(decision.id),
            sample_id=sample.id,
            reviewer=seat.person.name,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(decision.seconds, 1),
            number=decision.seen + 1,
            blind=seat.blind,
            needed=seat.needed,
            outcome=decision.outcome,
            reason=decision.reason,
            before=before,
            after=after,
            text=self._text(decision.text, replace(sample, regions=after)) if decision.text else None,
        )

    def _text(self, sent: SentText, sample: Sample) -> TextReview:
        history = self._ledger.history(sample.id)
        texts = [*self._index.texts(sample.id, ()), *self._index.texts(sample.id, history)]
        known = {text.text for text in texts if text.teacher == sent.teacher}
        edited = {r.text.after for r in history if r.text and r.text.after and r.text.teacher == sent.teacher}
        if sent.before not in known | edited:
            raise UsageError("text: it is another than the teacher's; open the sample again")
        after = sent.after if sent.after != sent.before else None
        found = self._verified(after, sent.view_wh, sample)["checks"] if after is not None else {}
        checks = {name: good for name, good in found.items() if good is not None}
        return TextReview(sent.teacher, sent.before, sent.good, after, checks)

    def _verified(self, text: str, view_wh: tuple[int, int], sample: Sample) -> Json:
        labels = _Labels(self._similarity)
        truth = truth_in(sample, view_wh)
        checks = verify(text, truth, labels, category=sample.category)
        boxes = [rescale(place.box, view_wh, sample.size_wh).xyxy for place in parse(text).instances]
        return {
            "checks": {**checks, "label": None} if labels.missing else checks,
            "passed": all(checks.values()),
            "feedback": advice(text, checks, truth, category=sample.category),
            "boxes": [[round(value, 1) for value in box] for box in boxes],
        }


class _Labels:
    """Compares labels while it can; `missing` says that it could not, and took them for equal."""

    def __init__(self, similarity: LabelSimilarity) -> None:
        self._similarity = similarity
        self.missing = False

    def __call__(self, first: str, second: str) -> float:
        try:
            return self._similarity(first, second)
        except MissingExtraError:
            self.missing = True
            return 1.0


def region_json(region: Region) -> Json:
    """A region for a browser: whole numbers as such."""
    row = region_row(region)
    return {**row, "box": [int(value) if value == math.floor(value) else value for value in row["box"]]}


def review_json(review: Review) -> Json:
    """What a browser is told of a review."""
    return {
        "reviewer": review.reviewer,
        "at": review.at,
        "outcome": review.outcome,
        "reason": review.reason,
        "blind": review.blind,
        "regions": [region_json(region) for region in review.after],
    }


def _text_json(text: Reasoning, history: Sequence[Review]) -> Json:
    reviews = [r for r in history if r.text and r.text.teacher == text.teacher]
    last = reviews[-1] if reviews else None
    return {
        "teacher": text.teacher,
        "text": text.text,
        "view_wh": list(text.view_wh),
        "verified": text.verified,
        "checks": text.checks,
        "review": last
        and last.text
        and {"good": last.text.good, "after": last.text.after, "by": last.reviewer},
    }
