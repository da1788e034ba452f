"""Outlines of assorted products: each draws one that fills a given width and height about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mmrad.factory.canvas import Points, Rng, ngon, place, rounded

Outline = tuple[list[Points], list[Points]]
"""Polygons that make up a body, and those cut out of it; about the origin."""


def _plate(rng: Rng, w: float, h: float) -> Outline:
    h *= rng.uniform(0.72, 1.0)
    return [rounded(w, h, float(rng.choice((3, 8, 16, 34))))], []


def _bar(rng: Rng, w: float, h: float) -> Outline:
    thick = min(w, h) * rng.uniform(0.34, 0.5)
    long = max(w, h)
    shape = rounded(long, thick, float(rng.choice((3, 10, thick / 2))))
    return [place(shape, 0, 0, np.pi / 2 if h > w else 0.0)], []


def _disc(rng: Rng, w: float, h: float) -> Outline:
    r = min(w, h) / 2
    ripple, waves = ((0.0, 0), (0.018, 60), (0.035, 24), (0.06, 12), (0.05, 8))[int(rng.integers(5))]
    return [ngon(360, r, ripple, waves)], []


def wheel(rng: Rng, w: float, h: float) -> Outline:
    """A disc with room for teeth around it."""
    return [ngon(120, min(w, h) * rng.uniform(0.41, 0.44))], []


def _washer(rng: Rng, w: float, h: float) -> Outline:
    outer, _ = _disc(rng, w, h)
    bore = float(min(w, h) / 2 * rng.uniform(0.28, 0.5))
    return outer, [ngon(int(rng.choice((6, 90))), bore)]


def _polygon(rng: Rng, w: float, h: float) -> Outline:
    n = int(rng.choice((3, 5, 6, 6, 8)))
    # A triangle is as high as three quarters of its circle.
    shape = ngon(n, min(w, h) * (0.62 if n == 3 else 0.48))
    return [place(shape, 0, min(w, h) * 0.14 if n == 3 else 0.0, -np.pi / 2)], []


def _oval(rng: Rng, w: float, h: float) -> Outline:
    t = np.arange(180) * (np.pi / 90)
    power = 2 / rng.choice((2.0, 2.0, 3.0, 5.0))
    c, s = np.cos(t), np.sin(t)
    x = np.sign(c) * np.abs(c) ** power * w / 2
    y = np.sign(s) * np.abs(s) ** power * h / 2 * rng.uniform(0.7, 1.0)
    return [np.stack((x, y), 1)], []


def _lobes(rng: Rng, w: float, h: float) -> Outline:
    """A closed curve that waves a few times: gaskets, flanges, flowers, guitar bodies."""
    t = np.arange(240) * (np.pi / 120)
    k = int(rng.integers(2, 7))
    r = 1 + rng.uniform(0.08, 0.26) * np.cos(k * t) + rng.uniform(-0.05, 0.05) * np.cos(2 * k * t)
    shape = np.stack((r * np.cos(t), r * np.sin(t)), 1)
    shape *= np.array((w, h) if rng.random() < 0.5 else (min(w, h), min(w, h))) / (
        np.ptp(shape, axis=0) + 1e-9
    )
    bore = [ngon(80, float(min(w, h) * rng.uniform(0.1, 0.2)))] if rng.random() < 0.4 else []
    return [shape], bore


def _bottle(rng: Rng, w: float, h: float) -> Outline:
    half = min(w / 2, h * 0.34) * rng.uniform(0.75, 1.0)
    neck, top, bottom = half * rng.uniform(0.3, 0.6), -h / 2, h / 2
    shoulder = top + h * rng.uniform(0.2, 0.34)
    waist = half * rng.uniform(0.84, 1.0)
    profile = np.array(
        (
            (neck, top),
            (neck, top + (shoulder - top) * 0.55),
            (half * 0.85, shoulder - h * 0.02),
            (half, shoulder + h * 0.05),
            (waist, h * 0.12),
            (half, bottom - h * 0.09),
            (half * 0.9, bottom),
        )
    )
    return [np.concatenate((profile, profile[::-1] * (-1, 1)))], []


def _pouch(rng: Rng, w: float, h: float) -> Outline:
    w *= 0.94
    n = int(rng.integers(14, 26))
    xs = np.linspace(-w / 2, w / 2, 2 * n + 1)
    zig = np.where(np.arange(2 * n + 1) % 2, 3.0, 0.0)
    side = np.linspace(-1, 1, 12)[1:-1]
    bulge = w / 2 - rng.uniform(2, 9) * (1 - side**2)
    top, bottom = np.stack((xs, -h / 2 + zig), 1), np.stack((xs[::-1], h / 2 - zig), 1)
    right = np.stack((bulge, side * (h / 2 - 6)), 1)
    return [np.concatenate((top, right, bottom, right[::-1] * (-1, 1)))], []


def _bracket(rng: Rng, w: float, h: float) -> Outline:
    """Sheet cut to an L, T, U, plus or Z."""
    a, b = w * rng.uniform(0.34, 0.46), h * rng.uniform(0.34, 0.46)
    r = float(rng.choice((2.0, 8.0, 16.0)))
    across, down = rounded(w, b, r), rounded(a, h, r)
    x, y = (w - a) / 2, (h - b) / 2
    return (
        [place(across, 0, -y), place(down, -x, 0)],
        [place(across, 0, -y), down],
        [place(across, 0, y), place(down, -x, 0), place(down, x, 0)],
        [across, down],
        [place(rounded(w * 0.66, b, r), -w * 0.17, -y), down, place(rounded(w * 0.66, b, r), w * 0.17, y)],
    )[int(rng.integers(5))], []


def _eared(rng: Rng, w: float, h: float) -> Outline:
    """A housing with two or four bored ears."""
    ear = min(w, h) * rng.uniform(0.1, 0.14)
    core = rounded(w - 2.6 * ear, h * rng.uniform(0.62, 0.9), float(rng.choice((3, 9, 30))))
    reach = float(np.ptp(core[:, 1])) / 2 - ear
    spots = [
        (s * (w / 2 - ear), y) for s in (-1, 1) for y in ((0.0,) if rng.random() < 0.5 else (-reach, reach))
    ]
    ears = [place(ngon(32, ear), x, y) for x, y in spots]
    webs = [place(rounded(3 * ear, 2 * ear, 2), x - np.sign(x) * ear * 1.5, y) for x, y in spots]
    return [core, *ears, *webs], [place(ngon(32, ear * 0.48), x, y) for x, y in spots]


def _link(rng: Rng, w: float, h: float) -> Outline:
    """A rod with an eye at each end: links, spanners."""
    long, eye = max(w, h), min(w, h) * rng.uniform(0.24, 0.32)
    other = eye * rng.uniform(0.7, 1.0)
    a, b = long / 2 - eye, long / 2 - other
    rod = place(rounded(long - eye - other, min(eye, other) * rng.uniform(1.0, 1.4), 2), (b - a) / 2, 0)
    cut = [
        place(ngon(int(n), eye * 0.45), x, 0) for n, x in zip(rng.choice((6, 60), 2), (-a, b), strict=True)
    ]
    turn = np.pi / 2 if h > w else 0.0
    hulls = [rod, place(ngon(60, eye), -a, 0), place(ngon(60, other), b, 0)]
    return [place(p, 0, 0, turn) for p in hulls], [place(p, 0, 0, turn) for p in cut]


def _frame(rng: Rng, w: float, h: float) -> Outline:
    rim = min(w, h) * rng.uniform(0.2, 0.27)
    r = float(rng.choice((3, 12, 30)))
    return [rounded(w, h, r)], [rounded(w - 2 * rim, h - 2 * rim, r / 2)]


def _arch(rng: Rng, w: float, h: float) -> Outline:
    """A D, a shield or a plectrum."""
    t = np.linspace(0, np.pi, 60)
    dome = np.stack((np.cos(t) * w / 2, -np.sin(t) * h * 0.5), 1)
    foot = h * rng.uniform(0.2, 0.5)
    base = np.array(((-w / 2 * rng.uniform(0.4, 1.0), foot), (w / 2, foot)))
    base[1, 0] = -base[0, 0]
    return [np.concatenate((dome, base))], []


_OUTLINES: tuple[tuple[Callable[[Rng, float, float], Outline], float], ...] = (
    (_plate, 5.0),
    (_bar, 1.5),
    (_disc, 4.0),
    (_washer, 1.5),
    (wheel, 1.5),
    (_polygon, 1.5),
    (_oval, 2.0),
    (_lobes, 2.5),
    (_bottle, 1.5),
    (_pouch, 1.0),
    (_bracket, 2.0),
    (_eared, 2.0),
    (_link, 1.0),
    (_frame, 1.0),
    (_arch, 1.0),
)
ROUND = (_disc, wheel, _washer, _polygon, _lobes)


def choose(
    rng: Rng, options: tuple[tuple[Callable[..., Outline], float], ...] = _OUTLINES
) -> Callable[..., Outline]:
    """An outline, by weight."""
    weights = np.array([weight for _, weight in options])
    return options[int(rng.choice(len(options), p=weights / weights.sum()))][0]
