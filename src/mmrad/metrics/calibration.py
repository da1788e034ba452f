"""Calibration: is a score of 0.8 right in 80 of 100 cases?

    Brier = mean of (score - truth)²
    ECE   = sum over bins of (queries in the bin / all) · |mean score - share of anomalous queries|

Bins hold about equally many queries (equal mass), and equal scores are never split: models that put a
confidence in words use a handful of values, and P(Yes) crowds at 0 and 1, where bins of equal width would be
full or empty (Nixon et al., Measuring Calibration in Deep Learning, 2019). All queries with a score count
alike, whatever their category: most categories have too few for bins of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.metrics.ratios import Floats
from mmrad.metrics.scores import MIXED, kind_of_scores
from mmrad.sample import Sample, Verdict

BINS = 10


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Queries of about the same score.

    Attributes:
        low: Smallest score in the bin.
        high: Largest.
        queries: How many there are.
        mean_score: Mean of their scores: what the inspector claims.
        anomalous: Share of them that is anomalous: what is true.
    """

    low: float
    high: float
    queries: int
    mean_score: float
    anomalous: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far scores can be read as probabilities.

    Attributes:
        ece: Expected calibration error in [0, 1]; None when undefined.
        brier: Brier score in [0, 1], 0 is best; None when undefined.
        bins: By rising score; empty when undefined.
        kind: What the scores are: `probability`, `confidence`, `map`, `mixed` when there are several kinds,
            or None when there are none. Scores of anomaly maps and mixed ones are no probabilities, and
            nothing is said of them.
        queries: How many queries have a score.
        unscored: How many have none; they are left out, unlike in AUROC, which is undefined then.
    """

    ece: float | None
    brier: float | None
    bins: tuple[CalibrationBin, ...]
    kind: str | None
    queries: int
    unscored: int


def calibration(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict], *, bins: int = BINS
) -> Calibration:
    """Calibration of the scores of a run.

    Args:
        samples: The queries; ids are unique.
        verdicts: Verdicts by sample id; one that is missing has no score.
        bins: Largest number of bins.
    """
    kind = kind_of_scores(samples, verdicts)
    found = [
        (verdict.score, sample.anomalous)
        for sample in samples
        if (verdict := verdicts.get(sample.id)) and verdict.score is not None and np.isfinite(verdict.score)
    ]
    unscored = len(samples) - len(found)
    if not found or kind in ("map", MIXED):
        return Calibration(None, None, (), kind, len(found), unscored)
    scores, truth = np.array(found, dtype=np.float64).T
    binned = _binned(scores, truth, bins)
    ece = sum(part.queries * abs(part.mean_score - part.anomalous) for part in binned) / len(found)
    return Calibration(ece, float(((scores - truth) ** 2).mean()), binned, kind, len(found), unscored)


def _binned(scores: Floats, truth: Floats, bins: int) -> tuple[CalibrationBin, ...]:
    """Bins of equal mass; all queries of one score are in the bin of the middle one of them."""
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - (sizes + 1) / 2
    bin_of = (middle * bins / len(scores)).astype(int)[group]
    return tuple(
        CalibrationBin(
            float(scores[inside].min()),
            float(scores[inside].max()),
            int(inside.sum()),
            float(scores[inside].mean()),
            float(truth[inside].mean()),
        )
        for inside in (bin_of == number for number in np.unique(bin_of))
    )
