"""Painters of parts that several products share."""

from __future__ import annotations

import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Points, ngon, place, rounded, shade
from mmrad.factory.scene import Part


def plate(canvas: Canvas, part: Part) -> None:
    """A flat body with rounded corners and a fine grain; `bend` is the corner radius in pixels."""
    outline = part.at(rounded(part.w, part.h, part.bend))
    canvas.poly(outline, part.colour, part.level)
    canvas.grain(part.rng(), 3, 2.5, 1.5)


def screw_head(canvas: Canvas, part: Part) -> None:
    """A cross-recessed screw from above; `w` is the diameter."""
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.75), part.level)
    canvas.disc(part.x, part.y, r * 0.86, part.colour, part.level + 14)
    canvas.disc(part.x - r * 0.2, part.y - r * 0.2, r * 0.45, shade(part.colour, 1.15))
    dark = shade(part.colour, 0.3)
    for turn in (0.0, np.pi / 2):
        bar = place(rounded(r * 1.15, max(1.6, r * 0.28), 0.5), part.x, part.y, part.angle + turn)
        canvas.poly(bar, dark, part.level - 20)


def screw_side(canvas: Canvas, part: Part) -> None:
    """A screw lying down, head at the left; `w` is the length, `h` the head's width."""
    head, shank = part.h * 0.55, part.h * 0.42
    left = -part.w / 2
    dark, light = shade(part.colour, 0.6), shade(part.colour, 1.2)
    _strip(canvas, part, left + head, part.w / 2 - shank * 0.6, shank, part.colour, light)
    tip = np.array(
        ((part.w / 2 - shank * 0.7, -shank / 2), (part.w / 2, 0.0), (part.w / 2 - shank * 0.7, shank / 2))
    )
    canvas.poly(part.at(_arch(part, tip)), dark, part.level - 8)
    # The thread is one zigzag: a line for each turn would take most of the time of the picture.
    xs = np.arange(left + head + 2, part.w / 2 - shank * 0.5, 1.6)
    thread = np.stack((xs, np.where(np.arange(len(xs)) % 2, shank, -shank) * 0.62), 1)
    canvas.line(part.at(_arch(part, thread)), 1, dark, part.level + 8)
    canvas.poly(
        part.at(_arch(part, place(rounded(head, part.h, 2.0), left + head / 2, 0))),
        part.colour,
        part.level + 14,
    )
    slot = np.array(((left + head * 0.3, -part.h * 0.3), (left + head * 0.3, part.h * 0.3)))
    canvas.line(part.at(_arch(part, slot)), 1, light)


def nut(canvas: Canvas, part: Part) -> None:
    """A hexagon nut from above; `w` is the width across corners."""
    r = part.w / 2
    canvas.poly(part.at(ngon(6, r)), shade(part.colour, 0.85), part.level)
    canvas.disc(part.x, part.y, r * 0.8, part.colour, part.level + 12)
    canvas.disc(part.x, part.y, r * 0.5, shade(part.colour, 0.45), part.level - 10)
    canvas.disc(part.x, part.y, r * 0.4, (34, 34, 36), part.level - 50)


def washer(canvas: Canvas, part: Part) -> None:
    """A flat washer; `w` is the diameter."""
    r = part.w / 2
    canvas.disc(part.x, part.y, r, part.colour, part.level - 20)
    canvas.disc(part.x, part.y, r * 0.82, shade(part.colour, 1.06))
    canvas.disc(part.x, part.y, r * 0.5, shade(part.colour, 0.6))
    canvas.disc(part.x, part.y, r * 0.45, (52, 52, 54), max(0, part.level - 70))


def cable(canvas: Canvas, part: Part) -> None:
    """An insulated wire along its own y axis, `w` thick and `h` long; `bend` bows it by that many pixels."""
    t = np.linspace(-0.5, 0.5, 8)
    sag = part.rng().uniform(-1.5, 1.5) + part.bend
    path = np.stack((sag * np.cos(t * np.pi), t * part.h), 1)
    width = max(2, round(part.w))
    canvas.line(part.at(path), width, shade(part.colour, 0.72), part.level - 15)
    canvas.line(part.at(path), max(1, round(width * 0.66)), part.colour, part.level)
    canvas.line(
        part.at(path - (width * 0.17, 0)), max(1, width // 4), shade(part.colour, 1.3), part.level + 8
    )


def _arch(part: Part, points: Points) -> Points:
    """Bend points `[n, 2]` of the part's own frame into an arc whose rise is `bend` pixels."""
    if not part.bend:
        return points
    out = points.copy()
    out[:, 1] += part.bend * (1 - (2 * points[:, 0] / part.w) ** 2)
    return out


def _strip(canvas: Canvas, part: Part, x1: float, x2: float, width: float, colour: RGB, light: RGB) -> None:
    xs = np.linspace(x1, x2, 8)
    edge = np.concatenate(
        (np.stack((xs, np.full(8, -width / 2)), 1), np.stack((xs[::-1], np.full(8, width / 2)), 1))
    )
    canvas.poly(part.at(_arch(part, edge)), colour, part.level)
    canvas.line(part.at(_arch(part, np.stack((xs, np.full(8, -width * 0.18)), 1))), 1, light, part.level + 10)
