"""Where the parts of assorted products lie: arrangements, and the room that is left."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from mmrad.factory.canvas import Image, Points, Rng, fixed, place, rounded

Place = tuple[float, float, float]
"""x and y of a part's centre in pixels, and its angle in radians."""

_GAP = 4.0


def open_area(cover: Image, filled: bool) -> Image:
    """`uint8[h, w]`, 1 where parts may lie on a body of coverage `cover`; `filled`: it fills the frame."""
    inner = (cover > 250).astype(np.uint8)
    h, w = inner.shape
    # The frame's edge counts as the body's; what fills the frame is seen enlarged.
    mx, my = (w // 5, h // 5) if filled else (7, 7)
    inner[:my], inner[-my:], inner[:, :mx], inner[:, -mx:] = 0, 0, 0, 0
    return cv2.erode(inner, np.ones((9, 9), np.uint8))  # type: ignore[return-value]


def _footprint(spot: Place, w: float, h: float) -> Points:
    return place(rounded(w + _GAP, h + _GAP, min(w, h) / 2), *spot)


def take(free: Image, spot: Place, w: float, h: float) -> bool:
    """Occupy the place of a part; False, and no change, when it is not all free."""
    x, y = int(spot[0]), int(spot[1])
    if not (0 <= x < free.shape[1] and 0 <= y < free.shape[0] and free[y, x]):
        return False
    stamp = np.zeros_like(free)
    cv2.fillPoly(stamp, [fixed(_footprint(spot, w, h))], 1, cv2.LINE_8, 4)
    covered = stamp > 0
    if not covered.any() or not free[covered].all():
        return False
    free[covered] = 0
    return True


def gaps(
    rng: Rng, free: Image, w: float, h: float, angle: float
) -> tuple[tuple[float, float, float, float], ...]:
    """Up to six small areas x1, y1, x2, y2 where a further part of a size has room for its centre."""
    left, found = free.copy(), []
    height, width = free.shape
    for x, y in rng.uniform((0, 0), (width, height), (60, 2)):
        if take(left, (float(x), float(y), angle), w + 4, h + 4):
            found.append((float(x) - 2, float(y) - 2, float(x) + 2, float(y) + 2))
    return tuple(found[:6])


def _box(free: Image) -> tuple[float, float, float, float]:
    ys, xs = np.nonzero(free)
    if not len(xs):
        return 0.0, 0.0, 1.0, 1.0
    return float(xs.min()), float(ys.min()), float(xs.max()), float(ys.max())


def _centre_of(free: Image) -> tuple[float, float]:
    h, w = free.shape
    return w / 2, h / 2


def _right_angle(rng: Rng) -> float:
    return float(rng.choice((0.0, 0.0, np.pi / 2, np.pi, -np.pi / 4)))


def _grid(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    x1, y1, x2, y2 = _box(free)
    turn = float(rng.choice((0.0, 0.0, np.pi / 2)))
    across, down = (w, h) if turn == 0 else (h, w)
    nx = int(rng.integers(1, 2 + max(1, min(6, int((x2 - x1) / (across + _GAP + 2))))))
    ny = int(rng.integers(1, 2 + max(1, min(5, int((y2 - y1) / (down + _GAP + 2))))))
    while nx * ny > 24:
        nx, ny = max(1, nx - 1), max(1, ny - 1)
    # Pitches between tight and spread over the whole.
    px = rng.uniform(across + _GAP + 2, max(across + _GAP + 3, (x2 - x1) / nx))
    py = rng.uniform(down + _GAP + 2, max(down + _GAP + 3, (y2 - y1) / ny))
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    if rng.random() < 0.4:
        cx += rng.uniform(-0.25, 0.25) * (x2 - x1)
        cy += rng.uniform(-0.25, 0.25) * (y2 - y1)
    return [
        (cx + (i - (nx - 1) / 2) * px, cy + (j - (ny - 1) / 2) * py, turn)
        for j in range(ny)
        for i in range(nx)
    ]


def _circle(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    cx, cy = _centre_of(free)
    x1, y1, x2, y2 = _box(free)
    n = int(rng.integers(3, 13))
    radius = rng.uniform(0.35, 0.95) * min(x2 - x1, y2 - y1) / 2 - min(w, h) / 2
    start = float(rng.choice((0.0, np.pi / n, -np.pi / 2)))
    lean = rng.choice((0.0, np.pi / 2))
    upright = rng.random() < 0.3
    turns = [start + 2 * np.pi * k / n for k in range(n)]
    return [
        (cx + radius * np.cos(t), cy + radius * np.sin(t), 0.0 if upright else float(t + lean)) for t in turns
    ]


def _corners(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    x1, y1, x2, y2 = _box(free)
    inset = rng.uniform(0, 0.12) * min(x2 - x1, y2 - y1) + 3
    a, b = (x2 - x1 - w) / 2 - inset, (y2 - y1 - h) / 2 - inset
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    signs = ((-1, -1), (1, -1), (-1, 1), (1, 1)) if rng.random() < 0.7 else ((-1, -1), (1, 1))
    return [(cx + i * a, cy + j * b, 0.0) for i, j in signs]


def _pair(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    cx, cy = _centre_of(free)
    x1, y1, x2, y2 = _box(free)
    dx, dy = rng.uniform(0.15, 0.45) * (x2 - x1), rng.uniform(-0.4, 0.4) * (y2 - y1)
    turn = _right_angle(rng)
    if rng.random() < 0.5:
        return [(cx - dx, cy + dy, turn), (cx + dx, cy + dy, -turn)]
    dx, dy = rng.uniform(-0.3, 0.3) * (x2 - x1), rng.uniform(0.15, 0.42) * (y2 - y1)
    return [(cx + dx, cy - dy, turn), (cx + dx, cy + dy, turn)]


def _scatter(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    """list[Place] without order, the same ones on each piece."""
    left = free.copy()
    found: list[Place] = []
    count = int(rng.integers(2, 9))
    height, width = free.shape
    turn = _right_angle(rng)
    for x, y in rng.uniform((0, 0), (width, height), (80, 2)):
        spot = (float(x), float(y), turn)
        if len(found) < count and take(left, spot, w + 4, h + 4):
            found.append(spot)
            turn = turn if rng.random() < 0.6 else _right_angle(rng)
    return found


def _middle(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    return [(*_centre_of(free), _right_angle(rng))]


def _along_edge(rng: Rng, free: Image, w: float, h: float) -> list[Place]:
    """list[Place] at even distances along the outline."""
    depth = int(min(w, h) / 2 + 3)
    inner = cv2.erode(free, np.ones((2 * depth + 1, 2 * depth + 1), np.uint8))
    found, _ = cv2.findContours(inner, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        return []
    path = max(found, key=len).reshape(-1, 2).astype(float)
    count = int(min(24, len(path) / (w * rng.uniform(1.3, 3.0))))
    if count < 3:
        return []
    where = (np.arange(count) * len(path) / count).astype(int)
    ahead = path[(where + 6) % len(path)] - path[(where - 6) % len(path)]
    turns = np.arctan2(ahead[:, 1], ahead[:, 0])
    return [(float(x), float(y), float(t)) for (x, y), t in zip(path[where], turns, strict=True)]


ARRANGEMENTS: tuple[Callable[[Rng, Image, float, float], list[Place]], ...] = (
    _grid,
    _grid,
    _grid,
    _circle,
    _circle,
    _corners,
    _pair,
    _scatter,
    _middle,
    _along_edge,
)
