"""Decisions for tests, and a process that makes them one after the other until it is killed.

Run as  python deciding.py URL FOLDER NAME SAMPLES  it prints the id of each decision once it is confirmed.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from uuid import uuid4

from mmrad.box import Box
from mmrad.corpus.reviews import Outcome, Review
from mmrad.review.records import ConflictError
from mmrad.review.store import Ledger, Store
from mmrad.sample import Region

SCRATCH = Region(Box(10, 20, 40, 50), "scratch")
DENT = Region(Box(50, 20, 60, 30), "dent")


def decision(
    sample_id: str = "a/b/test/1",
    by: str = "ann",
    *,
    number: int = 1,
    needed: int = 1,
    outcome: Outcome = "keep",
    after: tuple[Region, ...] = (SCRATCH,),
    reason: str = "",
    at: str = "2026-11-26T09:00:00Z",
) -> Review:
    """A decision with an id of its own; a blind one when several are needed."""
    return Review(
        uuid4().hex, sample_id, by, at, 4.5, number, needed > 1, needed, outcome, reason, (SCRATCH,), after
    )


def decide_for_ever(url: str, folder: Path, name: str, samples: int) -> None:
    """Decide on the samples in turn, going on from whatever others decided."""
    ledger = Ledger(Store(url), folder)
    for turn in count():
        sample_id = f"a/b/test/{turn % samples}"
        review = decision(sample_id, name, number=ledger.seen(sample_id, "") + 1)
        try:
            ledger.decide(review)
        except ConflictError:
            continue
        print(review.id, flush=True)  # noqa: T201 - it is what the test reads


if __name__ == "__main__":
    decide_for_ever(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
