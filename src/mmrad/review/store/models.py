"""The tables of the review database.

Of what a table says twice, `reviews` is the truth; `Task.given`, `done` and `disputed`, and the counts of a
queue, are kept beside it so that no request has to read over all tasks.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint, not_
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """All tables; constraints have names, so that later migrations can change them."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {dict[str, Any]: JSON}  # noqa: RUF012 - as SQLAlchemy wants it


class CounterRow(Base):
    """The one row that every decision changes first: decisions follow each other, in the order of `seq`."""

    __tablename__ = "counter"
    id: Mapped[int] = mapped_column(primary_key=True)
    seq: Mapped[int]


class QueueRow(Base):
    """A queue; `size`, `done` and `disputed` count its tasks, `since` is the last decision before it."""

    __tablename__ = "queues"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    criteria: Mapped[dict[str, Any]]
    needed: Mapped[int]
    made_by: Mapped[str]
    since: Mapped[int]
    size: Mapped[int]
    done: Mapped[int]
    disputed: Mapped[int]


class TaskRow(Base):
    """A sample in a queue.

    `assignee` is empty where anybody may do it. `given` counts the people who have reviewed it blind after
    `since`, the last decision that was not.
    """

    __tablename__ = "tasks"
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    sample_id: Mapped[str]
    assignee: Mapped[str]
    given: Mapped[int]
    since: Mapped[int]
    done: Mapped[bool]
    disputed: Mapped[bool]


# What a person gets next: the open tasks of one assignee in order, without passing over those that are done.
Index(
    "ix_tasks_open",
    TaskRow.queue_id,
    TaskRow.assignee,
    TaskRow.position,
    sqlite_where=not_(TaskRow.done),
    postgresql_where=not_(TaskRow.done),
)
Index(None, TaskRow.sample_id, TaskRow.queue_id)


class HoldRow(Base):
    """Somebody has a task on the screen, until `expires` (seconds since 1970)."""

    __tablename__ = "holds"
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    expires: Mapped[float]


class ShareRow(Base):
    """One person's part in a queue: how many of its samples they reviewed, and where they did so last."""

    __tablename__ = "shares"
    queue_id: Mapped[int] = mapped_column(ForeignKey("queues.id", ondelete="CASCADE"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(primary_key=True)
    reviewed: Mapped[int]
    position: Mapped[int]


class ReviewRow(Base):
    """A decision; `record` is all of it, as in `reviews.jsonl`, the other columns are for finding it."""

    __tablename__ = "reviews"
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    sample_id: Mapped[str]
    track: Mapped[str]
    number: Mapped[int]
    reviewer: Mapped[str]
    outcome: Mapped[str]
    day: Mapped[str]
    seconds: Mapped[float]
    queue_id: Mapped[int | None] = mapped_column(ForeignKey("queues.id", ondelete="SET NULL"))
    record: Mapped[dict[str, Any]]
    __table_args__ = (UniqueConstraint("sample_id", "track", "number"),)


# What a person has reviewed blind.
Index(None, ReviewRow.track, ReviewRow.sample_id, ReviewRow.seq)


class UserRow(Base):
    """An account; `folded` is its name without letter case, so that no two names look alike."""

    __tablename__ = "users"
    name: Mapped[str] = mapped_column(primary_key=True)
    folded: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]
    role: Mapped[str]
    active: Mapped[bool]


class SessionRow(Base):
    """A login; of its token only the SHA-256 is here."""

    __tablename__ = "sessions"
    digest: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(ForeignKey("users.name", ondelete="CASCADE"), index=True)
    csrf: Mapped[str]
    expires: Mapped[float]
