"""What can be measured of a pair cheaply: how an area of the query differs from the reference."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box
from mmrad.image import RGB

_SIDE = 32
"""Crops are compared at most this large, in pixels: words need no more, and a text stays cheap."""

_EDGE_FLOOR = 2.0
"""Grey levels a pixel added to both mean gradients, so that noise on plain surfaces is no edge."""

_Crop = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Change:
    """How an area differs from what it is compared with, in grey levels (0 to 255) of 8-bit RGB.

    Attributes:
        lightness: Positive where brighter.
        red_green: Positive where redder, negative where greener, beyond the change in lightness.
        blue_yellow: Positive where bluer, negative where yellower.
        edges: Ratio of the mean gradients; above 1 where the area has more edges.
    """

    lightness: float
    red_green: float
    blue_yellow: float
    edges: float


def change_in(box: Box, query: RGB, reference: RGB | None) -> Change:
    """Measure an area of the query against the same area of the reference.

    Args:
        box: The area, in pixels of the query.
        query: Shape `(height, width, 3)`.
        reference: Normal image, of any size, taken to show the same frame; None compares with the mean of
            the area around the box instead.
    """
    height, width = query.shape[:2]
    shape = (min(_SIDE, round(box.x2 - box.x1)), min(_SIDE, round(box.y2 - box.y1)))
    here = _crop(query, box, shape)
    if reference is None:
        around = _crop(query, _widened(box), (_SIDE, _SIDE))
        there = np.broadcast_to(around.mean(axis=(0, 1)), here.shape)
        edges_there = _gradient(around)
    else:
        sx, sy = reference.shape[1] / width, reference.shape[0] / height
        there = _crop(reference, box.scaled(sx, sy), shape)
        edges_there = _gradient(there)
    difference = (here - there).reshape(-1, 3)
    # A thin scratch fills little of its box: each pixel counts by how much it has changed.
    weight = np.abs(difference).sum(axis=1) + 1e-3
    red, green, blue = (float(value) for value in weight @ difference / weight.sum())
    return Change(
        lightness=0.3 * red + 0.6 * green + 0.1 * blue,
        red_green=red - green,
        blue_yellow=blue - (red + green) / 2,
        edges=(_gradient(here) + _EDGE_FLOOR) / (edges_there + _EDGE_FLOOR),
    )


def lightness_shift(query: RGB, reference: RGB) -> float:
    """How much brighter the whole query is than the reference, in grey levels."""
    return float(np.mean(cv2.mean(query)[:3]) - np.mean(cv2.mean(reference)[:3]))


def _crop(image: RGB, box: Box, shape_wh: tuple[int, int]) -> _Crop:
    """The part of an image in a box, resized; at least one pixel, also of a box on the very edge."""
    height, width = image.shape[:2]
    x1, y1 = (min(max(0, int(low)), side - 1) for low, side in ((box.x1, width), (box.y1, height)))
    x2, y2 = (
        min(max(low + 1, round(high)), side)
        for low, high, side in ((x1, box.x2, width), (y1, box.y2, height))
    )
    part = image[y1:y2, x1:x2]
    # Averaging a large crop exactly would cost more than all the rest.
    part = part[:: max(1, part.shape[0] // (2 * _SIDE)), :: max(1, part.shape[1] // (2 * _SIDE))]
    if part.shape[1::-1] != shape_wh:
        resized = cv2.resize(part, shape_wh, interpolation=cv2.INTER_AREA)
        return resized.reshape(shape_wh[1], shape_wh[0], 3).astype(np.float32)
    return part.astype(np.float32)


def _widened(box: Box) -> Box:
    """The box with half its size added on each side."""
    dx, dy = (box.x2 - box.x1) / 2, (box.y2 - box.y1) / 2
    return Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy)


def _gradient(crop: _Crop) -> float:
    """Mean absolute difference of neighbouring pixels, in grey levels."""
    total, count = 0.0, 0
    for axis in (0, 1):
        steps = np.abs(np.diff(crop, axis=axis))
        total, count = total + float(steps.sum()), count + steps.size
    return total / max(1, count)
