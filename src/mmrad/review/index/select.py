"""Criteria to rows: each asks for something of one kind, and a sample has to have all that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import get_args

import numpy as np
import pyarrow.compute as pc

from mmrad.corpus.reviews import Status
from mmrad.review.criteria import Criteria
from mmrad.review.index.columns import Mask, Rows, Tags
from mmrad.review.index.signals import Signals

_STATUSES: tuple[Status, ...] = get_args(Status)
_CODES = {status: code for code, status in enumerate(_STATUSES)}
_FIELDS = {
    "source": "sources", "category": "categories", "split": "splits", "label": "labels",
    "finding": "findings", "failed_check": "failed_checks", "status": "statuses", "verdict": "verdicts",
}  # fmt: skip
"""Facets, and the fields of `Criteria` that ask for some of their names."""


class Selection:
    """The samples that have what some criteria ask for.

    Args:
        signals: What is known of the samples.
        criteria: What they must have.
        statuses: How those with reviews stand.

    Raises:
        UsageError: When the criteria ask for a name that does not occur, or for what there is nothing of.
    """

    def __init__(self, signals: Signals, criteria: Criteria, statuses: Mapping[str, Status]) -> None:
        self._signals = signals
        self._criteria = criteria
        self._statuses = statuses
        self._masks = dict(self._asked())

    def rows(self) -> Rows:
        """Their rows, in the order that is asked for, at most as many as are asked for."""
        rows = np.flatnonzero(self._having(self._masks))
        match self._criteria.order:
            case "random":
                # Of all samples, so that a narrower selection keeps the order of a wider one.
                order = np.random.default_rng(0).permutation(self._signals.count)
                rows = rows[np.argsort(order[rows])]
            case "uncertain":
                doubts = self._signals.doubts(self._criteria.run)
                rows = rows[np.argsort(doubts[rows], kind="stable")]
        return rows[: self._criteria.limit]

    def facets(self) -> dict[str, dict[str, int]]:
        """How many samples have each name, under all that is asked for but the names of its own facet."""
        found = {}
        for facet in _FIELDS:
            tags = self._known(facet)
            if tags:
                others = {name: mask for name, mask in self._masks.items() if name != facet}
                found[facet] = tags.counts(self._having(others))
        return found

    def _having(self, masks: Mapping[str, Mask]) -> Mask:
        return reduce(np.logical_and, masks.values(), np.ones(self._signals.count, bool))

    def _asked(self) -> Iterator[tuple[str, Mask]]:
        """A name for each thing that is asked for, and which samples have it."""
        criteria, signals = self._criteria, self._signals
        for facet, field in _FIELDS.items():
            if names := getattr(criteria, field):
                yield facet, self._tags(facet).having(names)
        if criteria.anomalous is not None:
            yield "anomalous", signals.anomalous == criteria.anomalous
        if criteria.smallest is not None:
            yield "smallest", signals.smallest_sides <= criteria.smallest
        if criteria.search:
            found = pc.match_substring(signals.small_ids, criteria.search.lower())
            yield "search", found.to_numpy(zero_copy_only=False)
        if criteria.teachers_disagree:
            yield "teachers_disagree", signals.teachers_disagreeing()
        if criteria.against_verdicts:
            yield "against", signals.judgements(criteria.against).judged.having(criteria.against_verdicts)
        if criteria.runs_disagree:
            yield "runs_disagree", signals.runs_disagreeing()

    def _tags(self, facet: str) -> Tags:
        match facet:
            case "status":
                return self._status_tags()
            case "verdict":
                return self._signals.judgements(self._criteria.run).judged
            case "finding":
                return self._signals.findings()
            case "failed_check":
                return self._signals.failed_checks()
            case _:
                return self._signals.plain[facet]

    def _known(self, facet: str) -> Tags | None:
        """The tags of a facet; None where the corpus has none, or where it takes long to read them."""
        return self._tags(facet) if self._signals.has(facet, self._criteria.run) else None

    def _status_tags(self) -> Tags:
        codes = np.full(self._signals.count, _STATUSES.index("open"))
        reviewed = dict(self._statuses)  # others may go on reviewing
        rows = np.fromiter((self._signals.row_of.get(name, -1) for name in reviewed), np.int64)
        found = np.fromiter(map(_CODES.__getitem__, reviewed.values()), np.int64)
        codes[rows[rows >= 0]] = found[rows >= 0]
        return Tags("status", _STATUSES, np.arange(len(codes)), codes, len(codes))
