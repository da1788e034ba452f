"""Which tasks of a queue a person can do."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache

from sqlalchemy import ColumnElement, Select, bindparam, delete, distinct, exists, func, select
from sqlalchemy.orm import Session

from mmrad.review.store.models import HoldRow, QueueRow, ReviewRow, TaskRow


def doable(session: Session, queue: QueueRow, reviewer: str, start: int, count: int) -> list[TaskRow]:
    """The open tasks that wait for a review of this person: first theirs, then anybody's.

    Args:
        session: In a transaction that has locked the queue.
        queue: The queue.
        reviewer: The person.
        start: Each kind begins after this position, and goes on from the beginning of the queue.
        count: At most so many.
    """
    session.execute(delete(HoldRow).where(HoldRow.queue_id == queue.id, HoldRow.expires <= time.time()))
    asked = {"queue": queue.id, "needed": queue.needed, "reviewer": reviewer}
    found: list[TaskRow] = []
    for assignee in (reviewer, ""):
        for low, high in ((start, queue.size), (-1, start)):
            if len(found) < count:
                part = {"assignee": assignee, "low": low, "high": high, "count": count - len(found)}
                found += session.scalars(_doable(queue.needed > 1), asked | part)
    return found


def hold(session: Session, queue: QueueRow, reviewer: str, positions: Sequence[int], seconds: float) -> None:
    """Hold tasks for a person, or hold them for longer."""
    mine = (HoldRow.queue_id == queue.id, HoldRow.reviewer == reviewer, HoldRow.position.in_(positions))
    session.execute(delete(HoldRow).where(*mine))
    expires = time.time() + seconds
    session.add_all(
        HoldRow(queue_id=queue.id, position=position, reviewer=reviewer, expires=expires)
        for position in positions
    )


def out_of_reach(session: Session, queue: QueueRow, reviewer: str) -> int:
    """How many open tasks are others', or have this person's blind review and wait for others."""
    is_open = (TaskRow.queue_id == queue.id, ~TaskRow.done)
    assigned = select(func.count()).where(*is_open, TaskRow.assignee > "").scalar_subquery()
    mine = select(func.count()).where(*is_open, TaskRow.assignee == reviewer).scalar_subquery()
    # Two ranges of the index; "assigned to another" would be all of it.
    found: int = session.scalars(select(assigned - mine)).one()
    if queue.needed > 1:
        waiting = exists().where(
            *is_open,
            TaskRow.assignee.in_(["", reviewer]),
            TaskRow.sample_id == ReviewRow.sample_id,
            TaskRow.since < ReviewRow.seq,
        )
        samples = func.count(distinct(ReviewRow.sample_id))
        found += session.scalars(select(samples).where(ReviewRow.track == reviewer, waiting)).one()
    return found


def reviewed_blind(reviewer: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a person has reviewed a task blind since its sample was last settled."""
    return exists().where(
        ReviewRow.track == reviewer, ReviewRow.sample_id == TaskRow.sample_id, ReviewRow.seq > TaskRow.since
    )


@cache  # to make it takes longer than to run it
def _doable(blind: bool) -> Select[TaskRow]:
    held = select(func.count()).where(
        HoldRow.queue_id == TaskRow.queue_id,
        HoldRow.position == TaskRow.position,
        HoldRow.reviewer != bindparam("reviewer"),
    )
    wanted = select(TaskRow).where(
        TaskRow.queue_id == bindparam("queue"),
        ~TaskRow.done,
        TaskRow.assignee == bindparam("assignee"),
        TaskRow.position > bindparam("low"),
        TaskRow.position <= bindparam("high"),
        TaskRow.given + held.scalar_subquery() < bindparam("needed"),
    )
    if blind:
        wanted = wanted.where(~reviewed_blind(bindparam("reviewer")))
    return wanted.order_by(TaskRow.position).limit(bindparam("count"))
