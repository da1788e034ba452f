"""Thresholds from normal images that the detector did not learn from: no label and no test image is used.

The score of a new normal image is as likely to stand at any place among the n held-out scores as at another.
So it exceeds the k-th smallest of them, k = ceil((n + 1)(1 - alpha)), with a probability of at most alpha
(split conformal prediction: Vovk et al., "Algorithmic Learning in a Random World", 2005; Angelopoulos and
Bates, "A Gentle Introduction to Conformal Prediction", 2021). With fewer than 1 / alpha - 1 held-out images
there is no such k: their maximum is taken, and nothing is promised.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from mmrad.errors import UsageError

Kind = Literal["conformal", "max"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a detector says of the held-out normal images of a category, one value an image.

    Attributes:
        scores: Scores of the images.
        maxima: Largest values of their maps.
        minima: Smallest values of their maps.
        medians: Medians of their maps.
    """

    scores: tuple[float, ...]
    maxima: tuple[float, ...]
    minima: tuple[float, ...] = ()
    medians: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where anomaly begins; what lies exactly on a threshold is normal.

    Attributes:
        image: Of scores of images.
        pixel: Of values of maps, such that a share `alpha` of normal images has any value over it.
        alpha: The share of normal images that may be flagged.
        kind: `conformal`, or `max` where there are too few images for that.
        held_out: How many images they come from.
    """

    image: float
    pixel: float
    alpha: float
    kind: Kind
    held_out: int


def fewest(alpha: float) -> int:
    """How many held-out images it takes for thresholds that keep the promise of `alpha`."""
    return math.ceil(1 / Fraction(str(alpha))) - 1


def thresholds(calibration: Calibration, alpha: float = 0.05) -> Thresholds:
    """The thresholds of a category.

    Args:
        calibration: What the detector says of the held-out images.
        alpha: The share of normal images that may be flagged, in (0, 1).

    Raises:
        UsageError: When alpha is no such share.
        ValueError: When there is no held-out image.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha is {alpha}: give the share of normal images that may be flagged, as 0.05")
    held_out = len(calibration.scores)
    if not held_out or len(calibration.maxima) != held_out:
        raise ValueError(f"{held_out} scores and {len(calibration.maxima)} maxima of held-out images")
    # As a fraction: 1 - 0.05 and its products are a little off in binary, and ceil jumps.
    rank = math.ceil((held_out + 1) * (1 - Fraction(str(alpha))))
    kind: Kind = "conformal" if rank <= held_out else "max"
    rank = min(rank, held_out)
    return Thresholds(
        _smallest(calibration.scores, rank), _smallest(calibration.maxima, rank), alpha, kind, held_out
    )


def _smallest(values: Sequence[float], rank: int) -> float:
    return sorted(values)[rank - 1]
