"""The factory's Real-IAD: a plug, a button, a metal bracket and a keypad, with Real-IAD's defect codes."""

from __future__ import annotations

import numpy as np

from mmrad.factory.canvas import Canvas, Rng, ngon, place, rounded, shade, vary
from mmrad.factory.defects import abrasion, chip, contamination, crack, dent, hole, lump, scratch, stain
from mmrad.factory.scene import Anomaly, Part, Product, bent, misplaced, missing, surface, swapped


def _plug_body(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    lead = np.array(((-14, r * 0.8), (-11, 126), (11, 126), (14, r * 0.8)), float)
    canvas.poly(part.at(lead), shade(part.colour, 0.85), 80)
    for y in np.arange(r + 2, 122, 6):
        canvas.line(part.at(np.array(((-13.0, y), (13.0, y)))), 2, shade(part.colour, 0.65), 60)
    canvas.poly(part.at(ngon(200, r, 0.012, 8)), shade(part.colour, 0.9), 90)
    canvas.disc(part.x, part.y, r * 0.92, part.colour, 116)
    canvas.grain(part.rng(), 2, 2.5, 2.0)
    canvas.disc(part.x, part.y, r * 0.74, shade(part.colour, 0.86), 84)
    canvas.disc(part.x, part.y, r * 0.68, shade(part.colour, 0.95), 90)
    for side in (-1, 1):
        grip = place(rounded(10, 46, 4), side * r * 0.83, 0)
        canvas.poly(part.at(grip), shade(part.colour, 0.75), 130)


def _prong(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r * 1.3, shade(part.colour, 0.4), 80)
    x, y = part.x + part.bend, part.y + part.bend * 0.5
    if part.bend:
        canvas.line(np.array(((part.x, part.y), (x, y))), round(part.w), shade(part.colour, 0.7), 150)
    canvas.disc(x, y, r, shade(part.colour, 0.8), 170)
    canvas.disc(x, y, r * 0.72, part.colour, 196)
    canvas.disc(x - r * 0.2, y - r * 0.2, r * 0.35, shade(part.colour, 1.25))


def _earth(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 2)), shade(part.colour, 0.6), 110)
    canvas.poly(part.at(rounded(part.w - 5, part.h - 5, 2)), part.colour, 126)


def _plug(rng: Rng) -> list[Part]:
    colour = vary(rng, ((56, 58, 62), (222, 220, 212), (178, 100, 48))[int(rng.integers(3))], 8)
    metal = vary(rng, (192, 190, 184), 8)
    return [
        Part(_plug_body, "body", 128, 116, 196, 196, 0.0, colour, seed=int(rng.integers(1 << 60))),
        Part(_earth, "clip", 128, 60, 34, 20, 0.0, vary(rng, (198, 170, 100), 6)),
        Part(_earth, "clip", 128, 172, 34, 20, 0.0, vary(rng, (198, 170, 100), 6)),
        Part(_prong, "prong", 92, 116, 25, 25, 0.0, metal),
        Part(_prong, "prong", 164, 116, 25, 25, 0.0, metal),
        Part(_prong, "prong", 128, 92, 15, 15, 0.0, metal),
    ]


def _disc(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r, shade(part.colour, 0.86), 80)
    canvas.disc(part.x, part.y, r * 0.95, part.colour, 116)
    canvas.disc(part.x, part.y, r * 0.78, shade(part.colour, 0.95), 104)
    canvas.disc(part.x, part.y, r * 0.72, shade(part.colour, 1.03), 84)
    canvas.grain(part.rng(), 12, 7.0, 3.0)


def _notch(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, part.w / 2)), shade(part.colour, 0.78), 96)


def _eye(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w * 0.66, shade(part.colour, 0.85), 76)
    canvas.erase_disc(part.x, part.y, part.w / 2)


def _button(rng: Rng) -> list[Part]:
    colour = vary(
        rng, ((120, 78, 50), (58, 74, 104), (212, 202, 182), (110, 40, 52))[int(rng.integers(4))], 8
    )
    spin = rng.uniform(0, 2 * np.pi)
    parts = [Part(_disc, "disc", 120, 120, 196, 196, spin, colour, seed=int(rng.integers(1 << 60)))]
    for k in range(16):
        turn = spin + k * np.pi / 8
        x, y = 120 + 84 * np.cos(turn), 120 + 84 * np.sin(turn)
        parts.append(Part(_notch, "notch", x, y, 12, 20, turn + np.pi / 2, colour))
    for k in range(4):
        turn = spin + (k + 0.5) * np.pi / 2
        parts.append(Part(_eye, "eye", 120 + 27 * np.cos(turn), 120 + 27 * np.sin(turn), 20, 20, 0.0, colour))
    return parts


def _steel(canvas: Canvas, part: Part) -> None:
    outline = np.array(
        (
            (-136, -92),
            (136, -92),
            (136, -30),
            (60, -30),
            (36, -6),
            (36, 92),
            (-36, 92),
            (-36, -6),
            (-60, -30),
            (-136, -30),
        ),
        float,
    )
    canvas.poly(part.at(outline), part.colour, 70)
    rng = part.rng()
    for y in np.arange(-90, 92, 3):
        x = 134 if y < -30 else 34
        canvas.line(
            part.at(np.array(((-x, y), (x, y)), float)), 1, shade(part.colour, float(rng.uniform(0.94, 1.07)))
        )
    canvas.grain(rng, 2, 2.5, 1.0)
    fold = np.array(((-134.0, -40.0), (134.0, -40.0)))
    canvas.line(part.at(fold), 5, shade(part.colour, 1.16), 92)
    canvas.line(part.at(np.array(((-34.0, 12.0), (34.0, 12.0)))), 4, shade(part.colour, 0.86), 58)


def _bolt_hole(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w * 0.68, shade(part.colour, 1.12), 56)
    canvas.erase_disc(part.x, part.y, part.w / 2)


def _slot(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w + 6, part.h + 6, part.h)), shade(part.colour, 1.12), 58)
    canvas.erase(part.at(rounded(part.w, part.h, part.h / 2)))


def _rivet(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w / 2, shade(part.colour, 0.8), 100)
    canvas.disc(part.x, part.y, part.w * 0.36, part.colour, 124)


def _bracket(rng: Rng) -> list[Part]:
    grey = vary(rng, (160, 164, 170), 14)
    parts = [Part(_steel, "plate", 152, 120, 272, 184, 0.0, grey, seed=int(rng.integers(1 << 60)))]
    for x, y, size in ((36, 62, 22), (268, 62, 22), (152, 186, 26)):
        parts.append(Part(_bolt_hole, "hole", x, y, size, size, 0.0, grey))
    parts += [Part(_slot, "slot", x, 58, 44, 14, 0.0, grey) for x in (98, 206)]
    for x, y in ((66, 42), (152, 44), (238, 42), (152, 96), (134, 150), (170, 150)):
        parts.append(Part(_rivet, "rivet", x, y, 17, 17, 0.0, vary(rng, (186, 176, 150), 6)))
    return parts


def _panel(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 18)), part.colour, 70)
    canvas.grain(part.rng(), 2, 2.5, 1.5)
    canvas.poly(part.at(place(rounded(part.w - 24, 48, 6), 0, -112)), (50, 62, 56), 50)
    canvas.poly(part.at(place(rounded(part.w - 34, 38, 4), 0, -112)), (136, 152, 128), 56)
    for k in range(5):
        digit = place(rounded(9, 20, 1), -50 + 25 * k, -112)
        canvas.line(part.at(digit), 2, (48, 56, 48), closed=True)


def _key(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 7)), shade(part.colour, 0.72), 86)
    canvas.poly(part.at(rounded(part.w - 5, part.h - 5, 6)), part.colour, 124)
    ink = (236, 234, 228) if sum(part.colour) < 380 else (44, 46, 52)
    # The legend: strokes of a seven-segment glyph, one a key.
    segments = (119, 36, 93, 109, 46, 107, 123, 37, 127, 111, 80, 63)[part.seed % 12]
    ends = (
        (-4, -8, 4, -8),
        (-4, -8, -4, 0),
        (4, -8, 4, 0),
        (-4, 0, 4, 0),
        (-4, 0, -4, 8),
        (4, 0, 4, 8),
        (-4, 8, 4, 8),
    )
    for bit, (x1, y1, x2, y2) in enumerate(ends):
        if segments >> bit & 1:
            canvas.line(part.at(np.array(((x1, y1), (x2, y2)), float)), 2, ink)


def _keypad(rng: Rng) -> list[Part]:
    case = vary(rng, ((198, 196, 190), (64, 68, 76))[int(rng.integers(2))], 8)
    keys = (238, 236, 230) if sum(case) < 400 else (70, 74, 84)
    parts = [Part(_panel, "case", 120, 152, 212, 286, 0.0, case, seed=int(rng.integers(1 << 60)))]
    for k in range(12):
        x, y = 58 + 62 * (k % 3), 100 + 52 * (k // 3)
        dx, dy = rng.normal(0, 0.5, 2)
        colour = (188, 58, 48) if k == 9 else (58, 138, 76) if k == 11 else keys
        parts.append(
            Part(_key, "key", x + dx, y + dy, 48, 38, rng.normal(0, 0.008), vary(rng, colour, 5), seed=k)
        )
    return parts


_PIT = Anomaly(surface(hole), code="AK")
_DENT = Anomaly(surface(dent), code="BX")
_RUB = Anomaly(surface(abrasion), code="CH")
_SCRATCH = Anomaly(surface(scratch), code="HS")
_CRACK = Anomaly(surface(crack), code="PS")
_CHIP = Anomaly(surface(chip), code="PS")
_FOREIGN = Anomaly(surface(lump), code="YW")
_DIRT = Anomaly(surface(stain()), code="ZW")
_MIXED = Anomaly(surface(contamination), code="ZW")

PRODUCTS: dict[str, Product] = {
    "plug": Product(
        _plug,
        (256, 256),
        {
            "bent prong": Anomaly(bent("prong", low=8.0, high=15.0), code="BX"),
            "missing prong": Anomaly(missing("prong", "clip"), code="QS"),
            "pit": _PIT,
            "abrasion": _RUB,
            "scratch": _SCRATCH,
            "foreign object": _FOREIGN,
            "contamination": _MIXED,
        },
        gloss=0.3,
    ),
    "button": Product(
        _button,
        (240, 240),
        {
            "missing hole": Anomaly(missing("eye"), code="QS"),
            "deformation": _DENT,
            "pit": _PIT,
            "scratch": _SCRATCH,
            "broken edge": _CHIP,
            "contamination": _DIRT,
        },
        background="cloth",
        turn_degrees=180,
        gloss=0.6,
    ),
    "bracket": Product(
        _bracket,
        (304, 240),
        {
            "missing rivet": Anomaly(missing("rivet"), code="QS"),
            "misplaced hole": Anomaly(misplaced("hole", by=15.0, turn=0.0), code="BX"),
            "scratch": _SCRATCH,
            "abrasion": _RUB,
            "dent": Anomaly(surface(dent), code="AK"),
            "crack": _CRACK,
            "contamination": _DIRT,
        },
        background="brushed",
        gloss=0.7,
    ),
    "keypad": Product(
        _keypad,
        (240, 304),
        {
            "missing key": Anomaly(missing("key"), code="QS"),
            "swapped keys": Anomaly(swapped("key", by_seed=True), code="BX"),
            "tilted key": Anomaly(misplaced("key", by=5.0, turn=0.45), code="BX"),
            "abrasion": _RUB,
            "scratch": _SCRATCH,
            "crack": _CRACK,
            "foreign object": _FOREIGN,
            "contamination": _MIXED,
        },
        gloss=0.3,
    ),
}
