"""What became of one query: right, or wrong in which way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmrad.box import Box, match
from mmrad.sample import Region, Sample, Verdict

Outcome = Literal["right", "partly", "wrong_place", "missed", "false_alarm", "unanswered", "not_asked"]

IOU_THRESHOLD = 0.1
"""From this overlap on, a predicted and a true place are the same place."""


@dataclass(frozen=True, slots=True)
class OutcomeKind:
    """How an outcome is called, signed and explained in the report."""

    key: Outcome
    name: str
    glyph: str
    meaning: str


OUTCOMES = (
    OutcomeKind("right", "Right", "✓", "judged correctly, and every place found without a false one"),
    OutcomeKind("partly", "Partly right", "½", "judged correctly; some place missed or falsely added"),
    OutcomeKind("wrong_place", "Wrong place", "↗", "rightly called anomalous, but no true place was found"),
    OutcomeKind("missed", "Missed", "✗", "anomalous, called normal"),
    OutcomeKind("false_alarm", "False alarm", "!", "normal, called anomalous"),
    OutcomeKind("unanswered", "No judgement", "?", "unreadable, refused, cut off or failed"),
    OutcomeKind("not_asked", "Not asked yet", "…", "the run has not come to it"),
)


def judge(sample: Sample, verdict: Verdict | None) -> tuple[Outcome, frozenset[int], frozenset[int]]:
    """The outcome of a query, and which places were found.

    Args:
        sample: The query and its truth.
        verdict: What was said of it; None when it was not asked.

    Returns:
        The outcome, the indices of the predicted regions that match a true one, and those of the true regions
        that were found.
    """
    nothing: frozenset[int] = frozenset()
    if verdict is None:
        return "not_asked", nothing, nothing
    if verdict.anomalous is None:
        return "unanswered", nothing, nothing
    pairs = match(_boxes(verdict.claimed), _boxes(sample.regions), IOU_THRESHOLD)
    hits, found = frozenset(pair[0] for pair in pairs), frozenset(pair[1] for pair in pairs)
    if verdict.anomalous != sample.anomalous:
        return ("missed" if sample.anomalous else "false_alarm"), hits, found
    if sample.anomalous and not pairs:
        return "wrong_place", hits, found
    complete = len(pairs) == len(verdict.claimed) == len(sample.regions)
    return ("right" if complete else "partly"), hits, found


def _boxes(regions: Sequence[Region]) -> list[Box]:
    return [region.box for region in regions]
