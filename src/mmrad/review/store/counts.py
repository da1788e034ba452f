"""What the reviews of a sample mean for the tasks that ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from mmrad.corpus.reviews import review_of_record, standing
from mmrad.review.store.models import HoldRow, QueueRow, ReviewRow, ShareRow, TaskRow


@dataclass(frozen=True, slots=True)
class Counts:
    """The counts of a task, see `TaskRow`."""

    given: int = 0
    since: int = 0
    done: bool = False
    disputed: bool = False


def counts(queue: QueueRow, reviews: Sequence[ReviewRow]) -> Counts:
    """How a task of a queue stands after all reviews of its sample, in the order they were made."""
    since = max((review.seq for review in reviews if not review.track), default=0)
    if queue.needed == 1:
        return Counts(since=since, done=since > queue.since)
    now = standing(review_of_record(review.record) for review in reviews)
    full = len(now.blind) >= queue.needed
    settled = since > queue.since and not now.blind
    return Counts(len(now.blind), since, full or settled, full and now.status == "disputed")


def count_review(session: Session, reviews: Sequence[ReviewRow]) -> None:
    """Bring all tasks of a sample up to date after its last review, which ends what its reviewer holds.

    Args:
        session: In a transaction that has taken its `next_seq`.
        reviews: All reviews of the sample, in the order they were made, at least one.
    """
    last = reviews[-1]
    found = session.execute(
        select(TaskRow, QueueRow)
        .join(QueueRow, QueueRow.id == TaskRow.queue_id)
        .where(TaskRow.sample_id == last.sample_id)
        .order_by(QueueRow.id)
        .with_for_update(of=QueueRow)
    ).all()
    # Not before the queues are locked: who asks for tasks locks in this order too.
    tasks = select(TaskRow.queue_id, TaskRow.position).where(TaskRow.sample_id == last.sample_id)
    held = tuple_(HoldRow.queue_id, HoldRow.position).in_(tasks)
    session.execute(delete(HoldRow).where(HoldRow.reviewer == last.reviewer, held))
    for task, queue in found:
        _count(queue, task, reviews)
        if task.assignee == last.track:
            task.assignee = ""  # now others are to see it
        if queue.id == last.queue_id:
            _enter(session, task, reviews)


def count_before(session: Session, queue: QueueRow) -> None:
    """Count the blind reviews that samples of a new queue have already."""
    blind = select(ReviewRow.sample_id).where(ReviewRow.track != "")
    wanted = select(ReviewRow).where(ReviewRow.sample_id.in_(blind))
    rows = session.scalars(wanted.order_by(ReviewRow.sample_id, ReviewRow.seq))
    reviews = {sample_id: list(group) for sample_id, group in groupby(rows, lambda row: row.sample_id)}
    tasks = select(TaskRow).where(TaskRow.queue_id == queue.id, TaskRow.sample_id.in_(blind))
    for task in session.scalars(tasks):
        _count(queue, task, reviews[task.sample_id])


def _count(queue: QueueRow, task: TaskRow, reviews: Sequence[ReviewRow]) -> None:
    now = counts(queue, reviews)
    queue.done += now.done - task.done
    queue.disputed += now.disputed - task.disputed
    task.given, task.since, task.done, task.disputed = now.given, now.since, now.done, now.disputed


def _enter(session: Session, task: TaskRow, reviews: Sequence[ReviewRow]) -> None:
    """Note that a person reviewed a task; reviewing it again is no more work done."""
    last = reviews[-1]
    share = session.get(ShareRow, (task.queue_id, last.reviewer))
    if share is None:
        share = ShareRow(queue_id=task.queue_id, reviewer=last.reviewer, reviewed=0, position=0)
        session.add(share)
    before = {(review.queue_id, review.reviewer) for review in reviews[:-1]}
    share.reviewed += (last.queue_id, last.reviewer) not in before
    share.position = task.position
