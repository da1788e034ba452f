"""The drawing surface: colour with coverage, and a height map from which light and shadow are computed.

Coordinates are pixels of the product's own frame, x to the right and y down. All shapes are antialiased and
placed with 1/16 pixel precision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]
Rng = np.random.Generator
Points = NDArray[np.float64]
Image = NDArray[np.uint8]
Field = NDArray[np.float32]

_SHIFT = 4
_UNIT = 1 << _SHIFT
_BANK_BITS = 20


class Canvas:
    """A product being drawn: premultiplied RGBA and height, both 8 bit.

    Args:
        size_wh: width and height in pixels.

    Attributes:
        rgba: `uint8[h, w, 4]`; coverage 0 is where the background will show.
        height: `uint8[h, w]`; 0 is the table, larger is nearer to the camera.
    """

    __slots__ = ("height", "rgba")

    def __init__(self, size_wh: tuple[int, int]) -> None:
        w, h = size_wh
        self.rgba: Image = np.zeros((h, w, 4), np.uint8)
        self.height: Image = np.zeros((h, w), np.uint8)

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.height.shape[1], self.height.shape[0]

    def copy(self) -> Canvas:
        """Return an independent copy."""
        other = Canvas.__new__(Canvas)
        other.rgba, other.height = self.rgba.copy(), self.height.copy()
        return other

    def poly(self, points: Points, colour: RGB | None = None, height: int | None = None) -> None:
        """Fill a polygon `[n, 2]` with a colour, a height, or both."""
        self._each(
            colour,
            height,
            lambda image, value: cv2.fillPoly(image, [fixed(points)], value, cv2.LINE_AA, _SHIFT),
        )

    def disc(
        self, x: float, y: float, radius: float, colour: RGB | None = None, height: int | None = None
    ) -> None:
        """Fill a disc."""
        centre = (round(x * _UNIT), round(y * _UNIT))
        size = max(1, round(radius * _UNIT))
        self._each(
            colour,
            height,
            lambda image, value: cv2.circle(image, centre, size, value, -1, cv2.LINE_AA, _SHIFT),
        )

    def line(
        self,
        points: Points,
        width: int,
        colour: RGB | None = None,
        height: int | None = None,
        closed: bool = False,
    ) -> None:
        """Draw a polyline `[n, 2]`, `width` pixels thick."""
        path = [fixed(points)]
        self._each(
            colour,
            height,
            lambda image, value: cv2.polylines(image, path, closed, value, width, cv2.LINE_AA, _SHIFT),
        )

    def erase(self, points: Points) -> None:
        """Cut a polygon `[n, 2]` out of the product, down to the background."""
        cv2.fillPoly(self.rgba, [fixed(points)], (0, 0, 0, 0), cv2.LINE_AA, _SHIFT)
        cv2.fillPoly(self.height, [fixed(points)], 0, cv2.LINE_AA, _SHIFT)

    def erase_disc(self, x: float, y: float, radius: float) -> None:
        """Cut a disc out of the product, down to the background."""
        centre, size = (round(x * _UNIT), round(y * _UNIT)), round(radius * _UNIT)
        cv2.circle(self.rgba, centre, size, (0, 0, 0, 0), -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(self.height, centre, size, 0, -1, cv2.LINE_AA, _SHIFT)

    def grain(self, rng: Rng, cell: int, colour: float = 0.0, height: float = 0.0) -> None:
        """Roughen what is drawn so far with noise of `cell` pixels.

        Args:
            rng: source of the noise.
            cell: size of the bumps in pixels, at least 1.
            colour: standard deviation of the brightness, in levels.
            height: standard deviation of the height, in levels.
        """
        # All in 8 bit around 128: wider types would cost more than the drawing itself.
        noise = smooth_noise(rng, self.size_wh, cell)
        covered = cv2.extractChannel(self.rgba, 3)
        if colour:
            tone = cv2.convertScaleAbs(noise, alpha=colour, beta=128)
            same = np.full_like(tone, 128)
            rough = cv2.addWeighted(self.rgba, 1, cv2.merge([tone, tone, tone, same]), 1, -128)
            # Premultiplied colour never exceeds the coverage; this also clears what lies beside the product.
            self.rgba = cv2.min(rough, cv2.cvtColor(covered, cv2.COLOR_GRAY2RGBA))  # type: ignore[assignment]
            self.rgba[:, :, 3] = covered
        if height:
            bumps = cv2.convertScaleAbs(noise, alpha=height, beta=128)
            self.height = cv2.min(cv2.addWeighted(self.height, 1, bumps, 1, -128), covered)  # type: ignore[assignment]

    def _each(self, colour: RGB | None, height: int | None, draw: Callable[[Image, Any], object]) -> None:
        if colour is not None:
            draw(self.rgba, (*colour, 255))
        if height is not None:
            draw(self.height, height)


def fixed(points: Points) -> NDArray[np.int32]:
    """Round `[n, 2]` pixel coordinates to OpenCV's fixed-point form."""
    return np.rint(np.asarray(points, np.float64) * _UNIT).astype(np.int32)


def shade(colour: RGB, factor: float) -> RGB:
    """Return a colour made darker (`factor` < 1) or lighter, clipped to 0..255."""
    r, g, b = (min(255, max(0, round(c * factor))) for c in colour)
    return r, g, b


def vary(rng: Rng, colour: RGB, spread: float) -> RGB:
    """Return a colour moved by up to `spread` levels: mostly lighter or darker, a little in hue."""
    moves = rng.uniform(-0.8, 0.8) + rng.uniform(-0.2, 0.2, 3)
    r, g, b = (int(min(255, max(0, c + d * spread))) for c, d in zip(colour, moves, strict=True))
    return r, g, b


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """Return the colour that is `share` of the way from `a` to `b`."""
    r, g, bl = (round(p + (q - p) * share) for p, q in zip(a, b, strict=True))
    return r, g, bl


def place(points: Points, x: float, y: float, angle: float = 0.0) -> Points:
    """Turn `[n, 2]` points by `angle` radians about the origin, then move them to (x, y)."""
    c, s = np.cos(angle), np.sin(angle)
    out: Points = points @ np.array(((c, s), (-s, c)))
    out += (x, y)
    return out


@lru_cache(maxsize=512)
def rounded(w: float, h: float, radius: float) -> Points:
    """Outline `[n, 2]` of a rounded rectangle centred on the origin."""
    radius = min(radius, w / 2, h / 2)
    turns = np.linspace(0, np.pi / 2, 5)
    arc = np.stack((np.cos(turns), np.sin(turns)), 1) * radius
    corner = np.array((w / 2 - radius, h / 2 - radius))
    parts = []
    for quarter in range(4):
        c, s = (1, 0, -1, 0)[quarter], (0, 1, 0, -1)[quarter]
        centre = corner * ((1, 1), (-1, 1), (-1, -1), (1, -1))[quarter]
        parts.append(arc @ np.array(((c, s), (-s, c)), float) + centre)
    return np.concatenate(parts)


@lru_cache(maxsize=256)
def ngon(n: int, radius: float, ripple: float = 0.0, waves: int = 0) -> Points:
    """Outline `[n, 2]` of a regular polygon; with `waves`, the radius ripples by the share `ripple`."""
    turns = np.arange(n) * (2 * np.pi / n)
    r = radius * (1 + ripple * np.cos(turns * waves))
    return np.stack((np.cos(turns) * r, np.sin(turns) * r), 1)


def blob(rng: Rng, length: float, width: float, rough: float = 0.25) -> Points:
    """Outline `[24, 2]` of a random lump about the origin, some `length` by `width` pixels, turned."""
    turns = np.arange(24) * (2 * np.pi / 24)
    r = np.ones(24)
    for k in (2, 3, 4, 6):
        r += rng.normal(0, rough / k) * np.cos(k * turns + rng.uniform(0, 6.3))
    r = np.clip(r, 0.4, 1.5)
    points = np.stack((np.cos(turns) * r * (length / 2), np.sin(turns) * r * (width / 2)), 1)
    return place(points, 0, 0, rng.uniform(0, np.pi))


def smooth_noise(rng: Rng, size_wh: tuple[int, int], cell: int) -> Field:
    """Noise of about unit variance, `float32[h, w]`, whose bumps are `cell` pixels across."""
    w, h = size_wh
    small = white_noise(rng, (h // cell + 2, w // cell + 2))
    out: Field = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return out


def white_noise(rng: Rng, shape: tuple[int, ...]) -> Field:
    """Independent normal noise of unit variance: a view of a bank made once a process; do not write to it."""
    count = int(np.prod(shape))
    start = int(rng.integers((1 << _BANK_BITS) - count))
    return _bank()[start : start + count].reshape(shape)


@lru_cache(maxsize=1)
def _bank() -> Field:
    # A fresh draw for each image would cost as much as the drawing; a window into a million values does not.
    return np.random.default_rng(20_240_607).standard_normal(1 << _BANK_BITS, np.float32)
