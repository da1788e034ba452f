"""People's decisions on samples, made for tests and written into a corpus folder."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

from mmrad.corpus.reviews import FILE_NAME, Outcome, Review, TextReview, review_to_record
from mmrad.journal import Journal
from mmrad.sample import Region, Sample

_NUMBERS = count(1)


def decision(
    sample: Sample, after: tuple[Region, ...] | None = None, outcome: Outcome = "keep", **others: Any
) -> Review:
    """What a person decided of a sample as it is; `after` are the regions as it was left, None the same."""
    plain = {
        "id": f"review {next(_NUMBERS)}",
        "sample_id": sample.id,
        "reviewer": "ann",
        "at": "2026-11-26T09:00:00Z",
        "seconds": 4.5,
        "number": 1,
        "blind": False,
        "needed": 1,
        "outcome": outcome,
        "reason": "blurred" if outcome == "drop" else "",
        "before": sample.regions,
        "after": sample.regions if after is None else after,
    }
    return Review(**{**plain, **others})


def on_text(
    before: str,
    good: bool,
    after: str | None = None,
    checks: dict[str, bool] | None = None,
    by: str = "somebody",
) -> TextReview:
    """What a person decided of a text by a teacher."""
    return TextReview(by, before, good, after, checks or {})


def write_reviews(folder: Path, *reviews: Review) -> None:
    """Append reviews to those of a corpus."""
    with Journal(folder / FILE_NAME) as journal:
        for review in reviews:
            journal.append(review_to_record(review))
