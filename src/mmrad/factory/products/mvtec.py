"""The factory's MVTec AD: a bottle cap, a gear, a gasket and a woven textile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmrad.factory.canvas import Canvas, Rng, ngon, place, rounded, shade, vary
from mmrad.factory.defects import (
    chip,
    contamination,
    crack,
    dent,
    discolour,
    fibre,
    hole,
    scratch,
    specks,
    stain,
)
from mmrad.factory.scene import Anomaly, Part, Product, change, extra, misplaced, missing, surface


def _cap(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.poly(part.at(ngon(360, r, 0.018, 60)), shade(part.colour, 0.8), 70)
    canvas.disc(part.x, part.y, r * 0.9, shade(part.colour, 0.94), 120)
    canvas.disc(part.x, part.y, r * 0.84, part.colour, 150)
    canvas.disc(part.x, part.y, r * 0.66, shade(part.colour, 1.05), 138)
    canvas.disc(part.x, part.y, r * 0.62, part.colour, 142)
    canvas.grain(part.rng(), 4, 1.5, 1.0)


def _logo(canvas: Canvas, part: Part) -> None:
    star = ngon(10, part.w / 2).copy()
    star[1::2] *= 0.5
    canvas.poly(part.at(star), part.colour, 158)
    canvas.line(part.at(ngon(40, part.w * 0.62)), 2, part.colour, 156, closed=True)


def _dash(canvas: Canvas, part: Part) -> None:
    canvas.poly(part.at(rounded(part.w, part.h, 2)), part.colour, part.level)


def _bottle_cap(rng: Rng) -> list[Part]:
    colour = vary(rng, ((186, 44, 40), (40, 84, 160), (228, 226, 220))[int(rng.integers(3))], 10)
    ink = (238, 234, 224) if sum(colour) < 500 else (40, 60, 120)
    spin = rng.uniform(-0.1, 0.1)
    parts = [
        Part(_cap, "cap", 128, 128, 208, 208, spin, colour, seed=int(rng.integers(1 << 60))),
        Part(_logo, "logo", 128, 128, 62, 62, -np.pi / 2 + spin, vary(rng, ink, 8)),
    ]
    for k in range(8):
        turn = spin + k * np.pi / 4
        x, y = 128 + 78 * np.cos(turn), 128 + 78 * np.sin(turn)
        parts.append(Part(_dash, "dash", x, y, 9, 24, turn, shade(colour, 0.82), 160))
    return parts


def _gear(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    canvas.disc(part.x, part.y, r * 0.87, part.colour, 110)


def _tooth(canvas: Canvas, part: Part) -> None:
    w, h = part.w / 2, part.h / 2
    outline = np.array(
        ((-w, h), (-w * 0.92, h * 0.2), (-w * 0.55, -h), (w * 0.55, -h), (w * 0.92, h * 0.2), (w, h))
    )
    outline[:, 0] += part.bend * (h - outline[:, 1]) / (2 * h)
    canvas.poly(part.at(outline), part.colour, 108)


def _hub(canvas: Canvas, part: Part) -> None:
    r = part.w / 2
    x, y, grey = part.x, part.y, part.colour
    canvas.disc(x, y, r * 0.74, shade(grey, 0.86), 84)
    canvas.grain(part.rng(), 2, 5.0, 2.0)
    canvas.disc(x, y, r * 0.37, grey, 150)
    canvas.disc(x, y, r * 0.32, shade(grey, 1.05), 146)
    canvas.erase_disc(x, y, r * 0.19)
    canvas.erase(place(place(rounded(r * 0.1, r * 0.24, 1), 0, -r * 0.19), x, y, part.angle))


def _bore(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w * 0.62, shade(part.colour, 1.1), 100)
    canvas.erase_disc(part.x, part.y, part.w / 2)


def _gear_layout(rng: Rng) -> list[Part]:
    grey = vary(rng, (142, 144, 148), 16)
    spin = rng.uniform(0, 2 * np.pi)
    parts = [Part(_gear, "disc", 128, 128, 190, 190, spin, grey)]
    for k in range(20):
        turn = spin + k * np.pi / 10
        x, y = 128 + 87 * np.cos(turn), 128 + 87 * np.sin(turn)
        parts.append(Part(_tooth, "tooth", x, y, 18, 24, turn + np.pi / 2, grey))
    parts.append(Part(_hub, "hub", 128, 128, 190, 190, spin, grey, seed=int(rng.integers(1 << 60))))
    for k in range(5):
        turn = spin + (k + 0.5) * np.pi * 0.4
        parts.append(Part(_bore, "hole", 128 + 52 * np.cos(turn), 128 + 52 * np.sin(turn), 23, 23, 0.0, grey))
    return parts


def _gasket_body(canvas: Canvas, part: Part) -> None:
    hull = np.concatenate(
        [place(ngon(48, 78), 0, 0), place(ngon(24, 30), -100, 0), place(ngon(24, 30), 100, 0)]
    )
    lens = hull[np.argsort(np.arctan2(hull[:, 1] * 1.6, hull[:, 0]))]
    turns = np.arctan2(lens[:, 1], lens[:, 0])
    reach = 80 + 48 * np.abs(np.cos(turns)) ** 3
    outline = np.stack((np.cos(turns) * reach, np.sin(turns) * reach * 0.94), 1)
    canvas.poly(part.at(outline), part.colour, 60)
    canvas.grain(part.rng(), 2, 6.0, 3.0)
    canvas.line(part.at(ngon(64, 66)), 3, shade(part.colour, 0.8), 76, closed=True)
    canvas.line(part.at(ngon(64, 57)), 2, shade(part.colour, 1.15), 70, closed=True)
    centre = part.at(np.zeros((1, 2)))[0]
    canvas.erase_disc(centre[0], centre[1], 46)


def _eyelet(canvas: Canvas, part: Part) -> None:
    canvas.disc(part.x, part.y, part.w * 0.75, shade(part.colour, 1.5), 72)
    canvas.erase_disc(part.x, part.y, part.w / 2)


def _gasket(rng: Rng) -> list[Part]:
    colour = vary(rng, ((62, 66, 72), (58, 88, 74), (120, 70, 52))[int(rng.integers(3))], 8)
    parts = [Part(_gasket_body, "body", 144, 112, 250, 160, 0.0, colour, seed=int(rng.integers(1 << 60)))]
    for x, y in ((-104, 0), (104, 0), (0, -62 - 0), (0, 62)):
        size = 20 if x else 11
        parts.append(Part(_eyelet, "hole", 144 + x, 112 + y, size, size, 0.0, colour))
    return parts


def _cloth(canvas: Canvas, part: Part) -> None:
    w, h = canvas.size_wh
    pitch = 7
    steps = np.arange(2 * pitch)
    over = ((steps // pitch)[None, :] + (steps // pitch)[:, None]) % 2 == 0
    arch = np.abs(np.sin(np.pi * (steps + 0.5) / pitch))
    bulge = np.where(over, arch[None, :], arch[:, None])
    thread = (
        np.where(over[:, :, None], part.colour, shade(part.colour, 0.72)) * (0.72 + 0.28 * bulge)[:, :, None]
    )
    tile = np.dstack((thread, np.full(over.shape, 255), 90 + 34 * bulge)).astype(np.uint8)
    cloth = np.tile(tile, (h // len(steps) + 1, w // len(steps) + 1, 1))[:h, :w]
    canvas.rgba[:], canvas.height[:] = cloth[:, :, :4], cloth[:, :, 4]
    canvas.grain(part.rng(), 2, 5.0)


def _weave(rng: Rng) -> list[Part]:
    colour = vary(rng, ((168, 150, 120), (110, 126, 150), (160, 110, 100))[int(rng.integers(3))], 10)
    return [Part(_cloth, "cloth", 120, 152, 240, 304, 0.0, colour, seed=int(rng.integers(1 << 60)))]


def _turned_logo(part: Part, rng: Rng) -> Part:
    far = rng.uniform(9, 16)
    way = rng.uniform(0, 2 * np.pi)
    return replace(
        part,
        x=part.x + far * np.cos(way),
        y=part.y + far * np.sin(way),
        angle=part.angle + rng.uniform(0.4, 0.9),
    )


_FLANGES = ((52.0, 80.0, 76.0, 144.0), (212.0, 80.0, 236.0, 144.0))
PRODUCTS: dict[str, Product] = {
    "bottle_cap": Product(
        _bottle_cap,
        (256, 256),
        {
            "scratch": Anomaly(surface(scratch)),
            "dent": Anomaly(surface(dent)),
            "contamination": Anomaly(surface(contamination)),
            "colour": Anomaly(surface(discolour)),
            "crack": Anomaly(surface(crack)),
            "broken edge": Anomaly(surface(chip)),
            "misplaced logo": Anomaly(change("logo", by=_turned_logo)),
            "missing mark": Anomaly(missing("dash")),
        },
        gloss=0.5,
    ),
    "gear": Product(
        _gear_layout,
        (256, 256),
        {
            "missing tooth": Anomaly(missing("tooth")),
            "bent tooth": Anomaly(
                change("tooth", by=lambda p, g: replace(p, bend=float(g.choice((-1, 1)) * g.uniform(8, 13))))
            ),
            "crack": Anomaly(surface(crack)),
            "scratch": Anomaly(surface(scratch)),
            "dent": Anomaly(surface(dent)),
            "stain": Anomaly(surface(stain())),
            "missing hole": Anomaly(missing("hole")),
        },
        background="brushed",
        turn_degrees=180,
        gloss=0.7,
        grey=True,
    ),
    "gasket": Product(
        _gasket,
        (288, 224),
        {
            "missing hole": Anomaly(missing("hole")),
            "misplaced hole": Anomaly(misplaced("hole", by=13.0, turn=0.0)),
            "extra hole": Anomaly(extra("hole", areas=_FLANGES)),
            "tear": Anomaly(surface(crack)),
            "broken edge": Anomaly(surface(chip)),
            "contamination": Anomaly(surface(contamination)),
            "stain": Anomaly(surface(stain(((190, 180, 160), (20, 20, 22), (150, 140, 90))))),
            "dent": Anomaly(surface(dent)),
        },
        gloss=0.15,
    ),
    "weave": Product(
        _weave,
        (240, 304),
        {
            "hole": Anomaly(surface(hole)),
            "stain": Anomaly(surface(stain())),
            "colour": Anomaly(surface(discolour)),
            "loose thread": Anomaly(surface(fibre)),
            "cut": Anomaly(surface(crack)),
            "scratch": Anomaly(surface(scratch)),
            "metal contamination": Anomaly(surface(specks)),
        },
        background="",
        gloss=0.05,
    ),
}
