"""What each person has reviewed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select

from mmrad.review.store.database import Database
from mmrad.review.store.models import ReviewRow
from mmrad.review.store.queues import queue_row

DAYS = 14
"""How many days `PersonProgress.days` has."""


@dataclass(frozen=True, slots=True)
class PersonProgress:
    """What one person has reviewed.

    Attributes:
        name: The reviewer.
        reviews: Reviews made.
        seconds: Time spent on them.
        kept: Those with the outcome `keep`.
        dropped: Those with the outcome `drop`.
        unsure: Those with the outcome `unsure`.
        days: Reviews on each of the last 14 days by date (ISO 8601, UTC), oldest first, zeros included.
    """

    name: str
    reviews: int
    seconds: float
    kept: int
    dropped: int
    unsure: int
    days: dict[str, int]


class People(Database):
    """What the people of a review database have done."""

    def people(self, queue: str | None = None) -> list[PersonProgress]:
        """What each person has reviewed, by name.

        Args:
            queue: Key of a queue, to count only what was decided in it.

        Raises:
            UsageError: When there is no such queue.
        """
        wanted = select(
            ReviewRow.reviewer,
            ReviewRow.outcome,
            ReviewRow.day,
            func.count().label("reviews"),
            func.sum(ReviewRow.seconds).label("seconds"),
        ).group_by(ReviewRow.reviewer, ReviewRow.outcome, ReviewRow.day)
        with self._reading() as session:
            if queue is not None:
                wanted = wanted.where(ReviewRow.queue_id == queue_row(session, queue).id)
            rows = session.execute(wanted).all()
        names = sorted({row.reviewer for row in rows})
        return [_person(name, [row for row in rows if row.reviewer == name]) for name in names]


def _person(name: str, rows: Iterable[Any]) -> PersonProgress:
    """One person from counts by outcome and day."""
    today = datetime.now(UTC).date()
    days = {(today - timedelta(days=ago)).isoformat(): 0 for ago in reversed(range(DAYS))}
    outcomes = {"keep": 0, "drop": 0, "unsure": 0}
    seconds = 0.0
    for row in rows:
        outcomes[row.outcome] += row.reviews
        seconds += row.seconds
        if row.day in days:
            days[row.day] += row.reviews
    return PersonProgress(
        name, sum(outcomes.values()), seconds, outcomes["keep"], outcomes["drop"], outcomes["unsure"], days
    )
