"""Ratios of counts and means over them, with "undefined" kept apart from zero.

A ratio of 0/0 (the precision of an inspector that never says yes, the recall where nothing is anomalous) is
NaN. It is never read as 0 and never enters a mean: the mean is over the categories where it is defined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """`numerator / denominator` elementwise, NaN where both are 0.

    Args:
        numerator: Counts of any shape.
        denominator: Counts of the same shape, each at least the numerator.
    """
    quotient = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.asarray(denominator) != 0)
    return quotient


def mean_defined(values: Floats, axis: int) -> Floats:
    """Mean along `axis` of what is not NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=axis), defined.sum(axis=axis).astype(np.float64))
