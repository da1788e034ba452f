"""Verdicts as JSON records, the lines of a run."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

from mmrad.corpus.tables import region_of, region_row
from mmrad.errors import DataError
from mmrad.sample import Status, Usage, Verdict

Record = dict[str, Any]


def verdict_to_record(verdict: Verdict) -> Record:
    """A verdict as JSON values; boxes are `[x1, y1, x2, y2]` in pixels of the original image."""
    return {
        "status": verdict.status,
        "anomalous": verdict.anomalous,
        "score": verdict.score,
        "score_kind": verdict.score_kind,
        "regions": [region_row(region) for region in verdict.regions],
        "think": verdict.think,
        "raw_text": verdict.raw_text,
        "detail": verdict.detail,
        "usage": asdict(verdict.usage),
        "model_reported": verdict.model_reported,
    }


def verdict_from_record(record: Record) -> Verdict:
    """The verdict that `verdict_to_record` wrote.

    Raises:
        DataError: When the record is not one of a verdict.
    """
    try:
        if record["status"] not in get_args(Status):
            raise ValueError(f"unknown status {record['status']!r}")
        if record["anomalous"] not in (True, False, None):
            raise ValueError(f"anomalous is {record['anomalous']!r}")
        regions = tuple(region_of(region) for region in record["regions"])
        plain = {key: value for key, value in record.items() if key not in ("regions", "usage")}
        return Verdict(regions=regions, usage=Usage(**record["usage"]), **plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"not a verdict: {error!r}") from error
