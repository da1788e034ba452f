"""What two tables must have in common to be compared: the scorer, and the queries with their truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mmrad.metrics.figures import LEVEL
from mmrad.metrics.scores import IOU_THRESHOLDS
from mmrad.sample import Sample

SCORER = 3
"""Version of the definitions: to be raised with every change that gives other figures for the same verdicts.

A test keeps the figures of fixed verdicts under each version's hash, so that none changes unnoticed.
"""


def scorer_hash() -> str:
    """Sixteen hex digits that stand for the definitions of all figures, their thresholds and their level."""
    return _hash({"scorer": SCORER, "iou_thresholds": IOU_THRESHOLDS, "level": LEVEL})


def task_hash(samples: Sequence[Sample]) -> str:
    """Sixteen hex digits that stand for what was asked and what is true.

    Args:
        samples: The queries in any order. Their ids, sizes, true boxes and labels count; what a label is
            called changes the figures by type.
    """
    return _hash(
        [
            [sample.id, sample.size_wh, sorted((region.box.xyxy, region.label) for region in sample.regions)]
            for sample in sorted(samples, key=lambda sample: sample.id)
        ]
    )


def _hash(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode("utf-8")).hexdigest()[:16]
