"""From a map of anomaly to places: what exceeds a threshold, as boxes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box, nms

OVERLAP = 0.5
"""Of two places with a larger IoU the weaker is dropped."""

STRONGEST = 0.01
"""Share of the pixels that may belong to the strongest places."""

Places = list[tuple[Box, float]]
"""Boxes, half-open in pixels of the map, each with the largest value in it; by falling value."""


def places(values: NDArray[np.float32], threshold: float) -> Places:
    """The places where a map exceeds a threshold, as in the paper (footnote of section 5.2).

    Pixels above the threshold that touch, diagonally too, are one place, and what lies in a hole of it
    belongs to it (`cv2.findContours`, outer contours only). Places are disjoint, but their boxes may overlap:
    of two with an IoU above `OVERLAP` the one with the larger value stays. No place is too small.

    Args:
        values: Map of shape `(height, width)`, higher is more anomalous.
        threshold: On the map's scale; a pixel must be strictly above it.
    """
    return _places(values, threshold, OVERLAP)


def top_places(values: NDArray[np.float32], count: int) -> Places:
    """The strongest places of a map, whatever its scale: those that its highest pixels make.

    Args:
        values: Map of shape `(height, width)`, higher is more anomalous.
        count: Largest number of places.

    Returns:
        At most `count` places whose boxes do not overlap; none of a map that is the same everywhere.
    """
    lower = values[values < values.max()]
    if not lower.size:
        return []
    # Where more pixels than that share the largest value, they alone are above the second largest.
    threshold = min(float(np.quantile(values, 1 - STRONGEST)), float(lower.max()))
    return _places(values, threshold, 0.0)[:count]


def _places(values: NDArray[np.float32], threshold: float, overlap: float) -> Places:
    above = (values > threshold).astype(np.uint8)
    outlines, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = [cv2.boundingRect(outline) for outline in outlines]
    boxes = [Box(x, y, x + width, y + height) for x, y, width, height in corners]
    highest = [float(values[y : y + height, x : x + width].max()) for x, y, width, height in corners]
    return [(boxes[i], highest[i]) for i in nms(boxes, highest, overlap)]
