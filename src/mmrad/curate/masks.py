"""Masks to boxes: connected areas, merged where an annotator meant one defect, without specks."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
from cv2.typing import MatLike
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
        layers = [(_marked(mask > threshold), labels)]
    else:
        values = [int(value) for value in np.flatnonzero(np.bincount(mask[mask > threshold]))]
        unnamed = [value for value in values if value not in labels]
        if unnamed:
            raise ValueError(f"mask values {unnamed} have no name; named are {sorted(labels)}")
        layers = [(_marked(mask == value), labels[value]) for value in values]
    found = [(box, label) for layer, label in layers for box in _boxes(layer, gap, min_area)]
    return sorted(found, key=lambda item: (item[0].y1, item[0].x1, item[0].y2, item[0].x2, item[1]))


def _marked(pixels: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return pixels.view(np.uint8)


def _boxes(layer: NDArray[np.uint8], gap: int, min_area: int) -> list[Box]:
    """The boxes of the connected areas of a layer of 0 and 1."""
    x, y, width, height = cv2.boundingRect(layer)
    if not width:
        return []
    part = layer[y : y + height, x : x + width]
    contours, hierarchy = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    # Of the two levels the outer one holds the outlines of areas, also of those in the holes of others.
    outer = [contour for contour, links in zip(contours, hierarchy[0], strict=True) if links[3] < 0]
    rectangles = np.array([cv2.boundingRect(contour) for contour in outer])
    if gap and _any_within(rectangles, gap):
        found = _merged(part, gap, min_area)
    else:
        found = [
            rectangle
            for rectangle, contour in zip(rectangles, outer, strict=True)
            if max(rectangle[2:]) >= min_area or _area(part, rectangle, contour) >= min_area
        ]
    return [Box(int(x + a), int(y + b), int(x + a + w), int(y + b + h)) for a, b, w, h in found]


def _any_within(rectangles: NDArray[np.integer], gap: int) -> bool:
    """Whether two of the rectangles (left, top, width, height) have a gap of at most `gap` pixels."""
    low, high = rectangles[:, :2], rectangles[:, :2] + rectangles[:, 2:]
    order = np.argsort(low[:, 0], kind="stable")
    low, high = low[order], high[order]
    for index in range(len(order) - 1):
        later = slice(index + 1, int(np.searchsorted(low[:, 0], high[index, 0] + gap, side="right")))
        above = low[later, 1] <= high[index, 1] + gap
        if (above & (low[index, 1] <= high[later, 1] + gap)).any():
            return True
    return False


def _area(part: NDArray[np.uint8], rectangle: NDArray[np.integer], contour: MatLike) -> int:
    """Pixels of one small area; others may reach into its rectangle."""
    x, y, width, height = rectangle
    _, labels = cv2.connectedComponents(part[y : y + height, x : x + width], connectivity=8)
    own = labels[contour[0, 0, 1] - y, contour[0, 0, 0] - x]
    return int((labels == own).sum())


def _merged(part: NDArray[np.uint8], gap: int, min_area: int) -> list[tuple[int, int, int, int]]:
    """Rectangles of the areas, those at most `gap` pixels apart taken together."""
    # Dilating by a square of gap + 1 pixels joins exactly the fragments at most `gap` pixels apart.
    grown = cv2.dilate(part, np.ones((gap + 1, gap + 1), np.uint8))
    _, components = cv2.connectedComponents(grown, connectivity=8)
    groups: NDArray[np.int32] = np.where(part, components, 0).astype(np.int32)
    areas = np.bincount(groups.ravel())
    return [
        (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        for area, (rows, columns) in zip(areas[1:], ndimage.find_objects(groups), strict=True)
        if area >= min_area
    ]
