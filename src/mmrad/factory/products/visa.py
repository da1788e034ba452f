"""The factory's VisA: a relay board, a blister of tablets, a biscuit and a pin connector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Rng, ngon, place, rounded, shade, vary
from mmrad.factory.defects import chip, contamination, crack, dent, discolour, hole, scratch, stain
from mmrad.factory.parts import screw_head
from mmrad.factory.scene import (
    Anomaly,
    Paint,
    Part,
    Product,
    bent,
    change,
    extra,
    misplaced,
    missing,
    recolour,
    surface,
    swapped,
)

_BURN: tuple[RGB, ...] = ((28, 20, 14), (44, 30, 18), (60, 40, 22))
_SILVER: RGB = (196, 198, 202)
_TRACES = (
    ((30, 40), (80, 40), (100, 60), (100, 120)),
    ((34, 150), (90, 150), (120, 180), (200, 180)),
    ((140, 50), (140, 90), (170, 120), (230, 120)),
    ((60, 200), (60, 170), (40, 110)),
    ((250, 60), (250, 110), (220, 150), (160, 150)),
    ((280, 190), (230, 190), (210, 205), (130, 205)),
    ((180, 40), (220, 40), (240, 60)),
    ((290, 90), (290, 150), (270, 170)),
)


def _board(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 7)), part.colour, 50)
    canvas.grain(part.rng(), 3, 2.0, 1.0)
    copper = shade(part.colour, 1.32)
    for trace in _TRACES:
        canvas.line(np.array(trace, float), 3, copper, 56)
        for x, y in (trace[0], trace[-1]):
            canvas.disc(x, y, 4.0, (178, 150, 84), 58)
            canvas.disc(x, y, 1.8, (40, 38, 34), 40)
    ink = (222, 226, 222)
    for x, y, w, h in ((78, 76, 62, 60), (166, 72, 62, 60), (236, 172, 46, 34), (118, 172, 50, 36)):
        canvas.line(place(rounded(w + 6, h + 6, 1), x, y), 1, ink, closed=True)
    for x, y in ((22, 22), (298, 22), (22, 218), (298, 218)):
        canvas.disc(x, y, 8, (176, 160, 110), 56)
        canvas.erase_disc(x, y, 5)


def _relay(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 3)), shade(part.colour, 0.8), 140)
    canvas.poly(part.at(rounded(part.w - 6, part.h - 6, 3)), part.colour, 156)
    ink = shade(part.colour, 1.75)
    for y, w in ((-10, 0.6), (-2, 0.4), (6, 0.55)):
        canvas.line(part.at(np.array(((-part.w * w / 2, y), (part.w * w / 2, y)))), 1, ink)


def _chip(canvas: Canvas, part: Part) -> None:
    for side in (-1, 1):
        for x in np.linspace(-part.w / 2 + 5, part.w / 2 - 5, 6):
            leg = place(rounded(3, 8, 0.5), x, side * (part.h / 2))
            canvas.poly(part.at(leg), _SILVER, 80)
    canvas.poly(part.at(rounded(part.w, part.h - 4, 1.5)), part.colour, 104)
    dot = part.at(np.array(((-part.w / 2 + 6, part.h / 2 - 9),)))[0]
    canvas.disc(dot[0], dot[1], 2, shade(part.colour, 0.5), 92)
    canvas.line(part.at(np.array(((-8.0, -2.0), (12.0, -2.0)))), 1, shade(part.colour, 2.0))


def _resistor(canvas: Canvas, part: Part) -> None:
    canvas.line(part.at(np.array(((-part.w / 2, 0.0), (part.w / 2, 0.0)))), 2, _SILVER, 72)
    canvas.poly(part.at(rounded(part.w * 0.62, part.h, part.h / 2)), part.colour, 104)
    for k, band in enumerate(((120, 60, 30), (30, 28, 28), (176, 40, 36), (190, 160, 70))):
        x = (k - 1.5) * part.w * 0.12
        canvas.line(part.at(np.array(((x, -part.h / 2 + 1), (x, part.h / 2 - 1)))), 2, band)


def _capacitor(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.7), 130)
    canvas.disc(part.x, part.y, r * 0.84, (184, 188, 194), 146)
    stripe = ngon(40, r)[14:27]
    canvas.poly(part.at(stripe), part.colour, 136)
    for turn in (0.4, 0.4 + np.pi / 2):
        canvas.line(
            place(np.array(((-r * 0.5, 0), (r * 0.5, 0))), part.x, part.y, part.angle + turn),
            1,
            (120, 124, 130),
            138,
        )


def _led(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.7), 100)
    canvas.disc(part.x, part.y, r * 0.75, part.colour, 120)
    canvas.disc(part.x - r * 0.25, part.y - r * 0.25, r * 0.3, shade(part.colour, 1.6), 126)


def _screw_terminal(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 2)), part.colour, 140)
    for y in np.linspace(-part.h / 2 + 9, part.h / 2 - 9, 3):
        x0, y0 = part.at(np.array(((-2.0, y),)))[0]
        screw_head(canvas, replace(part, x=x0, y=y0, w=11, colour=_SILVER, level=128, angle=part.angle + y))


def _relay_board(rng: Rng) -> list[Part]:
    green = vary(rng, (24, 92, 62), 8)
    seeds = rng.integers(1 << 60, size=2)
    parts = [Part(_board, "board", 160, 120, 304, 226, 0.0, green, seed=int(seeds[0]))]

    def put(
        paint: Paint, role: str, x: float, y: float, w: float, h: float, colour: RGB, angle: float = 0.0
    ) -> None:
        dx, dy, da = rng.normal(0, 0.5, 3)
        parts.append(Part(paint, role, x + dx, y + dy, w, h, angle + da * 0.025, vary(rng, colour, 6)))

    for x, y in ((78, 76), (166, 72)):
        put(_relay, "relay", x, y, 58, 56, (36, 78, 156))
    put(_chip, "chip", 236, 172, 46, 32, (42, 42, 46))
    put(_chip, "chip", 118, 172, 50, 34, (42, 42, 46))
    for x, y, turn in (
        (60, 134, 0.0),
        (60, 156, 0.0),
        (236, 84, 1.57),
        (256, 84, 1.57),
        (178, 206, 0.0),
        (186, 140, 0.0),
    ):
        put(_resistor, "component", x, y, 36, 11, (204, 178, 132), turn)
    for x, y, turn in ((176, 172, 0.4), (78, 194, 2.0), (222, 132, 0.0)):
        put(_capacitor, "component", x, y, 24, 24, (44, 50, 70), turn)
    leds: tuple[tuple[float, float, RGB], ...] = (
        (120, 124, (200, 40, 36)),
        (140, 124, (48, 168, 70)),
        (212, 30, (220, 180, 50)),
    )
    for lx, ly, led in leds:
        put(_led, "component", lx, ly, 14, 14, led)
    put(_screw_terminal, "terminal", 292, 112, 26, 66, (40, 116, 84))
    put(_screw_terminal, "terminal", 22, 96, 24, 66, (40, 116, 84), np.pi)
    return parts


def _blister(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 14)), part.colour, 40)
    canvas.grain(part.rng(), 2, 7.0, 3.0)
    rng = part.rng()
    for x in np.arange(-part.w / 2 + 10, part.w / 2 - 8, 8):
        canvas.line(
            part.at(np.array(((x, -part.h / 2 + 4), (x, part.h / 2 - 4)))), 1, shade(part.colour, 0.93), 46
        )
    for x in (-part.w / 4, 0.0, part.w / 4):
        canvas.line(
            part.at(np.array(((x, -part.h / 2), (x, part.h / 2)))),
            1,
            shade(part.colour, float(rng.uniform(0.72, 0.8))),
            34,
        )


def _pocket(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w / 2, shade(part.colour, 0.86), 70)
    canvas.disc(part.x, part.y, part.w * 0.44, shade(part.colour, 0.95), 58)


def _tablet(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.9), 100)
    canvas.disc(part.x, part.y, r * 0.84, part.colour, 124)
    canvas.line(part.at(np.array(((-r * 0.8, 0.0), (r * 0.8, 0.0)))), 2, shade(part.colour, 0.82), 108)
    if part.bend:
        # The piece beyond a ragged line is gone: a half disc, to paint over nothing beside it.
        arc = np.linspace(0, np.pi, 16)
        ragged = np.array(((-0.6, 0.12), (-0.2, -0.1), (0.15, 0.14), (0.55, -0.06)))
        gone = np.concatenate((np.stack((np.cos(arc), np.sin(arc)), 1), ragged)) * r * 1.03
        canvas.poly(place(gone, part.x, part.y, part.bend), (172, 174, 178), 60)


def _tablets(rng: Rng) -> list[Part]:
    foil = vary(rng, (188, 190, 194), 8)
    colour = vary(rng, ((240, 238, 230), (232, 196, 186), (238, 222, 160))[int(rng.integers(3))], 6)
    parts = [Part(_blister, "foil", 152, 120, 284, 214, 0.0, foil, seed=int(rng.integers(1 << 60)))]
    spots = [(44 + 72 * i, 52 + 68 * j) for j in range(3) for i in range(4)]
    parts += [Part(_pocket, "pocket", x, y, 56, 56, 0.0, foil) for x, y in spots]
    for x, y in spots:
        dx, dy = rng.normal(0, 1.6, 2)
        parts.append(
            Part(_tablet, "tablet", x + dx, y + dy, 41, 41, rng.uniform(0, np.pi), vary(rng, colour, 4))
        )
    return parts


def _dough(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.poly(part.at(ngon(240, r, 0.03, 24)), shade(part.colour, 0.78), 70)
    canvas.poly(part.at(ngon(240, r * 0.95, 0.028, 24)), shade(part.colour, 0.92), 92)
    canvas.disc(part.x, part.y, r * 0.84, part.colour, 104)
    canvas.disc(part.x, part.y, r * 0.7, shade(part.colour, 1.06), 100)
    canvas.grain(part.rng(), 2, 4.0, 4.0)
    canvas.grain(part.rng(), 9, 5.0, 3.0)


def _dock(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w / 2, shade(part.colour, 0.72), 80)
    canvas.disc(part.x, part.y, part.w * 0.3, shade(part.colour, 0.5), 50)


def _letter(canvas: Canvas, part: Part) -> None:
    canvas.line(part.at(ngon(30, part.w / 2)), 3, shade(part.colour, 0.82), 84, closed=True)
    canvas.line(part.at(ngon(3, part.w * 0.34)), 3, shade(part.colour, 0.82), 84, closed=True)


def _biscuit(rng: Rng) -> list[Part]:
    colour = vary(rng, (206, 158, 96), 12)
    spin = rng.uniform(0, 2 * np.pi)
    parts = [
        Part(
            _dough,
            "dough",
            128,
            128,
            rng.uniform(204, 212),
            208,
            spin,
            colour,
            seed=int(rng.integers(1 << 60)),
        ),
        Part(_letter, "stamp", 128, 128, 66, 66, spin, colour),
    ]
    for k in range(12):
        turn = spin + k * np.pi / 6
        parts.append(
            Part(_dock, "dimple", 128 + 64 * np.cos(turn), 128 + 64 * np.sin(turn), 13, 13, 0.0, colour)
        )
    return parts


def _housing(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 8)), part.colour, 110)
    canvas.grain(part.rng(), 2, 2.0, 1.5)
    canvas.poly(part.at(rounded(part.w - 22, part.h - 22, 5)), shade(part.colour, 0.7), 70)
    canvas.poly(part.at(place(rounded(34, 14, 1), 0, part.h / 2 - 6)), shade(part.colour, 0.75), 74)
    for side in (-1, 1):
        ear = part.at(place(rounded(26, 44, 8), side * (part.w / 2 + 8), 0))
        canvas.poly(ear, shade(part.colour, 0.95), 90)
        x, y = part.at(np.array(((side * (part.w / 2 + 9), 0.0),)))[0]
        canvas.erase_disc(x, y, 6)


def _pin(canvas: Canvas, part: Part) -> None:
    x1, x2 = part.bend, 0.0
    w, h = part.w / 2, part.h / 2
    outline = np.array(
        (
            (x1 - w * 0.6, -h),
            (x1 + w * 0.6, -h),
            (x2 + w, -h * 0.2),
            (x2 + w, h),
            (x2 - w, h),
            (x2 - w, -h * 0.2),
        )
    )
    canvas.poly(part.at(place(rounded(part.w + 7, part.w + 7, 1), 0, h)), shade(part.colour, 0.3), 60)
    canvas.poly(part.at(outline), shade(part.colour, 0.85), 150)
    spine = np.array(((x1, -h + 1), (x2, -h * 0.2), (x2, h)))
    canvas.line(part.at(spine), 2, shade(part.colour, 1.25), 160)


def _connector(rng: Rng) -> list[Part]:
    body = vary(rng, ((44, 46, 52), (214, 206, 188))[int(rng.integers(2))], 8)
    gold = vary(rng, (206, 166, 80), 8)
    parts = [Part(_housing, "housing", 160, 112, 248, 156, 0.0, body, seed=int(rng.integers(1 << 60)))]
    for row in range(2):
        for k in range(9):
            x, y = 62 + 24.5 * k + rng.normal(0, 0.4), 86 + 56 * row + rng.normal(0, 0.4)
            parts.append(Part(_pin, "pin", x, y, 8, 40, rng.normal(0, 0.015), vary(rng, gold, 4)))
    return parts


PRODUCTS: dict[str, Product] = {
    "relay_board": Product(
        _relay_board,
        (320, 240),
        {
            "missing component": Anomaly(missing("component", "relay", "chip")),
            "misplaced component": Anomaly(misplaced("component", "chip", by=9.0, turn=0.6)),
            "swapped component": Anomaly(swapped("component")),
            "extra component": Anomaly(extra("component", areas=((45.0, 30.0, 275.0, 210.0),))),
            "scratch": Anomaly(surface(scratch)),
            "burnt": Anomaly(surface(stain(_BURN))),
            "contamination": Anomaly(surface(contamination)),
        },
        gloss=0.25,
    ),
    "tablets": Product(
        _tablets,
        (304, 240),
        {
            "missing tablet": Anomaly(missing("tablet")),
            "broken tablet": Anomaly(
                change("tablet", by=lambda p, g: replace(p, bend=float(g.uniform(0.1, 6.2))))
            ),
            "wrong colour": Anomaly(
                recolour(
                    "tablet", colours=((240, 238, 230), (206, 130, 120), (180, 200, 160), (170, 184, 214))
                )
            ),
            "misplaced tablet": Anomaly(misplaced("tablet", by=24.0)),
            "dent": Anomaly(surface(dent)),
            "contamination": Anomaly(surface(contamination)),
            "scratch": Anomaly(surface(scratch)),
        },
        gloss=0.5,
    ),
    "biscuit": Product(
        _biscuit,
        (256, 256),
        {
            "broken edge": Anomaly(surface(chip)),
            "crack": Anomaly(surface(crack)),
            "burnt": Anomaly(surface(stain(_BURN))),
            "colour spot": Anomaly(surface(discolour)),
            "hole": Anomaly(surface(hole)),
            "contamination": Anomaly(surface(contamination)),
            "missing dimple": Anomaly(missing("dimple")),
        },
        background="cloth",
        turn_degrees=180,
        gloss=0.08,
    ),
    "connector": Product(
        _connector,
        (320, 224),
        {
            "bent pin": Anomaly(bent("pin", low=7.0, high=14.0)),
            "missing pin": Anomaly(missing("pin")),
            "scratch": Anomaly(surface(scratch)),
            "crack": Anomaly(surface(crack)),
            "contamination": Anomaly(surface(contamination)),
            "colour": Anomaly(surface(discolour)),
            "broken edge": Anomaly(surface(chip)),
        },
        gloss=0.4,
    ),
}
