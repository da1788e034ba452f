"""Queues of samples: who gets what of them next, and how far they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from itertools import count as numbers

from sqlalchemy import JSON, ColumnElement, delete, func, insert, literal, select, text, update
from sqlalchemy.orm import Session

from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.records import Progress, Queue, Task
from mmrad.review.store.counts import Counts, count_before
from mmrad.review.store.database import Database, next_seq
from mmrad.review.store.models import HoldRow, QueueRow, ShareRow, TaskRow
from mmrad.review.store.tasks import doable, hold, out_of_reach, reviewed_blind

LEASE = 600.0
"""Seconds for which a task that a person was given is kept from others; asking again renews it."""


class Queues(Database):
    """The queues of a review database."""

    def queues(self) -> list[Queue]:
        """All queues, the oldest first."""
        with self._reading() as session:
            return [_queue(row) for row in session.scalars(select(QueueRow).order_by(QueueRow.id))]

    def queue(self, key: str) -> Queue:
        """The queue of this key.

        Raises:
            UsageError: When there is none.
        """
        with self._reading() as session:
            return _queue(queue_row(session, key))

    def add_queue(
        self, title: str, criteria: Criteria, sample_ids: Sequence[str], *, needed: int = 1, by: str
    ) -> Queue:
        """Make a queue.

        With `needed` 1, a sample is done once somebody has decided on it after the queue was made, in it or
        elsewhere, and not blind. With more, it is done once so many people have reviewed it blind since the
        last decision that was not, before the queue was made or after, or once such a decision has been made.

        Args:
            title: For people; the key is made from it.
            criteria: What its samples have in common.
            sample_ids: The samples in their order; repeated ones count once.
            needed: How many blind reviews each sample gets; 1 means one review that is not blind.
            by: Who makes it.

        Raises:
            UsageError: When there are no samples, the title is empty, or `needed` is not positive.
        """
        unique = list(dict.fromkeys(sample_ids))
        if not unique:
            raise UsageError(f"the queue {title!r} would have no samples; choose others")
        if not title.strip() or needed < 1:
            raise UsageError("a queue needs a title, and at least one review of each sample")
        with self._writing() as session:
            since = next_seq(session)
            row = QueueRow(
                key=_new_key(session, title), title=title.strip(), criteria=criteria.model_dump(mode="json"),
                needed=needed, made_by=by, since=since, size=len(unique), done=0, disputed=0,
            )  # fmt: skip
            session.add(row)
            session.flush()
            _add_tasks(session, row, unique)
            return _queue(row)

    def remove_queue(self, key: str) -> None:
        """Remove a queue; the decisions that were made in it stay.

        Raises:
            UsageError: When there is none of this key.
        """
        with self._writing() as session:
            next_seq(session)  # no decision comes in between
            row = queue_row(session, key, lock=True)
            session.execute(delete(QueueRow).where(QueueRow.id == row.id))

    def task(self, queue: str, position: int) -> Task:
        """The task at a place of a queue.

        Raises:
            UsageError: When there is no such queue or place.
        """
        with self._reading() as session:
            row = session.get(TaskRow, (queue_row(session, queue).id, position))
            if row is None:
                raise UsageError(f"the queue {queue} has no place {position}")
            return Task(queue, position, row.sample_id, row.assignee or None)

    def task_of(self, queue: str, sample_id: str) -> Task:
        """The task of a sample in a queue.

        Raises:
            UsageError: When there is no such queue, or the sample is not in it.
        """
        with self._reading() as session:
            owner = queue_row(session, queue).id
            found = select(TaskRow).where(TaskRow.sample_id == sample_id, TaskRow.queue_id == owner)
            row = session.scalar(found)
            if row is None:
                raise UsageError(f"{sample_id} is not in the queue {queue}")
            return Task(queue, row.position, row.sample_id, row.assignee or None)

    def next_tasks(self, queue: str, reviewer: str, count: int = 3, *, after: int = -1) -> list[Task]:
        """The tasks that a person can do now, and hold them for `LEASE` seconds.

        They need more reviews than they have and than others are making who hold them, this person has not
        reviewed them (blind), and they are theirs or nobody's: first theirs, then nobody's, each in the
        order of the queue from where the person is, and then from its beginning.

        Args:
            queue: Key of the queue.
            reviewer: The person.
            count: At most so many.
            after: Begin after this position, which skips what is before; -1 is after the last one decided.

        Raises:
            UsageError: When there is no such queue.
        """
        with self._writing() as session:
            row = queue_row(session, queue, lock=True)
            share = session.get(ShareRow, (row.id, reviewer))
            place = share.position if share else -1
            found = doable(session, row, reviewer, after if after >= 0 else place, count)
            hold(session, row, reviewer, [task.position for task in found], LEASE)
            return [Task(queue, task.position, task.sample_id, task.assignee or None) for task in found]

    def release(self, queue: str, reviewer: str) -> None:
        """Let others have what this person holds, as when they leave."""
        with self._writing() as session:
            row = queue_row(session, queue, lock=True)
            session.execute(delete(HoldRow).where(HoldRow.queue_id == row.id, HoldRow.reviewer == reviewer))

    def assign(self, queue: str, reviewer: str | None, count: int | None = None) -> int:
        """Give open tasks that are nobody's to a person.

        A task that needs several blind reviews is nobody's again after theirs.

        Args:
            queue: Key of the queue.
            reviewer: The person, or None to take all open tasks back from everybody.
            count: So many, from the beginning of the queue; None for all.

        Returns:
            How many tasks changed hands.

        Raises:
            UsageError: When there is no such queue.
        """
        with self._writing() as session:
            row = queue_row(session, queue, lock=True)
            chosen = select(TaskRow.position).where(TaskRow.queue_id == row.id, ~TaskRow.done)
            if reviewer is None:
                chosen = chosen.where(TaskRow.assignee > "")
            else:
                chosen = chosen.where(TaskRow.assignee == "", ~reviewed_blind(reviewer))
            chosen = chosen.order_by(TaskRow.position).limit(count)
            changed = update(TaskRow).where(TaskRow.queue_id == row.id, TaskRow.position.in_(chosen))
            return session.connection().execute(changed.values(assignee=reviewer or "")).rowcount

    def progress(self, queue: str, reviewer: str) -> Progress:
        """How far a queue is, and this person in it.

        Raises:
            UsageError: When there is no such queue.
        """
        with self._reading() as session:
            row = queue_row(session, queue)
            share = session.get(ShareRow, (row.id, reviewer))
            left = row.size - row.done - out_of_reach(session, row, reviewer)
            return Progress(row.size, row.done, row.disputed, share.reviewed if share else 0, left)


def queue_row(session: Session, key: str, *, lock: bool = False) -> QueueRow:
    """The queue; locked, whoever else locks it waits until this transaction has ended."""
    wanted = select(QueueRow).where(QueueRow.key == key)
    # Other keys come from addresses that somebody made up; not every database takes every text.
    may_be = re.fullmatch("[a-z0-9-]+", key)
    row = session.scalar(wanted.with_for_update() if lock else wanted) if may_be else None
    if row is None:
        known = session.scalars(select(QueueRow.key).order_by(QueueRow.id)).all()
        raise UsageError(f"there is no queue {key!r}; there are {', '.join(known) or 'none'}")
    return row


def _queue(row: QueueRow) -> Queue:
    return Queue(row.key, row.title, row.criteria, row.needed, row.size)


def _new_key(session: Session, title: str) -> str:
    """A key from a title that no queue has: its letters and digits in lower case, with a number if needed."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "queue"
    taken = set(session.scalars(select(QueueRow.key).where(QueueRow.key.startswith(base))))
    names = chain([base], (f"{base}-{number}" for number in numbers(2)))
    return next(name for name in names if name not in taken)


def _add_tasks(session: Session, queue: QueueRow, sample_ids: Sequence[str]) -> None:
    place, sample_id = _unrolled(session, sample_ids)
    fresh = {"queue_id": queue.id, "assignee": "", **asdict(Counts())}
    rows = select(place, sample_id, *(literal(value) for value in fresh.values()))
    session.execute(insert(TaskRow).from_select(["position", "sample_id", *fresh], rows))
    session.execute(text("ANALYZE tasks"))  # or the database would plan for the empty table that it was
    if queue.needed > 1:
        count_before(session, queue)


def _unrolled(session: Session, values: Sequence[str]) -> tuple[ColumnElement[int], ColumnElement[str]]:
    """Place and value of each as columns: one JSON array reaches the database much faster than many rows."""
    sent = literal(values, JSON)
    if session.get_bind().dialect.name == "sqlite":
        each = func.json_each(sent).table_valued("key", "value")
        return each.c.key, each.c.value
    each = func.json_array_elements_text(sent).table_valued("value", with_ordinality="place").render_derived()
    return each.c.place - 1, each.c.value
