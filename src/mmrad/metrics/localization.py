"""Localization: are the anomalous places found? Boxes are matched one to one at an IoU threshold.

    recall    = TP / (TP + FN)
    precision = TP / (TP + FP)
    accuracy  = TP / (TP + FP + FN)

Counts are pooled over all images of a category, normal ones included: a box drawn on a normal image is a
false alarm. The true boxes of an unanswered query are missed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmrad.box import Box, match
from mmrad.metrics.ratios import Floats, ratio

COLUMNS = ("tp", "fp", "fn")
"""The order of the last axis of every array of localization counts."""


def localization_counts(predicted: Sequence[Box], true: Sequence[Box], iou_threshold: float) -> Floats:
    """Matched, falsely predicted and missed boxes of one image.

    Args:
        predicted: Predicted boxes in pixels of the original image.
        true: True boxes in the same pixels.
        iou_threshold: Smallest IoU of a match, inclusive.

    Returns:
        Array of shape `(3,)` in the order of `COLUMNS`.
    """
    matched = len(match(predicted, true, iou_threshold))
    return np.array([matched, len(predicted) - matched, len(true) - matched], dtype=np.float64)


def localization_ratios(counts: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Numerators and denominators of accuracy, recall and precision from summed counts.

    Args:
        counts: Array of shape `(..., 3)` in the order of `COLUMNS`.

    Returns:
        Pairs of arrays of shape `(...)`.
    """
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    return {
        "accuracy": (tp, tp + fp + fn),
        "recall": (tp, tp + fn),
        "precision": (tp, tp + fp),
    }


def localization_figures(counts: Floats) -> dict[str, Floats]:
    """Accuracy, recall and precision from summed counts.

    Args:
        counts: Array of shape `(..., 3)` in the order of `COLUMNS`.

    Returns:
        Arrays of shape `(...)`, in [0, 1], NaN where undefined.
    """
    return {name: ratio(*pair) for name, pair in localization_ratios(counts).items()}
