"""Painters of the parts that assorted products are composed of.

`seed` chooses among the looks of a part: two parts of one seed look alike. `level` is the height of its top.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Points, blob, ngon, place, rounded, shade
from mmrad.factory.parts import screw_head
from mmrad.factory.scene import Part

_PAPER: RGB = (236, 233, 224)
_INK: RGB = (44, 46, 52)
_SILVER: RGB = (194, 196, 200)


def _ink(part: Part) -> RGB:
    """What prints legibly on the part."""
    return _PAPER if sum(part.colour) < 380 else _INK


def _line(
    canvas: Canvas, part: Part, x1: float, y1: float, x2: float, y2: float, width: int, ink: RGB
) -> None:
    canvas.line(part.at(np.array(((x1, y1), (x2, y2)))), width, ink)


def _box(part: Part, w: float, h: float, radius: float, x: float = 0.0, y: float = 0.0) -> Points:
    return part.at(place(rounded(w, h, radius), x, y))


def through_hole(canvas: Canvas, part: Part) -> None:
    """A drilled hole with a bright rim; the table shows."""
    canvas.disc(part.x, part.y, part.w * 0.5, shade(part.colour, 1.15), part.level)
    canvas.erase_disc(part.x, part.y, part.w * 0.36)


def through_slot(canvas: Canvas, part: Part) -> None:
    """A long hole with a bright rim."""
    canvas.poly(_box(part, part.w, part.h, part.h), shade(part.colour, 1.15), part.level)
    canvas.erase(_box(part, part.w - 6, part.h - 6, part.h))


def dimple(canvas: Canvas, part: Part) -> None:
    """A round recess."""
    canvas.disc(part.x, part.y, part.w / 2, shade(part.colour, 0.74), max(8, part.level - 50))
    canvas.disc(part.x, part.y, part.w * 0.32, shade(part.colour, 0.55), max(4, part.level - 70))


def stud(canvas: Canvas, part: Part) -> None:
    """A rivet: a low round head."""
    canvas.disc(part.x, part.y, part.w / 2, shade(part.colour, 0.78), part.level)
    canvas.disc(part.x, part.y, part.w * 0.37, part.colour, part.level + 24)
    if part.seed % 3 == 0:
        canvas.disc(part.x, part.y, part.w * 0.16, shade(part.colour, 0.6), part.level + 8)


def bead(canvas: Canvas, part: Part) -> None:
    """A pearl or lamp with a highlight."""
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.66), part.level)
    canvas.disc(part.x, part.y, r * 0.76, part.colour, part.level + 20)
    canvas.disc(part.x - r * 0.25, part.y - r * 0.25, r * 0.28, shade(part.colour, 1.6), part.level + 26)


def tablet(canvas: Canvas, part: Part) -> None:
    """A pill or button: a score line, two or four eyes, or plain."""
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.86), part.level)
    canvas.disc(part.x, part.y, r * 0.82, part.colour, part.level + 22)
    look = part.seed % 4
    if look == 0:
        _line(canvas, part, -r * 0.75, 0, r * 0.75, 0, 2, shade(part.colour, 0.72))
    elif look < 3:
        for k in range(2 * look):
            turn = (k + 0.5) * np.pi / look
            x, y = part.at(np.array(((r * 0.34 * np.cos(turn), r * 0.34 * np.sin(turn)),)))[0]
            canvas.disc(x, y, max(1.5, r * 0.15), shade(part.colour, 0.4), part.level)


def gem(canvas: Canvas, part: Part) -> None:
    """A cut stone."""
    n = 4 + part.seed % 5
    outline = ngon(n, part.w / 2) * (1.0, part.h / part.w)
    canvas.poly(part.at(outline), shade(part.colour, 0.7), part.level)
    for k in range(n):
        facet = np.stack((outline[k], outline[(k + 1) % n], outline[(k + 1) % n] * 0.55, outline[k] * 0.55))
        canvas.poly(part.at(facet), shade(part.colour, 0.75 + 0.5 * (k % 3) / 2))
    canvas.poly(part.at(outline * 0.55), shade(part.colour, 1.2), part.level + 26)


def block(canvas: Canvas, part: Part) -> None:
    """A component or chip with a print, with legs now and then."""
    if part.seed % 3 == 0:
        for side in (-1, 1):
            for x in np.linspace(-part.w * 0.4, part.w * 0.4, 3 + part.seed % 4):
                canvas.poly(_box(part, 3, 8, 0.5, x, side * part.h / 2), _SILVER, part.level - 10)
    radius = (1.5, 4.0, 9.0)[part.seed // 3 % 3]
    canvas.poly(_box(part, part.w, part.h - 4, radius), shade(part.colour, 0.78), part.level)
    canvas.poly(_box(part, part.w - 5, part.h - 9, radius), part.colour, part.level + 16)
    for k in range(1 + part.seed // 9 % 3):
        reach = part.w * (0.32 - 0.07 * k)
        y = (k - 1) * min(7.0, part.h * 0.2)
        _line(canvas, part, -reach, y, reach * (0.4 + 0.3 * (part.seed // 27 % 3)), y, 1, _ink(part))
    x, y = part.at(np.array(((-part.w * 0.34, part.h * 0.24),)))[0]
    canvas.disc(x, y, 2, _ink(part))


def glyph(canvas: Canvas, part: Part) -> None:
    """A printed sign: strokes of a seven-segment digit or letter."""
    w, h = part.w * 0.36, part.h * 0.42
    width = max(2, round(part.h * 0.11))
    segments = (119, 36, 93, 109, 46, 107, 123, 37, 127, 111, 63, 83, 118, 122)[part.seed % 14]
    ends = (
        (-1, -1, 1, -1),
        (-1, -1, -1, 0),
        (1, -1, 1, 0),
        (-1, 0, 1, 0),
        (-1, 0, -1, 1),
        (1, 0, 1, 1),
        (-1, 1, 1, 1),
    )
    for bit, (x1, y1, x2, y2) in enumerate(ends):
        if segments >> bit & 1:
            _line(canvas, part, x1 * w, y1 * h, x2 * w, y2 * h, width, part.colour)


def key(canvas: Canvas, part: Part) -> None:
    """A raised key with a sign on it."""
    radius = 3.0 + 3 * (part.seed // 14 % 3)
    canvas.poly(_box(part, part.w, part.h, radius), shade(part.colour, 0.7), part.level)
    canvas.poly(_box(part, part.w - 5, part.h - 5, radius), part.colour, part.level + 30)
    size = min(part.w, part.h) * 0.62
    glyph(canvas, replace(part, w=size * 0.75, h=size, colour=_ink(part)))


_ICONS: tuple[Points, ...] = (
    ngon(10, 1.0) * np.where(np.arange(10) % 2, 0.45, 1.0)[:, None],
    ngon(3, 1.0),
    np.array(
        (
            (-1, -0.34),
            (-0.34, -0.34),
            (-0.34, -1),
            (0.34, -1),
            (0.34, -0.34),
            (1, -0.34),
            (1, 0.34),
            (0.34, 0.34),
            (0.34, 1),
            (-0.34, 1),
            (-0.34, 0.34),
            (-1, 0.34),
        )
    ),
    np.array(((-1, -0.3), (0.1, -0.3), (0.1, -0.85), (1, 0), (0.1, 0.85), (0.1, 0.3), (-1, 0.3))),
    np.array(((0, -1), (0.75, 0), (0, 1), (-0.75, 0))),
    np.array(((-0.2, -1), (0.7, -1), (0.15, -0.2), (0.65, -0.2), (-0.4, 1), (0, 0.1), (-0.6, 0.1))),
    ngon(24, 1.0) * np.where(np.arange(24)[:, None] < 12, 1.0, 0.35),
    ngon(16, 1.0) * np.where(np.arange(16) % 4 < 2, 1.0, 0.7)[:, None],
)


def icon(canvas: Canvas, part: Part) -> None:
    """A printed or embossed emblem, ringed now and then."""
    outline = _ICONS[part.seed % len(_ICONS)] * (part.w * (0.36 if part.seed // 8 % 2 else 0.48))
    canvas.poly(part.at(outline), part.colour, part.level)
    if part.seed // 8 % 2:
        canvas.line(part.at(ngon(32, part.w * 0.48)), 2, part.colour, closed=True)


def tag(canvas: Canvas, part: Part) -> None:
    """A paper label: a band of colour, and lines, bars or an emblem."""
    canvas.poly(_box(part, part.w, part.h, 3), _PAPER, part.level)
    look = part.seed % 4
    band = 0.3 if look < 2 else 0.18
    edge = -1 if part.seed // 4 % 2 else 1
    canvas.poly(_box(part, part.w, part.h * band, 1, 0, edge * part.h * (0.5 - band / 2)), part.colour)
    middle = -edge * part.h * band / 2
    if look == 0:
        size = min(part.w, part.h) * 0.5
        x, y = part.at(np.array(((0.0, middle),)))[0]
        icon(canvas, replace(part, x=x, y=y, w=size, h=size, seed=part.seed // 8))
    elif look == 1:
        rng = np.random.default_rng(part.seed)
        for x in np.arange(-part.w * 0.38, part.w * 0.38, 3.5):
            _line(
                canvas,
                part,
                x,
                middle - part.h * 0.2,
                x,
                middle + part.h * 0.2,
                int(rng.integers(1, 4)),
                _INK,
            )
    else:
        for k in range(3):
            reach = part.w * (0.38, 0.3, 0.2)[(k + part.seed) % 3]
            y = middle + (k - 1) * part.h * 0.2
            _line(canvas, part, -part.w * 0.4, y, reach, y, 2, _INK if look == 2 else part.colour)


def pin(canvas: Canvas, part: Part) -> None:
    """A contact pin along its own y axis; `bend` moves its free end by that many pixels."""
    w, h, tip = part.w / 2, part.h / 2, part.bend
    canvas.poly(_box(part, part.w + 6, part.w + 6, 1, 0, h), shade(part.colour, 0.35), part.level - 30)
    outline = np.array(
        ((tip - w * 0.6, -h), (tip + w * 0.6, -h), (w, -h * 0.1), (w, h), (-w, h), (-w, -h * 0.1))
    )
    canvas.poly(part.at(outline), shade(part.colour, 0.82), part.level)
    canvas.line(
        part.at(np.array(((tip, -h + 1), (0, -h * 0.1), (0, h)))),
        2,
        shade(part.colour, 1.25),
        part.level + 10,
    )


def barrel(canvas: Canvas, part: Part) -> None:
    """A resistor-like body along its own x axis with leads and bands."""
    rise = part.bend
    lead = np.array(((-part.w / 2, rise), (-part.w * 0.3, 0), (part.w * 0.3, 0), (part.w / 2, rise)))
    canvas.line(part.at(lead), 2, _SILVER, part.level - 20)
    canvas.poly(_box(part, part.w * 0.64, part.h, part.h * 0.45), part.colour, part.level + 10)
    bands: tuple[RGB, ...] = ((120, 60, 30), (30, 28, 28), (176, 40, 36), (190, 160, 70), (50, 110, 70))
    for k in range(2 + part.seed % 3):
        x = (k - 1.2) * part.w * 0.13
        band = bands[(part.seed // 3 + 2 * k) % 5]
        _line(canvas, part, x, -part.h / 2 + 1, x, part.h / 2 - 1, 2, band)


def coil(canvas: Canvas, part: Part) -> None:
    """A spring along its own x axis; `bend` bows it."""
    t = np.linspace(-0.5, 0.5, 41)
    path = np.stack((t * part.w, part.h / 2 * np.sin(t * 2 * np.pi * 8) + part.bend * np.cos(t * np.pi)), 1)
    canvas.line(part.at(path), 3, shade(part.colour, 0.68), part.level)
    canvas.line(part.at(path), 1, shade(part.colour, 1.25), part.level + 12)


def clip(canvas: Canvas, part: Part) -> None:
    """A folded piece of sheet along its own x axis; `bend` lifts one end aside."""
    w, h = part.w / 2, part.h / 2
    lift = part.bend
    outline = np.array(((-w, -h), (w * 0.2, -h), (w, -h + lift), (w, h + lift), (w * 0.2, h), (-w, h)))
    canvas.poly(part.at(outline), shade(part.colour, 0.7), part.level)
    canvas.poly(part.at(outline * 0.84), part.colour, part.level + 16)
    _line(canvas, part, -w * 0.3, -h * 0.8, -w * 0.3, h * 0.8, 2, shade(part.colour, 0.62))
    x, y = part.at(np.array(((-w * 0.64, 0.0),)))[0]
    canvas.disc(x, y, max(1.5, h * 0.34), shade(part.colour, 0.5), part.level - 8)


def window(canvas: Canvas, part: Part) -> None:
    """A recessed pane with a reflection."""
    canvas.poly(_box(part, part.w, part.h, 5), shade(part.colour, 0.5), max(10, part.level - 46))
    canvas.poly(_box(part, part.w - 7, part.h - 7, 4), part.colour, max(12, part.level - 40))
    gleam = np.array(((-0.3, 0.36), (-0.1, -0.36), (0.06, -0.36), (-0.14, 0.36))) * (part.w, part.h)
    canvas.poly(part.at(gleam), shade(part.colour, 1.22))


def knob(canvas: Canvas, part: Part) -> None:
    """A dial whose mark shows how it is turned."""
    r = part.w / 2
    canvas.poly(part.at(ngon(96, r, 0.04, 12 + part.seed % 6)), shade(part.colour, 0.7), part.level)
    canvas.disc(part.x, part.y, r * 0.78, part.colour, part.level + 34)
    if part.seed % 2:
        canvas.poly(_box(part, r * 1.3, r * 0.34, 2), shade(part.colour, 1.2), part.level + 50)
    _line(canvas, part, r * 0.15, 0, r * 0.72, 0, 3, _ink(part))


def petal(canvas: Canvas, part: Part) -> None:
    """A flat oval patch with a vein."""
    canvas.poly(part.at(ngon(28, 0.5) * (part.w, part.h)), part.colour, part.level)
    _line(canvas, part, -part.w * 0.36, 0, part.w * 0.36, 0, 1, shade(part.colour, 0.7))


def patch(canvas: Canvas, part: Part) -> None:
    """A patch of irregular outline that belongs to the product: only its reference tells it from a stain."""
    outline = blob(part.rng(), part.w, part.h, 0.35)
    canvas.poly(part.at(outline), part.colour, part.level)
    if part.seed % 2:
        canvas.poly(part.at(outline * 0.6), shade(part.colour, 0.82))


def groove(canvas: Canvas, part: Part) -> None:
    """An engraved line that wanders, as a crack or scratch would, and belongs to the product."""
    rng = part.rng()
    x = np.linspace(-0.5, 0.5, 9)
    y = np.cumsum(rng.normal(0, 0.3, 9))
    y -= np.linspace(y[0], y[-1], 9)
    path = np.stack((x * part.w, y * part.h / (np.ptp(y) + 0.3)), 1)
    canvas.line(part.at(path), 1 + part.seed % 3, part.colour, part.level)


def stitch(canvas: Canvas, part: Part) -> None:
    """A short thread along its own x axis."""
    reach = part.w / 2
    _line(canvas, part, -reach, 0, reach, 0, max(2, round(part.h)), shade(part.colour, 0.7))
    canvas.line(
        part.at(np.array(((-reach, 0.0), (reach, 0.0)))), max(1, round(part.h / 2)), part.colour, part.level
    )


def rib(canvas: Canvas, part: Part) -> None:
    """A raised or sunk bar of the body's own material."""
    canvas.poly(_box(part, part.w, part.h, part.h / 2), part.colour, part.level)


def ring(canvas: Canvas, part: Part) -> None:
    """An O-ring, or a double one."""
    width = max(3, round(part.w * 0.13))
    canvas.line(
        part.at(ngon(40, part.w / 2 - width)), width, shade(part.colour, 0.75), part.level, closed=True
    )
    canvas.line(
        part.at(ngon(40, part.w / 2 - width)),
        max(1, width // 2),
        shade(part.colour, 1.1),
        part.level + 10,
        closed=True,
    )
    if part.seed % 2:
        canvas.line(part.at(ngon(24, part.w * 0.2)), 2, part.colour, part.level, closed=True)


def tooth(canvas: Canvas, part: Part) -> None:
    """A tooth of a wheel that points along its own -y axis; `bend` moves its tip."""
    w, h = part.w / 2, part.h / 2
    outline = np.array(
        ((-w, h), (-w * 0.9, h * 0.2), (-w * 0.55, -h), (w * 0.55, -h), (w * 0.9, h * 0.2), (w, h))
    )
    outline[:, 0] += part.bend * (h - outline[:, 1]) / (2 * h)
    canvas.poly(part.at(outline), part.colour, part.level)


def terminal(canvas: Canvas, part: Part) -> None:
    """A block with two or three screws along its own x axis."""
    canvas.poly(_box(part, part.w, part.h, 2), shade(part.colour, 0.8), part.level)
    canvas.poly(_box(part, part.w - 4, part.h - 4, 2), part.colour, part.level + 20)
    size = part.h * 0.56
    for k, x in enumerate(np.linspace(-part.w * 0.3, part.w * 0.3, 2 + part.seed % 2)):
        sx, sy = part.at(np.array(((x, 0.0),)))[0]
        screw = replace(part, x=sx, y=sy, w=size, colour=_SILVER, level=part.level + 10, angle=part.angle + k)
        screw_head(canvas, screw)
