"""Reading the stored texts of a run again with today's grammar, without asking anybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmrad.bench.records import verdict_to_record
from mmrad.bench.run import VERDICTS_FILE, Run, read_lines
from mmrad.coordinates import CoordinateSpace
from mmrad.errors import DataError
from mmrad.inspectors import verdict_from_text
from mmrad.inspectors.plan import blank_view
from mmrad.journal import Journal
from mmrad.sample import Sample, Status, Verdict
from mmrad.view import Budget

_READ: tuple[Status, ...] = ("ok", "unparsed", "truncated")
"""Verdicts that were read from a text; the others say how asking ended."""


@dataclass(frozen=True, slots=True)
class Reparsed:
    """The verdicts of a run as today's grammar reads them.

    Attributes:
        verdicts: All verdicts by sample id, those that cannot be read again as they were.
        changed: Ids of those that are not as stored.
    """

    verdicts: dict[str, Verdict]
    changed: tuple[str, ...]


def reparse(run: Run) -> Reparsed:
    """Read the texts of a run's answers again; nothing is written.

    A text that was cut off when it was written stays cut off unless its answer is complete, and a probability
    stays as the model gave it.

    Raises:
        DataError: When the run does not tell how its coordinates are to be read: it is not of a model that
            writes texts, or from before that was kept.
    """
    space, budget = _convention(run)
    verdicts = {
        sample.id: _read_again(sample, run.verdicts[sample.id], space, budget)
        for sample in run.samples
        if sample.id in run.verdicts
    }
    changed = tuple(key for key, verdict in verdicts.items() if verdict != run.verdicts[key])
    return Reparsed(verdicts, changed)


def write_reparsed(run: Run, reparsed: Reparsed) -> None:
    """Append the changed verdicts to the run under the keys they have; the last line of a sample counts.

    The lines say `"reparsed": true`, so that what an answer cost is counted once.
    """
    stored = read_lines(run.path)
    with Journal(run.path / VERDICTS_FILE) as journal:
        for key in reparsed.changed:
            record = verdict_to_record(reparsed.verdicts[key])
            journal.append({"sample_id": key, "key": stored[key][0], "verdict": record, "reparsed": True})


def _convention(run: Run) -> tuple[CoordinateSpace, Budget]:
    asked: Mapping[str, Any] = run.info.inspector
    try:
        return CoordinateSpace(asked["space"]), Budget(asked["min_pixels"], asked["max_pixels"])
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{run.path}: its texts cannot be read again, for it does not tell the space of its coordinates "
            f"and the size of its views ({error!r}); score it without --reparse"
        ) from error


def _read_again(sample: Sample, stored: Verdict, space: CoordinateSpace, budget: Budget) -> Verdict:
    if stored.status not in _READ:
        return stored
    written = stored.score_kind != "confidence"  # a confidence is part of the text, and read anew
    return verdict_from_text(
        stored.raw_text,
        blank_view(sample.size_wh, budget),
        space=space,
        truncated=stored.status == "truncated",
        score=stored.score if written else None,
        score_kind=stored.score_kind or "probability",  # runs that tell the space mark every score
        usage=stored.usage,
        model_reported=stored.model_reported,
    )
