"""The database of the review application: decisions, queues, accounts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from mmrad.corpus.reviews import Review, review_of_record, review_to_record
from mmrad.review.records import ConflictError
from mmrad.review.store.accounts import Accounts
from mmrad.review.store.counts import count_review
from mmrad.review.store.database import next_seq
from mmrad.review.store.models import QueueRow, ReviewRow, TaskRow
from mmrad.review.store.people import People
from mmrad.review.store.queues import Queues

BATCH = 1000
"""How many decisions made elsewhere are stored at once; in between, others can decide."""


class Store(Queues, People, Accounts):
    """The database of the review application, see `Database`; any number of threads and processes share it.

    Who decides should do so by the `Ledger`, which also writes `reviews.jsonl`.
    """

    def add_review(self, review: Review, queue: str | None = None) -> bool:
        """Store a decision.

        Args:
            review: The decision.
            queue: Key of the queue in which it was made; one that was removed since is like None.

        Returns:
            Whether it is new; one with the same id changes nothing.

        Raises:
            ConflictError: When its number is not the next of its track, so that the person has not seen all.
        """
        with self._writing() as session:
            seq = next_seq(session)
            known = _histories(session, [review.sample_id])[review.sample_id]
            if any(row.id == review.id for row in known):
                return False
            track = [row for row in known if row.track == review.track]
            if review.number != len(track) + 1:
                raise ConflictError(review.sample_id, tuple(review_of_record(row.record) for row in track))
            queue_id = session.scalar(select(QueueRow.id).where(QueueRow.key == queue))
            row = _row(review, seq, queue_id)
            session.add(row)
            count_review(session, [*known, row])
            return True

    def reviews_since(self, seq: int) -> list[tuple[int, Review]]:
        """The decisions after one, each with its place in the order in which they were made.

        Args:
            seq: The place of the last one that is known; 0 gives all.
        """
        wanted = select(ReviewRow.seq, ReviewRow.record).where(ReviewRow.seq > seq).order_by(ReviewRow.seq)
        with self._reading() as session:
            return [(row.seq, review_of_record(row.record)) for row in session.execute(wanted)]

    def ids_since(self, seq: int) -> list[tuple[int, str]]:
        """As `reviews_since`, but only their ids, which is much faster for many."""
        wanted = select(ReviewRow.seq, ReviewRow.id).where(ReviewRow.seq > seq).order_by(ReviewRow.seq)
        with self._reading() as session:
            return [(row.seq, row.id) for row in session.execute(wanted)]

    def add_reviews(self, reviews: Sequence[Review]) -> None:
        """Store decisions that were made elsewhere, after those that are here.

        Those that are here already change nothing. The others get the next numbers of their tracks: what
        their reviewers saw of the decisions here cannot be told any more.
        """
        for first in range(0, len(reviews), BATCH):
            with self._writing() as session:
                _add_batch(session, reviews[first : first + BATCH])


def _add_batch(session: Session, reviews: Sequence[Review]) -> None:
    seq = next_seq(session, len(reviews)) - len(reviews)
    ids = select(ReviewRow.id).where(ReviewRow.id.in_([review.id for review in reviews]))
    known = set(session.scalars(ids))
    histories = _histories(session, {review.sample_id for review in reviews})
    changed = set()
    for review in reviews:
        if review.id in known:
            continue
        known.add(review.id)
        seq += 1
        history = histories[review.sample_id]
        number = 1 + sum(row.track == review.track for row in history)
        history.append(_row(replace(review, number=number), seq))
        session.add(history[-1])
        changed.add(review.sample_id)
    tasks = select(TaskRow.sample_id).where(TaskRow.sample_id.in_(changed)).distinct()
    for sample_id in session.scalars(tasks).all():
        count_review(session, histories[sample_id])


def _histories(session: Session, sample_ids: Collection[str]) -> dict[str, list[ReviewRow]]:
    """The decisions on each of the samples, in the order they were made."""
    found: dict[str, list[ReviewRow]] = {sample_id: [] for sample_id in sample_ids}
    wanted = select(ReviewRow).where(ReviewRow.sample_id.in_(sample_ids)).order_by(ReviewRow.seq)
    for row in session.scalars(wanted):
        found[row.sample_id].append(row)
    return found


def _row(review: Review, seq: int, queue_id: int | None = None) -> ReviewRow:
    return ReviewRow(
        seq=seq, id=review.id, sample_id=review.sample_id, track=review.track, number=review.number,
        reviewer=review.reviewer, outcome=review.outcome, day=review.at[:10], seconds=review.seconds,
        queue_id=queue_id, record=review_to_record(review),
    )  # fmt: skip
