"""Ranking by score: how well the degree of anomaly separates anomalous from normal queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from mmrad.metrics.ratios import Floats


def auroc(scores: Sequence[float | None], anomalous: Sequence[bool]) -> float | None:
    """Area under the ROC curve: the chance that an anomalous query outscores a normal one, a tie being half.

    Args:
        scores: One score a query, higher is more anomalous.
        anomalous: The truth of each query.

    Returns:
        The area in [0, 1], or None when a score is missing or one of the classes does not occur.

    Raises:
        ValueError: When the lengths differ.
    """
    ranked = _usable(scores, anomalous)
    if ranked is None:
        return None
    values, positive = ranked
    count = int(positive.sum())
    above = rankdata(values)[positive].sum() - count * (count + 1) / 2
    return float(above / (count * (len(positive) - count)))


def average_precision(scores: Sequence[float | None], anomalous: Sequence[bool]) -> float | None:
    """Mean of the precision at each distinct score, weighted by the recall gained there (no interpolation).

    Args:
        scores: One score a query, higher is more anomalous; equal scores enter together.
        anomalous: The truth of each query.

    Returns:
        A value in (0, 1], or None when a score is missing or one of the classes does not occur.

    Raises:
        ValueError: When the lengths differ.
    """
    ranked = _usable(scores, anomalous)
    if ranked is None:
        return None
    values, positive = ranked
    order = np.argsort(-values, kind="stable")
    values, positive = values[order], positive[order]
    last_of_tie = np.append(values[1:] != values[:-1], True)
    found = np.cumsum(positive)[last_of_tie]
    asked = np.flatnonzero(last_of_tie) + 1
    gained = np.diff(found, prepend=0) / found[-1]
    return float((gained * found / asked).sum())


def _usable(
    scores: Sequence[float | None], anomalous: Sequence[bool]
) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Scores and truth as arrays, or None where no ranking can be judged.

    Leaving out the queries without a score would rank an inspector on the queries it chose to answer.
    """
    if len(scores) != len(anomalous):
        raise ValueError(f"{len(scores)} scores but {len(anomalous)} truths")
    known = [score for score in scores if score is not None]
    positive = np.array(anomalous, dtype=bool)
    if len(known) < len(scores) or positive.all() or not positive.any():
        return None
    values = np.array(known, dtype=np.float64)
    return None if np.isnan(values).any() else (values, positive)
