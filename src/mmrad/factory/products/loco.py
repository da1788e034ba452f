"""The factory's MVTec LOCO: an assortment tray, a kit of screws, a terminal block and a labelled bottle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Rng, ngon, place, rounded, shade, vary
from mmrad.factory.defects import contamination, crack, dent, discolour, scratch, stain
from mmrad.factory.parts import cable, nut, plate, screw_head, screw_side, washer
from mmrad.factory.scene import (
    Anomaly,
    Edit,
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

_STEEL: RGB = (172, 174, 178)
_BRASS: RGB = (196, 162, 84)
_WIRES: tuple[RGB, ...] = (
    (176, 42, 38),
    (38, 84, 168),
    (216, 184, 48),
    (52, 140, 72),
    (44, 44, 48),
    (226, 222, 212),
)


def _logical(edit: Edit) -> Anomaly:
    return Anomaly(edit, "logical")


def _tray(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 14)), part.colour, 110)
    canvas.grain(part.rng(), 3, 2.0, 1.5)
    for x in (-1, 0, 1):
        for y in (-1, 1):
            cell = place(rounded(78, 106, 9), x * 86, y * 57)
            canvas.poly(part.at(cell), shade(part.colour, 0.82), 50)
            canvas.poly(part.at(place(rounded(68, 96, 7), x * 86, y * 57)), shade(part.colour, 0.88), 36)


def _spring(canvas: Canvas, part: Part) -> None:
    t = np.linspace(-0.5, 0.5, 37)
    path = np.stack((t * part.w, part.h / 2 * np.sin(t * 2 * np.pi * 9)), 1)
    canvas.line(part.at(path), 3, shade(part.colour, 0.7), 84)
    canvas.line(part.at(path), 1, shade(part.colour, 1.2), 100)


def _anchor(canvas: Canvas, part: Part) -> None:
    w, h = part.w, part.h
    canvas.poly(part.at(rounded(w, h, h * 0.4)), part.colour, 90)
    for x in np.linspace(-w * 0.28, w * 0.3, 4):
        canvas.line(part.at(np.array(((x, -h / 2), (x + 3, h / 2)))), 2, shade(part.colour, 0.75), 74)
    canvas.poly(part.at(place(rounded(5, h + 5, 1.5), -w / 2, 0)), shade(part.colour, 1.1), 104)


def _assortment_tray(rng: Rng) -> list[Part]:
    grey = vary(rng, ((66, 72, 82), (206, 204, 196))[int(rng.integers(2))], 8)
    parts = [Part(plate, "rim", 144, 128, 276, 244, 0.0, shade(grey, 0.8), 70, 16.0)]
    parts.append(Part(_tray, "tray", 144, 128, 264, 232, 0.0, grey, seed=int(rng.integers(1 << 60))))
    cells = (
        (58, 71, nut, 30, 30, _BRASS, ((-16, -24), (16, -24), (-16, 22), (16, 22))),
        (144, 71, washer, 30, 30, _STEEL, ((-16, -26), (16, -26), (0, 4), (-16, 32), (16, 32))),
        (230, 71, screw_head, 26, 26, _STEEL, ((-17, -26), (17, -26), (-17, 2), (17, 2), (0, 30))),
        (58, 185, screw_side, 60, 16, _STEEL, ((0, -32), (0, -8), (0, 16))),
        (144, 185, _spring, 52, 18, (150, 152, 158), ((0, -28), (0, 0), (0, 28))),
        (230, 185, _anchor, 54, 15, (198, 60, 46), ((0, -32), (0, -10), (0, 12), (0, 34))),
    )
    for x, y, painter, w, h, colour, spots in cells:
        for sx, sy in spots:
            dx, dy = rng.normal(0, 1.3, 2)
            turn = (
                rng.uniform(0, 6.3)
                if w == h
                else rng.normal(0, 0.06) + (np.pi if rng.random() < 0.5 else 0.0)
            )
            parts.append(
                Part(painter, "part", x + sx + dx, y + sy + dy, w, h, turn, vary(rng, colour, 6), 90)
            )
    return parts


def _foam(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 10)), part.colour, 60)
    canvas.grain(part.rng(), 2, 4.0, 5.0)


def _screw_kit(rng: Rng) -> list[Part]:
    base = vary(rng, ((46, 48, 54), (62, 80, 112), (108, 100, 88))[int(rng.integers(3))], 8)
    parts = [Part(_foam, "foam", 160, 120, 300, 222, 0.0, base, seed=int(rng.integers(1 << 60)))]
    rows = (
        (screw_side, 118, 24, _STEEL, ((82, 42), (82, 76), (82, 110)), "screw"),
        (screw_side, 74, 22, _BRASS, ((62, 150), (62, 180), (62, 208)), "screw"),
        (nut, 36, 36, _STEEL, ((184, 50), (184, 96), (228, 50), (228, 96)), "nut"),
        (washer, 38, 38, _STEEL, ((150, 152), (150, 198), (196, 152), (196, 198)), "washer"),
        (screw_head, 30, 30, _BRASS, ((246, 146), (246, 180), (282, 146), (282, 180)), "cap screw"),
        (_spring, 60, 20, (150, 152, 158), ((280, 72),), "spring"),
    )
    for painter, w, h, colour, spots, role in rows:
        for x, y in spots:
            dx, dy = rng.normal(0, 1.5, 2)
            turn = rng.uniform(0, 6.3) if w == h else rng.normal(0, 0.05)
            if role == "spring":
                turn += np.pi / 2
            parts.append(Part(painter, role, x + dx, y + dy, w, h, turn, vary(rng, colour, 6), 110))
    return parts


def _block(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 5)), shade(part.colour, 0.9), 110)
    canvas.grain(part.rng(), 3, 2.0, 1.5)
    canvas.poly(part.at(rounded(part.w, 30, 2)), part.colour, 132)
    for k in range(8):
        x = (k - 3) * part.w / 7 - part.w / 14
        if 0 < k < 7:
            canvas.line(
                part.at(np.array(((x, -part.h / 2), (x, part.h / 2)))), 2, shade(part.colour, 0.66), 84
            )
        if k < 7:
            for y in (-24.0, 24.0):
                cx, cy = part.at(np.array(((x + part.w / 14, y),)))[0]
                canvas.disc(cx, cy, 13.0, shade(part.colour, 0.55), 74)


def _number(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(16, 15, 2)), (232, 230, 222), 140)
    for k in range(part.seed):
        canvas.line(part.at(np.array(((-4.5 + 1.6 * k, -4.0), (-4.5 + 1.6 * k, 4.0)))), 1, (40, 40, 44))


def _terminal_block(rng: Rng) -> list[Part]:
    body = vary(rng, ((160, 166, 170), (66, 116, 88), (206, 176, 120))[int(rng.integers(3))], 8)
    order = (0, 4, 1, 2, 3, 5, 1)
    parts: list[Part] = []
    for k in range(7):
        x = 152.0 + (k - 3) * 37.4
        for y, bias in ((34.0, 0), (190.0, 3)):
            colour = vary(rng, _WIRES[order[(k + bias) % 7]], 8)
            jitter = rng.normal(0, 0.03)
            parts.append(
                Part(
                    cable,
                    "wire",
                    x,
                    y,
                    15,
                    70,
                    jitter,
                    colour,
                    100,
                    float(rng.normal(0, 1)),
                    int(rng.integers(1 << 60)),
                )
            )
    parts.append(Part(_block, "block", 152, 112, 262, 104, 0.0, body, seed=int(rng.integers(1 << 60))))
    for k in range(7):
        x = 152.0 + (k - 3) * 37.4
        parts.append(Part(_number, "number", x, 112, 16, 15, 0.0, seed=k + 1))
        for y in (88.0, 136.0):
            parts.append(
                Part(screw_head, "screw", x, y, 20, 20, rng.uniform(0, 3.1), vary(rng, _STEEL, 8), 100)
            )
    return parts


def _bottle(canvas: Canvas, part: Part) -> None:
    half = np.array(((18, -128), (18, -92), (44, -58), (50, -40), (50, 116), (42, 128)), float)
    glass = np.concatenate((half, half[::-1] * (-1, 1)))
    canvas.poly(part.at(glass), part.colour, 90)
    canvas.poly(part.at(glass * (0.93, 0.985)), shade(part.colour, 1.05), 112)
    canvas.poly(part.at(glass * (0.7, 0.97)), shade(part.colour, 1.08), 120)
    canvas.grain(part.rng(), 6, 1.5, 1.0)


def _liquid(canvas: Canvas, part: Part) -> None:
    """`bend` lowers the level by that many pixels."""
    top = -48.0 + part.bend
    neck = max(0.0, -top - 52)
    half = np.array(((46 - neck, top), (46, max(top, -38)), (46, 114), (40, 122)), float)
    fill = np.concatenate((half, half[::-1] * (-1, 1)))
    canvas.poly(part.at(fill), part.colour, 114)
    inner = fill * (0.72, 1.0)
    canvas.poly(part.at(inner), shade(part.colour, 1.14), 120)
    canvas.line(part.at(np.array(((-45 + neck, top), (45 - neck, top)))), 2, shade(part.colour, 1.4))
    canvas.line(part.at(np.array(((-34.0, max(top, -36) + 6), (-34.0, 108.0)))), 3, shade(part.colour, 1.4))


def _cap(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(46, 30, 4)), shade(part.colour, 0.85), 130)
    canvas.poly(part.at(rounded(26, 30, 2)), part.colour, 150)
    for x in np.arange(-19, 20, 5):
        canvas.line(part.at(np.array(((x, -12.0), (x, 12.0)))), 1, shade(part.colour, 0.7), 122)


def _label(canvas: Canvas, part: Part) -> None:
    """A paper label with a fruit on it; `bend` 1 leaves the fruit out."""
    canvas.poly(part.at(rounded(part.w, part.h, 4)), (236, 232, 220), 136)
    band = place(rounded(part.w, part.h * 0.3, 2), 0, part.h * 0.28)
    canvas.poly(part.at(band), part.colour, 138)
    for k, share in enumerate((0.7, 0.5)):
        y = part.h * (0.22 + 0.13 * k)
        canvas.line(
            part.at(np.array(((-part.w * share / 2, y), (part.w * share / 2, y)))), 2, (246, 244, 238)
        )
    if part.bend:
        return
    r = part.w * 0.235
    (x, y), (hx, hy) = part.at(np.array(((0.0, -0.18 * part.h), (-r * 0.3, -0.18 * part.h - r * 0.35))))
    canvas.disc(x, y, r, part.colour, 142)
    canvas.disc(hx, hy, r * 0.3, shade(part.colour, 1.4))
    leaf = place(ngon(12, r * 0.5) * (1.0, 0.45), r * 0.5, -0.18 * part.h - r * 1.05)
    canvas.poly(part.at(leaf), (60, 130, 60), 144)


def _badge(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, part.h / 2)), part.colour, 140)
    canvas.line(part.at(np.array(((-part.w * 0.32, 0.0), (part.w * 0.32, 0.0)))), 3, (244, 242, 232))


_FLAVOURS: tuple[tuple[RGB, RGB], ...] = (
    ((224, 150, 40), (226, 120, 30)),
    ((176, 50, 60), (190, 36, 44)),
    ((214, 206, 110), (226, 200, 50)),
)


def _label_bottle(rng: Rng) -> list[Part]:
    juice, fruit = _FLAVOURS[int(rng.integers(3))]
    colour = vary(rng, fruit, 8)
    seed = int(rng.integers(1 << 60))
    level = float(rng.normal(0, 1.2))
    dx, dy, da = rng.normal(0, 0.8, 3)
    return [
        Part(_bottle, "bottle", 112, 160, 100, 256, 0.0, vary(rng, (184, 200, 196), 6), seed=seed),
        Part(_liquid, "liquid", 112, 160, 92, 170, 0.0, vary(rng, juice, 8), bend=level),
        Part(_cap, "cap", 112, 22, 46, 30, 0.0, vary(rng, (44, 90, 66), 8)),
        Part(_label, "label", 112 + dx, 196 + dy, 84, 92, da * 0.01, colour),
        Part(_badge, "badge", 112 + dx, 130 + dy, 60, 20, 0.0, shade(colour, 0.7)),
    ]


def _refill(part: Part, rng: Rng) -> Part:
    too_much = rng.random() < 0.25
    return replace(part, bend=float(-rng.uniform(14, 32) if too_much else rng.uniform(14, 60)))


def _cross(part: Part, rng: Rng) -> Part:
    up, turn = rng.choice((-1, 1), 2) * rng.uniform((8, 0.12), (22, 0.35))
    return replace(part, x=part.x + rng.uniform(-8, 8), y=part.y + up, angle=part.angle + turn)


_INSIDE = (36.0, 34.0, 252.0, 222.0)
_MAT = (30.0, 30.0, 290.0, 210.0)
PRODUCTS: dict[str, Product] = {
    "assortment_tray": Product(
        _assortment_tray,
        (288, 256),
        {
            "missing part": _logical(missing("part")),
            "extra part": _logical(extra("part", areas=(_INSIDE,))),
            "misplaced part": _logical(misplaced("part", by=30.0, turn=1.2)),
            "swapped parts": _logical(swapped("part")),
            "crack": Anomaly(surface(crack)),
            "contamination": Anomaly(surface(contamination)),
            "stain": Anomaly(surface(stain())),
        },
        gloss=0.45,
    ),
    "screw_kit": Product(
        _screw_kit,
        (320, 240),
        {
            "missing screw": _logical(missing("screw", "cap screw")),
            "missing nut": _logical(missing("nut")),
            "extra nut": _logical(extra("nut", areas=(_MAT,))),
            "extra washer": _logical(extra("washer", areas=(_MAT,))),
            "swapped parts": _logical(swapped("nut", "washer", "cap screw")),
            "bent screw": Anomaly(bent("screw", low=8.0, high=15.0)),
            "colour": Anomaly(
                recolour("nut", "washer", "screw", colours=((150, 84, 48), (70, 70, 76), (88, 120, 110)))
            ),
            "contamination": Anomaly(surface(contamination)),
        },
        gloss=0.5,
    ),
    "terminal_block": Product(
        _terminal_block,
        (304, 224),
        {
            "missing wire": _logical(missing("wire")),
            "swapped wires": _logical(swapped("wire")),
            "missing screw": _logical(missing("screw")),
            "wrong wire colour": _logical(recolour("wire", colours=_WIRES)),
            "bent wire": Anomaly(bent("wire", low=11.0, high=19.0)),
            "burnt": Anomaly(surface(stain(((28, 20, 14), (50, 34, 20))))),
            "crack": Anomaly(surface(crack)),
            "contamination": Anomaly(surface(contamination)),
        },
        gloss=0.35,
    ),
    "label_bottle": Product(
        _label_bottle,
        (224, 304),
        {
            "missing label": _logical(missing("label", "badge")),
            "misplaced label": _logical(change("label", "badge", by=_cross)),
            "missing icon": _logical(change("label", by=lambda p, _: replace(p, bend=1.0))),
            "wrong fill level": _logical(change("liquid", by=_refill)),
            "missing cap": _logical(missing("cap")),
            "scratch": Anomaly(surface(scratch)),
            "stain": Anomaly(surface(stain())),
            "crack": Anomaly(surface(crack)),
            "colour": Anomaly(surface(discolour)),
            "dent": Anomaly(surface(dent)),
        },
        gloss=0.5,
    ),
}
