"""Detection: is the query anomalous? Anomalous is positive.

    accuracy  = (tp + tn) / all queries
    recall    = tp / (tp + fn + unanswered_anomalous)
    precision = tp / (tp + fp)

An unanswered query is wrong in accuracy and, when anomalous, a miss in recall; it claims nothing, so
precision does not see it.
"""

from __future__ import annotations

import numpy as np

from mmrad.metrics.ratios import Floats, ratio

COLUMNS = ("tp", "fp", "fn", "tn", "unanswered_anomalous", "unanswered_normal")
"""The six outcomes of a query, in the order of the last axis of every array of detection counts."""


def detection_counts(truth: bool, judged: bool | None) -> Floats:
    """The outcome of one query.

    Args:
        truth: Whether it is anomalous.
        judged: The verdict, or None when there is none.

    Returns:
        Array of shape `(6,)` with a single 1, in the order of `COLUMNS`.
    """
    if judged is None:
        outcome = "unanswered_anomalous" if truth else "unanswered_normal"
    else:
        outcome = ("t" if truth == judged else "f") + ("p" if judged else "n")
    counts = np.zeros(len(COLUMNS))
    counts[COLUMNS.index(outcome)] = 1
    return counts


def detection_ratios(counts: Floats) -> dict[str, tuple[Floats, Floats]]:
    """Numerators and denominators of accuracy, recall and precision from summed outcomes.

    Args:
        counts: Array of shape `(..., 6)` in the order of `COLUMNS`.

    Returns:
        Pairs of arrays of shape `(...)`.
    """
    tp, fp, fn, tn, unanswered_anomalous, _ = np.moveaxis(counts, -1, 0)
    return {
        "accuracy": (tp + tn, counts.sum(axis=-1)),
        "recall": (tp, tp + fn + unanswered_anomalous),
        "precision": (tp, tp + fp),
    }


def detection_figures(counts: Floats) -> dict[str, Floats]:
    """Accuracy, recall and precision from summed outcomes.

    Args:
        counts: Array of shape `(..., 6)` in the order of `COLUMNS`.

    Returns:
        Arrays of shape `(...)`, in [0, 1], NaN where undefined.
    """
    return {name: ratio(*pair) for name, pair in detection_ratios(counts).items()}
