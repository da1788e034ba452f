"""What the report needs of a run."""

from __future__ import annotations

from typing import Protocol

from mmrad.corpus import Corpus
from mmrad.sample import Sample, Verdict


class RunInfo(Protocol):
    """What a run says of itself."""

    @property
    def name(self) -> str:
        """Name of the inspector, for tables."""


class Run(Protocol):
    """The verdicts of one inspector on samples of a corpus, as `mmrad.bench` gives them."""

    @property
    def info(self) -> RunInfo:
        """What the run says of itself."""

    @property
    def samples(self) -> list[Sample]:
        """The queries."""

    @property
    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts by sample id; a query that was not asked is absent."""

    @property
    def corpus(self) -> Corpus:
        """The corpus that the queries belong to."""
