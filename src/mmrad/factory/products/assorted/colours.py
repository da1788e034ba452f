"""Colours of assorted products: of bodies, of parts that stand out from them, of tables."""

from __future__ import annotations

import cv2
import numpy as np

from mmrad.factory.canvas import RGB, Rng, mix, shade, vary

_METALS: tuple[RGB, ...] = ((172, 174, 178), (196, 162, 84), (150, 152, 158), (186, 118, 84), (96, 98, 104))
_TONES = (
    ((0.45, 0.42), (0.76, 0.8)),
    ((0.12, 0.65), (0.4, 0.9)),
    ((0.3, 0.2), (0.65, 0.42)),
    ((0.0, 0.18), (0.1, 0.9)),
)
"""Lowest and highest saturation and value of each family of colours."""


def _hsv(hue: float, saturation: float, value: float) -> RGB:
    pixel = np.array([[[hue * 179 % 180, saturation * 255, value * 255]]], np.uint8)
    r, g, b = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0]
    return int(r), int(g), int(b)


def _colour(rng: Rng, grey: bool) -> RGB:
    if grey:
        v = int(rng.integers(40, 226))
        return v, v, v
    # Vivid, pale, dark, without hue: things are seldom as bright as chance would have them.
    low, high = _TONES[int(rng.choice(len(_TONES), p=(0.28, 0.24, 0.2, 0.28)))]
    saturation, value = rng.uniform(low, high)
    return _hsv(rng.random(), saturation, value)


def apart(a: RGB, b: RGB) -> int:
    """Largest difference of a channel."""
    return max(abs(p - q) for p, q in zip(a, b, strict=True))


def draw_bases(rng: Rng, grey: bool) -> tuple[RGB, ...]:
    """The one to three colours in which a product comes."""
    metal = rng.random() < 0.25
    count = int(rng.choice((1, 1, 1, 2, 3)))
    if metal:
        v = int(rng.integers(120, 185))
        return ((v, v + 2, v + 6),)
    return tuple(_colour(rng, grey) for _ in range(count))


def dye(rng: Rng, grounds: tuple[RGB, ...], grey: bool, metal: bool = False) -> RGB:
    """A colour that stands out from each of the grounds."""
    best, reach = (0, 0, 0), -1
    for k in range(30):
        drawn = _METALS[int(rng.integers(len(_METALS)))] if metal and k < 6 else _colour(rng, grey)
        if grey:
            drawn = (drawn[1],) * 3
        near = min(apart(drawn, ground) for ground in grounds)
        if near > 70:
            return drawn
        if near > reach:
            best, reach = drawn, near
    return best


def relieved(base: RGB) -> RGB:
    """The tone of a relief in a body's own material."""
    return shade(base, 0.66) if sum(base) > 300 else mix(base, (235, 235, 235), 0.3)


def draw_tables(rng: Rng) -> tuple[RGB, ...]:
    """Three tables on which a product is photographed: mostly greys, as the other products' are."""
    greys = [(v, v, v) for v in (int(v) for v in rng.integers(60, 225, 3))]
    return tuple(
        mix(_colour(rng, False), grey, 0.6) if rng.random() < 0.25 else vary(rng, grey, 14) for grey in greys
    )
