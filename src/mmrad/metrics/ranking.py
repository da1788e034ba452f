"""Ranking by score: how well the degree of anomaly separates anomalous from normal queries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmrad.metrics.ratios import Floats, ratio

RANKING_FIGURES = ("auroc", "average_precision")

_CELLS = 1 << 21
"""Draws times queries that are ranked at once; bounds the memory of large categories."""


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
    return _figure("auroc", scores, anomalous)


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
    return _figure("average_precision", scores, anomalous)


def ranking_figures(
    scores: Sequence[float | None], anomalous: Sequence[bool], weights: Floats
) -> dict[str, Floats]:
    """Both figures in many bootstrap draws at once.

    Args:
        scores: One score a query, higher is more anomalous.
        anomalous: The truth of each query.
        weights: How often each query counts in each draw, shape `(draws, queries)`.

    Returns:
        Arrays of shape `(draws,)` by the names in `RANKING_FIGURES`, NaN where undefined: everywhere when a
        score is missing (leaving those queries out would rank an inspector on the queries it chose to
        answer), and in draws without one of the classes.

    Raises:
        ValueError: When there is not one truth for each score.
    """
    if len(scores) != len(anomalous):
        raise ValueError(f"{len(scores)} scores but {len(anomalous)} truths")
    values = np.array([np.nan if score is None else score for score in scores], dtype=np.float64)
    positive = np.array(anomalous, dtype=bool)
    if not len(values) or np.isnan(values).any():
        return {name: np.full(len(weights), np.nan) for name in RANKING_FIGURES}
    rows = max(1, _CELLS // len(values))
    parts = [_ranked(values, positive, weights[i : i + rows]) for i in range(0, len(weights), rows)]
    return {name: np.concatenate([part[name] for part in parts]) for name in RANKING_FIGURES}


def _ranked(values: Floats, positive: NDArray[np.bool_], weights: Floats) -> dict[str, Floats]:
    order = np.argsort(-values, kind="stable")
    values, positive, weights = values[order], positive[order], weights[:, order]
    first_of_tie = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    hits, alarms = weights * positive, weights * ~positive
    if len(first_of_tie) < len(values):
        hits, alarms = (np.add.reduceat(side, first_of_tie, axis=1) for side in (hits, alarms))
    found, alarmed = np.cumsum(hits, axis=1), np.cumsum(alarms, axis=1)
    both = found[:, -1] * alarmed[:, -1]
    outscored = (hits * (alarmed[:, -1:] - alarmed + alarms / 2)).sum(axis=1)
    precision = np.nan_to_num(ratio(found, found + alarmed))  # undefined only where nothing was drawn yet
    gained = ratio((hits * precision).sum(axis=1), found[:, -1])
    return {"auroc": ratio(outscored, both), "average_precision": np.where(both > 0, gained, np.nan)}


def _figure(name: str, scores: Sequence[float | None], anomalous: Sequence[bool]) -> float | None:
    value = float(ranking_figures(scores, anomalous, np.ones((1, len(scores))))[name][0])
    return None if np.isnan(value) else value
