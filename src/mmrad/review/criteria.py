"""Which samples a queue or a grid shows, and in which order."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from mmrad.corpus.reviews import Status

Order = Literal["corpus", "random", "uncertain"]
"""As in the corpus, shuffled (with the seed 0), or those first on which a run's score says least."""

Verdict = Literal["right", "wrong", "missed", "false_alarm", "unanswered"]
"""How a run judged a sample: `wrong` is a miss or a false alarm."""


class Criteria(BaseModel):
    """What samples must have; an empty list asks for nothing, several values of a list are alternatives.

    Attributes:
        sources: Names of sources.
        categories: Names of product categories.
        splits: Splits.
        labels: Labels of regions.
        anomalous: Whether there are regions.
        findings: Findings of `mmrad audit`, as `blurry` or `near_duplicate`.
        failed_checks: Checks of `mmrad.teach.verify` that the text of some teacher fails.
        teachers_disagree: Whether the texts of two teachers say different things.
        run: Name of a run, for `verdicts` and the order `uncertain`.
        verdicts: How that run judged it.
        against: Name of another run, for `against_verdicts`.
        against_verdicts: How that one judged it.
        runs_disagree: Whether two runs judge it differently.
        statuses: How it stands in the review.
        smallest: Shortest side of its smallest region in pixels is at most this.
        search: A part of its id, in any letter case.
        order: In which order.
        limit: At most so many.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    anomalous: bool | None = None
    findings: tuple[str, ...] = ()
    failed_checks: tuple[str, ...] = ()
    teachers_disagree: bool = False
    run: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    against: str | None = None
    against_verdicts: tuple[Verdict, ...] = ()
    runs_disagree: bool = False
    statuses: tuple[Status, ...] = ()
    smallest: float | None = Field(default=None, gt=0)
    search: str = ""
    order: Order = "corpus"
    limit: int | None = Field(default=None, gt=0)
