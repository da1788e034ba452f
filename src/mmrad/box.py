"""Boxes: the one representation of a place in an image, and what is computed on it.

A box is `(x1, y1, x2, y2)` in pixels, half-open: `x2` and `y2` are one past the last pixel. Nothing in
mmrad stores `[x, y, w, h]`; formats that want it convert at their own edge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box `(x1, y1, x2, y2)` in pixels, half-open, `x1 < x2` and `y1 < y2`.

    Raises:
        ValueError: When a coordinate is not finite or the box has no area.
    """

    x1: float
    y1: float
    x2: float
    y2: float

    def __post_init__(self) -> None:
        if not (all(map(math.isfinite, self.xyxy)) and self.x1 < self.x2 and self.y1 < self.y2):
            raise ValueError(f"not a box with an area: {self.xyxy}")

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        """The four numbers in the order x1, y1, x2, y2."""
        return (self.x1, self.y1, self.x2, self.y2)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    @property
    def center(self) -> tuple[float, float]:
        """Centre `(x, y)` in pixels."""
        return ((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    def scaled(self, sx: float, sy: float) -> Box:
        """The box with its x coordinates times `sx` and its y coordinates times `sy`."""
        return Box(self.x1 * sx, self.y1 * sy, self.x2 * sx, self.y2 * sy)

    def shifted(self, dx: float, dy: float) -> Box:
        """The box moved by `(dx, dy)` pixels."""
        return Box(self.x1 + dx, self.y1 + dy, self.x2 + dx, self.y2 + dy)

    def clipped(self, size_wh: tuple[int, int]) -> Box | None:
        """The part of the box inside an image of `size_wh` (width, height), or None when nothing is left."""
        width, height = size_wh
        x1, x2 = max(0.0, self.x1), min(float(width), self.x2)
        y1, y2 = max(0.0, self.y1), min(float(height), self.y2)
        return Box(x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None

    def rounded(self) -> tuple[int, int, int, int]:
        """Integer `(x1, y1, x2, y2)`, at least one pixel wide and high."""
        x1, y1, x2, y2 = (round(value) for value in self.xyxy)
        return (x1, y1, max(x2, x1 + 1), max(y2, y1 + 1))

    def iou(self, other: Box) -> float:
        """Intersection over union with `other`, in [0, 1]."""
        return float(iou_matrix([self], [other])[0, 0])


def as_array(boxes: Sequence[Box]) -> NDArray[np.float64]:
    """The boxes as an array of shape `(N, 4)` in the order x1, y1, x2, y2."""
    return np.array([box.xyxy for box in boxes], dtype=np.float64).reshape(-1, 4)


def iou_matrix(a: Sequence[Box], b: Sequence[Box]) -> NDArray[np.float64]:
    """Pairwise intersection over union.

    Args:
        a: N boxes.
        b: M boxes in the same pixels.

    Returns:
        Array of shape `(N, M)` with values in [0, 1].
    """
    first, second = as_array(a)[:, None, :], as_array(b)[None, :, :]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    intersection = np.prod(np.clip(high - low, 0, None), axis=-1)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - intersection
    return np.asarray(intersection / union, dtype=np.float64)


def match(predicted: Sequence[Box], true: Sequence[Box], iou_threshold: float) -> list[tuple[int, int]]:
    """One-to-one matching with as many pairs as possible, ties broken towards the larger total IoU.

    Args:
        predicted: N predicted boxes.
        true: M true boxes in the same pixels.
        iou_threshold: Smallest IoU at which two boxes may be paired, inclusive.

    Returns:
        Pairs `(index in predicted, index in true)`, in the order of `predicted`.
    """
    if not predicted or not true:
        return []
    iou = iou_matrix(predicted, true)
    allowed = iou >= iou_threshold
    # A pair counts for more than any sum of IoUs, so the number of pairs is maximised first.
    gain = np.where(allowed, 1.0 + min(iou.shape) + iou, 0.0)
    # Half a second to load, and most who import boxes match none.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gain, maximize=True)
    return [(int(row), int(col)) for row, col in zip(rows, columns, strict=True) if allowed[row, col]]


def nms(boxes: Sequence[Box], scores: Sequence[float], iou_threshold: float) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: N boxes.
        scores: N scores, higher is better; ties keep the earlier box.
        iou_threshold: A box that overlaps a kept one by more than this IoU is dropped.

    Returns:
        Indices of the kept boxes by falling score.
    """
    if len(boxes) != len(scores):
        raise ValueError(f"{len(boxes)} boxes but {len(scores)} scores")
    iou = iou_matrix(boxes, boxes)
    kept: list[int] = []
    for index in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(iou[index, other] <= iou_threshold for other in kept):
            kept.append(index)
    return kept
