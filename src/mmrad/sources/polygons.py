"""Outlines as annotation tools write them, turned into boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmrad.box import Box


def enclosing(points: Sequence[Sequence[float]]) -> Box:
    """The smallest box of whole pixels around points.

    Args:
        points: `(x, y)` pairs in pixels.

    Raises:
        ValueError: When they are no pairs of finite numbers, or all lie on one pixel's edge.
    """
    corners = np.asarray(points, float)
    if corners.ndim != 2 or corners.shape[1] != 2 or not np.isfinite(corners).all():
        raise ValueError("not points (x, y)")
    (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
    return Box(math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2))


def rotated_corners(xywh: Sequence[float], degrees: float) -> list[tuple[float, float]]:
    """The corners of a box turned about its centre, as CVAT writes rotated boxes in COCO files.

    Args:
        xywh: Left, top, width and height before the turn, in pixels.
        degrees: Angle, clockwise on the screen.
    """
    x, y, width, height = xywh
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    centre_x, centre_y = x + width / 2, y + height / 2
    offsets = [(-width / 2, -height / 2), (width / 2, -height / 2)]
    offsets += [(-dx, -dy) for dx, dy in offsets]
    return [(centre_x + dx * cos - dy * sin, centre_y + dx * sin + dy * cos) for dx, dy in offsets]
