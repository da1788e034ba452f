"""The records of the review application: people, queues, tasks; the decisions are `mmrad.corpus.reviews`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mmrad.corpus.reviews import Review
from mmrad.errors import MmradError


class Role(StrEnum):
    """What a person may do; each may do what those before may."""

    VIEWER = "viewer"
    """Look at everything."""
    ANNOTATOR = "annotator"
    """Decide."""
    ADMIN = "admin"
    """Settle disputes, make and assign queues, keep accounts."""

    def allows(self, needed: Role) -> bool:
        """Whether somebody of this role may do what `needed` may."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account, or the one who started the application on this machine.

    Attributes:
        name: Unique; stands in reviews.
        role: What the person may do.
        active: Whether the person may log in.
    """

    name: str
    role: Role
    active: bool = True


@dataclass(frozen=True, slots=True)
class Session:
    """A login.

    Attributes:
        user: Who logged in.
        csrf: Secret that requests which change something must repeat in the header `X-CSRF-Token`.
    """

    user: User
    csrf: str


@dataclass(frozen=True, slots=True)
class Queue:
    """Samples to be reviewed, in order.

    Attributes:
        key: Unique; stands in addresses.
        title: For people.
        criteria: What its samples had in common when it was made, `Criteria.model_dump()`.
        needed: How many blind reviews each sample gets; 1 means one review that is not blind.
        size: How many samples it has.
    """

    key: str
    title: str
    criteria: Mapping[str, Any]
    needed: int
    size: int


@dataclass(frozen=True, slots=True)
class Task:
    """A sample in a queue.

    Attributes:
        queue: Key of the queue.
        position: Place in the queue, from 0.
        sample_id: The sample.
        assignee: Who alone is to review it, or None for anybody.
    """

    queue: str
    position: int
    sample_id: str
    assignee: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a queue is.

    Attributes:
        size: Its samples.
        done: Those with as many reviews as are needed.
        disputed: Those whose blind reviewers disagree.
        mine: Those that the person who asks has reviewed.
        left: Those that this person could still review.
    """

    size: int
    done: int
    disputed: int
    mine: int
    left: int


class ConflictError(MmradError):
    """Somebody decided on the sample since it was shown; nothing was stored.

    Attributes:
        reviews: All reviews of the sample's track now, oldest first.
    """

    def __init__(self, sample_id: str, reviews: tuple[Review, ...]) -> None:
        self.reviews = reviews
        by = reviews[-1].reviewer if reviews else "somebody"
        super().__init__(f"{sample_id}: {by} decided since you opened it; look at that and decide again")
