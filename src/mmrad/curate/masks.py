"""Masks to boxes: connected areas, merged where an annotator meant one defect, without specks."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmrad.box import Box

Labels = Mapping[int, str] | str
"""One label for every non-background pixel, or the label of each mask value."""

MERGE_WITHIN = 0.01
MIN_AREA = 4


def regions_from_mask(
    mask: NDArray[np.integer],
    labels: Labels,
    *,
    threshold: int = 0,
    merge_within: float = MERGE_WITHIN,
    min_area: int = MIN_AREA,
) -> list[tuple[Box, str]]:
    """The boxes of a mask's connected areas.

    Pixels touch when they are neighbours, diagonals included. Fragments with a gap of at most `merge_within`
    become one region, since a drawn outline breaks more often than a product has two defects so close.

    Args:
        mask: Integers of shape `(height, width)`.
        labels: One label for all pixels above `threshold`, or a label for each value above it; values are
            then boxed separately.
        threshold: Largest background value: 0 for class-coded masks, 127 for anti-aliased 0/255 masks.
        merge_within: Largest gap within one region, as a fraction of the mask's larger side.
        min_area: Areas with fewer marked pixels (after merging) are dropped.

    Returns:
        `(box, label)` from top to bottom, then left to right; boxes are integers in pixels of the mask,
        half-open.

    Raises:
        ValueError: When the mask has a value above `threshold` that `labels` does not name.
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask has two dimensions, not {mask.ndim}")
    gap = round(merge_within * max(mask.shape))
    if isinstance(labels, str):
        layers = [(mask > threshold, labels)]
    else:
        values = [int(value) for value in np.unique(mask) if value > threshold]
        unnamed = [value for value in values if value not in labels]
        if unnamed:
            raise ValueError(f"mask values {unnamed} have no name; named are {sorted(labels)}")
        layers = [(mask == value, labels[value]) for value in values]
    found = [(box, label) for layer, label in layers for box in _boxes(layer, gap, min_area)]
    return sorted(found, key=lambda item: (item[0].y1, item[0].x1, item[0].y2, item[0].x2, item[1]))


def _boxes(marked: NDArray[np.bool_], gap: int, min_area: int) -> list[Box]:
    layer = marked.astype(np.uint8)
    # Dilating by a square of gap + 1 pixels joins exactly the fragments at most `gap` pixels apart.
    grown = cv2.dilate(layer, np.ones((gap + 1, gap + 1), np.uint8)) if gap else layer
    _, components = cv2.connectedComponents(grown, connectivity=8)
    groups: NDArray[np.int32] = np.where(marked, components, 0).astype(np.int32)
    areas = np.bincount(groups.ravel())
    return [
        Box(columns.start, rows.start, columns.stop, rows.stop)
        for area, (rows, columns) in zip(areas[1:], ndimage.find_objects(groups), strict=True)
        if area >= min_area
    ]
