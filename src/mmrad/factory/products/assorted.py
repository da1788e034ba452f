"""Products composed by chance, for training on many: number k is drawn from seed k alone.

A body (`assorted_bodies`) carries groups of parts (`assorted_parts`); which anomalies a product has follows from
its parts. A good image varies the pose, light, colours and places a little, as the other products' images do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import cv2
import numpy as np

from mmrad.factory import parts as shared
from mmrad.factory.canvas import RGB, Image, Points, Rng, fixed, mix, place, rounded, shade, vary
from mmrad.factory.defects import (
    abrasion,
    chip,
    contamination,
    crack,
    dent,
    discolour,
    fibre,
    hole,
    lump,
    scratch,
    specks,
    stain,
)
from mmrad.factory.products import assorted_parts as own
from mmrad.factory.products.assorted_bodies import ROUND, Body, choose, cloth_body, shape_body, wheel
from mmrad.factory.scene import (
    Anomaly,
    Edit,
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

PREFIX = "assorted_"
"""Category names are this and the number, at least four digits."""

_SEED = 20_260_611
_SIZES = (
    (256, 256), (240, 240), (288, 224), (320, 240), (304, 240), (288, 256), (304, 224), (320, 224), (240, 304), (224, 304)
)
_METALS: tuple[RGB, ...] = ((172, 174, 178), (196, 162, 84), (150, 152, 158), (186, 118, 84), (96, 98, 104))
_TONES = (
    ((0.45, 0.42), (0.76, 0.8)), ((0.12, 0.65), (0.4, 0.9)), ((0.3, 0.2), (0.65, 0.42)), ((0.0, 0.18), (0.1, 0.9))
)
"""Lowest and highest saturation and value of each family of colours."""
_GAP = 4.0


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of part: its look, size in pixels, and what can be wrong with it.

    `dye` is where its colours come from: "metal", "any", or "body" for relief in the body's own material.
    """

    role: str
    paint: Paint
    width: tuple[float, float]
    ratio: tuple[float, float] = (1.0, 1.0)
    dye: str = "any"
    rise: int = 25
    loose: bool = False
    turned: bool = False
    bends: bool = False
    signs: bool = False


_KINDS = (
    _Kind("screw", shared.screw_head, (18, 30), dye="metal", loose=True),
    _Kind("nut", shared.nut, (22, 36), dye="metal", loose=True),
    _Kind("washer", shared.washer, (22, 38), dye="metal"),
    _Kind("bolt", shared.screw_side, (52, 90), (0.2, 0.3), "metal", turned=True, bends=True),
    _Kind("wire", shared.cable, (8, 14), (4.0, 7.0), bends=True),
    _Kind("hole", own.through_hole, (16, 36), dye="body", rise=0),
    _Kind("slot", own.through_slot, (34, 60), (0.3, 0.45), "body", rise=0, turned=True),
    _Kind("dimple", own.dimple, (12, 26), dye="body"),
    _Kind("rivet", own.stud, (14, 26), dye="metal"),
    _Kind("bead", own.bead, (14, 34)),
    _Kind("tablet", own.tablet, (24, 46), loose=True),
    _Kind("stone", own.gem, (22, 50), (0.7, 1.0), turned=True),
    _Kind("component", own.block, (32, 70), (0.5, 0.9), turned=True, signs=True),
    _Kind("sign", own.glyph, (20, 40), (1.1, 1.4), rise=3, turned=True, signs=True),
    _Kind("key", own.key, (30, 52), (0.7, 1.0), turned=True, signs=True),
    _Kind("emblem", own.icon, (28, 70), rise=6, turned=True, signs=True),
    _Kind("label", own.tag, (56, 92), (0.5, 1.0), rise=8, turned=True, signs=True),
    _Kind("pin", own.pin, (7, 12), (3.6, 5.0), "metal", rise=50, bends=True),
    _Kind("resistor", own.barrel, (36, 60), (0.26, 0.36), bends=True, turned=True, signs=True),
    _Kind("spring", own.coil, (48, 84), (0.25, 0.4), "metal", bends=True, turned=True),
    _Kind("clip", own.clip, (30, 54), (0.4, 0.6), "metal", bends=True, turned=True),
    _Kind("window", own.window, (40, 84), (0.5, 1.0), turned=True),
    _Kind("knob", own.knob, (32, 62), turned=True, rise=40),
    _Kind("leaf", own.petal, (26, 52), (0.4, 0.6), rise=6, turned=True),
    _Kind("stitch", own.stitch, (12, 20), (0.28, 0.36), turned=True, rise=12),
    _Kind("rib", own.rib, (28, 70), (0.14, 0.3), "body", turned=True, rise=34),
    _Kind("seal", own.ring, (28, 56)),
    _Kind("terminal", own.terminal, (44, 72), (0.32, 0.44), turned=True, rise=45),
)


_TOOTH = _Kind("tooth", own.tooth, (0, 0), dye="body", rise=0, bends=True)


@dataclass(frozen=True, slots=True)
class _Spot:
    x: float
    y: float
    angle: float
    colour: RGB | None
    seed: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Parts of one kind at their places; a spot without a colour has the body's."""

    kind: _Kind
    w: float
    h: float
    level: int
    spots: tuple[_Spot, ...]
    free: tuple[tuple[float, float, float, float], ...]
    slack: float


@dataclass(frozen=True, slots=True)
class _Design:
    """A category: its body in one of a few colours, and its groups of parts."""

    body: Body
    size_wh: tuple[int, int]
    bases: tuple[RGB, ...]
    groups: tuple[_Group, ...]

    def __call__(self, rng: Rng) -> list[Part]:
        """The parts of one good product."""
        w, h = self.size_wh
        base = vary(rng, self.bases[int(rng.integers(len(self.bases)))], 9)
        seed = int(rng.integers(1 << 60))
        parts: list[Part] = [Part(self.body, "body", w / 2, h / 2, w, h, 0.0, base, seed=seed)]
        for group in self.groups:
            for spot in group.spots:
                dx, dy, da = rng.normal(0, 1, 3)
                turn = rng.uniform(0, 2 * np.pi) if group.kind.loose else spot.angle + da * 0.02 * group.slack
                bare = base if group.kind is _TOOTH else _relieved(base)
                colour = vary(rng, spot.colour, 6) if spot.colour else bare
                parts.append(
                    Part(
                        group.kind.paint, group.kind.role, spot.x + dx * group.slack, spot.y + dy * group.slack,
                        group.w, group.h, turn, colour, group.level, seed=spot.seed,
                    )
                )
        return parts


@lru_cache(maxsize=16)
def assorted(number: int) -> Product:
    """Product number `number`, from 0 on: the same one whenever it is asked for."""
    rng = np.random.default_rng([_SEED, number])
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    grey = bool(rng.random() < 0.08)
    filled = bool(rng.random() < 0.13)
    outline = choose(rng)
    bases = _bases(rng, grey)
    second = _dye(rng, bases, grey) if rng.random() < 0.45 else None
    body = cloth_body(rng, size, second) if filled else shape_body(rng, size, outline, second)
    grounds = bases if second is None else (*bases, second)
    groups = _groups(rng, body, grounds, grey, filled)
    if outline is wheel and not filled:
        groups = (_teeth(rng, body), *groups)
    turns = float(rng.choice((3.0, 8.0, 8.0, 8.0)))
    if outline in ROUND and not filled and rng.random() < 0.4:
        turns = 180.0
    return Product(
        _Design(body, size, bases, groups),
        size,
        _anomalies(rng, groups, filled, grounds, grey),
        background="" if filled else str(rng.choice(("paper", "paper", "brushed", "cloth"))),
        turn_degrees=turns,
        gloss=float(rng.uniform(0.05, 0.7)),
        grey=grey,
        tables=_tables(rng),
    )


def assorted_number(category: str) -> int | None:
    """The number in a category's name; None when it names no assorted product."""
    digits = category.removeprefix(PREFIX)
    return int(digits) if category != digits and digits.isdecimal() and category == name(int(digits)) else None


def name(number: int) -> str:
    """Category name of product `number`."""
    return f"{PREFIX}{number:04d}"


def _hsv(rng: Rng, hue: float, saturation: float, value: float) -> RGB:
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
    return _hsv(rng, rng.random(), saturation, value)


def _apart(a: RGB, b: RGB) -> int:
    return max(abs(p - q) for p, q in zip(a, b, strict=True))


def _bases(rng: Rng, grey: bool) -> tuple[RGB, ...]:
    metal = rng.random() < 0.25
    count = int(rng.choice((1, 1, 1, 2, 3)))
    if metal:
        v = int(rng.integers(120, 185))
        return ((v, v + 2, v + 6),)
    return tuple(_colour(rng, grey) for _ in range(count))


def _dye(rng: Rng, grounds: tuple[RGB, ...], grey: bool, metal: bool = False) -> RGB:
    """A colour that stands out from each of the grounds."""
    best, reach = (0, 0, 0), -1
    for k in range(30):
        colour = _METALS[int(rng.integers(len(_METALS)))] if metal and k < 6 else _colour(rng, grey)
        if metal and grey:
            colour = (colour[0],) * 3
        near = min(_apart(colour, ground) for ground in grounds)
        if near > 70:
            return colour
        if near > reach:
            best, reach = colour, near
    return best


def _relieved(base: RGB) -> RGB:
    return shade(base, 0.66) if sum(base) > 300 else mix(base, (235, 235, 235), 0.3)


def _tables(rng: Rng) -> tuple[RGB, ...]:
    v = rng.integers(60, 225, 3)
    return tuple(vary(rng, (int(k), int(k), int(k)), 14) for k in v)


def _groups(
    rng: Rng, body: Body, grounds: tuple[RGB, ...], grey: bool, filled: bool
) -> tuple[_Group, ...]:
    """Groups of parts on the free area of a body, each of another kind."""
    wanted = int(rng.choice((0, 0, 1, 2) if filled else (1, 1, 2, 2, 3, 3, 4)))
    free = _open_area(body, filled)
    level = int(np.median(body.height[body.cover > 200]))
    groups: list[_Group] = []
    for index in rng.permutation(len(_KINDS)):
        if len(groups) == wanted:
            break
        kind = _KINDS[index]
        if filled and kind.paint in (own.through_hole, own.through_slot):
            continue
        group = _group(rng, kind, free, level, grounds, grey)
        if group is None:
            continue
        groups.append(group)
        if kind.dye != "body" and rng.random() < 0.35:
            for spot in group.spots:
                body.sink(place(rounded(group.w + 5, group.h + 5, group.h / 2), spot.x, spot.y, spot.angle))
    return tuple(replace(g, free=_gaps(rng, g, free)) for g in groups)


def _teeth(rng: Rng, body: Body) -> _Group:
    """Teeth around a wheel."""
    rows, columns = np.nonzero(body.cover > 127)
    radius = float(np.ptp(columns)) / 2
    x, y = float(columns.mean()), float(rows.mean())
    count = int(rng.integers(10, 27))
    h = radius * float(rng.uniform(0.2, 0.3))
    w = float(2 * np.pi * radius / count * rng.uniform(0.5, 0.65))
    level = int(np.median(body.height[body.cover > 200]))
    turns = np.arange(count) * 2 * np.pi / count
    reach = radius + 0.22 * h
    spots = tuple(
        _Spot(x + reach * float(np.cos(t)), y + reach * float(np.sin(t)), float(t) + np.pi / 2, None, 0) for t in turns
    )
    return _Group(_TOOTH, w, h, level, spots, (), 0.0)


def _open_area(body: Body, filled: bool) -> Image:
    """`uint8[h, w]`, 1 where parts may lie."""
    inner = (body.cover > 250).astype(np.uint8)
    h, w = inner.shape
    # The frame's edge counts as the body's; what fills the frame is seen enlarged.
    mx, my = (w // 5, h // 5) if filled else (7, 7)
    inner[:my], inner[-my:], inner[:, :mx], inner[:, -mx:] = 0, 0, 0, 0
    return cv2.erode(inner, np.ones((9, 9), np.uint8))  # type: ignore[return-value]


def _group(
    rng: Rng, kind: _Kind, free: Image, level: int, grounds: tuple[RGB, ...], grey: bool
) -> _Group | None:
    """Parts of a kind where they find room; what they cover is free no more."""
    best: list[tuple[float, float, float]] = []
    w = h = 0.0
    for _ in range(8):
        w = float(rng.uniform(*kind.width))
        h = w * float(rng.uniform(*kind.ratio))
        arrange = _ARRANGEMENTS[int(rng.integers(len(_ARRANGEMENTS)))]
        left = free.copy()
        asked = arrange(rng, free, w, h)
        best = [spot for spot in asked if _take(left, spot, w, h)]
        if best and len(best) >= 0.6 * len(asked):
            break
    else:
        return None
    free[:] = left
    return _Group(
        kind, w, h, min(215, level + kind.rise), _dyed(rng, kind, best, grounds, grey), (), float(rng.uniform(0.3, 1.2))
    )


def _dyed(
    rng: Rng, kind: _Kind, places: list[tuple[float, float, float]], grounds: tuple[RGB, ...], grey: bool
) -> tuple[_Spot, ...]:
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
    colours: list[RGB] = []
    for _ in range(count):
        taken = (*grounds, *colours) if len(colours) < 4 else grounds
        colours.append(_dye(rng, taken, grey, kind.dye == "metal"))
    mixed = kind.signs and rng.random() < 0.5
    # Seeds that follow each other look different; a few of them, so that a look may return.
    look = int(rng.integers(1 << 20))
    seeds = [look + k % 7 * mixed for k in range(len(places))]
    return tuple(
        _Spot(x, y, angle, None if kind.dye == "body" else colours[k % count], seeds[k])
        for k, (x, y, angle) in enumerate(places)
    )


def _footprint(spot: tuple[float, float, float], w: float, h: float) -> Points:
    return place(rounded(w + _GAP, h + _GAP, min(w, h) / 2), *spot)


def _take(free: Image, spot: tuple[float, float, float], w: float, h: float) -> bool:
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


def _gaps(rng: Rng, group: _Group, free: Image) -> tuple[tuple[float, float, float, float], ...]:
    """Small areas where a further part of the group has room."""
    left, found = free.copy(), []
    height, width = free.shape
    angle = group.spots[0].angle
    for x, y in rng.uniform((0, 0), (width, height), (60, 2)):
        if _take(left, (float(x), float(y), angle), group.w + 4, group.h + 4):
            found.append((float(x) - 2, float(y) - 2, float(x) + 2, float(y) + 2))
    return tuple(found[:6])


Places = list[tuple[float, float, float]]


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


def _grid(rng: Rng, free: Image, w: float, h: float) -> Places:
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
        (cx + (i - (nx - 1) / 2) * px, cy + (j - (ny - 1) / 2) * py, turn) for j in range(ny) for i in range(nx)
    ]


def _circle(rng: Rng, free: Image, w: float, h: float) -> Places:
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


def _corners(rng: Rng, free: Image, w: float, h: float) -> Places:
    x1, y1, x2, y2 = _box(free)
    inset = rng.uniform(0, 0.12) * min(x2 - x1, y2 - y1) + 3
    a, b = (x2 - x1 - w) / 2 - inset, (y2 - y1 - h) / 2 - inset
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    signs = ((-1, -1), (1, -1), (-1, 1), (1, 1)) if rng.random() < 0.7 else ((-1, -1), (1, 1))
    return [(cx + i * a, cy + j * b, 0.0) for i, j in signs]


def _pair(rng: Rng, free: Image, w: float, h: float) -> Places:
    cx, cy = _centre_of(free)
    x1, y1, x2, y2 = _box(free)
    dx, dy = rng.uniform(0.15, 0.45) * (x2 - x1), rng.uniform(-0.4, 0.4) * (y2 - y1)
    turn = _right_angle(rng)
    if rng.random() < 0.5:
        return [(cx - dx, cy + dy, turn), (cx + dx, cy + dy, -turn)]
    dx, dy = rng.uniform(-0.3, 0.3) * (x2 - x1), rng.uniform(0.15, 0.42) * (y2 - y1)
    return [(cx + dx, cy - dy, turn), (cx + dx, cy + dy, turn)]


def _scatter(rng: Rng, free: Image, w: float, h: float) -> Places:
    """Places without order, the same ones on each piece."""
    left, found = free.copy(), []
    count = int(rng.integers(2, 9))
    height, width = free.shape
    turn = _right_angle(rng)
    for x, y in rng.uniform((0, 0), (width, height), (80, 2)):
        spot = (float(x), float(y), turn)
        if len(found) < count and _take(left, spot, w + 4, h + 4):
            found.append(spot)
            turn = turn if rng.random() < 0.6 else _right_angle(rng)
    return found


def _middle(rng: Rng, free: Image, w: float, h: float) -> Places:
    return [(*_centre_of(free), _right_angle(rng))]


def _along_edge(rng: Rng, free: Image, w: float, h: float) -> Places:
    """Places at even distances along the outline."""
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


_ARRANGEMENTS: tuple[Callable[[Rng, Image, float, float], Places], ...] = (
    _grid, _grid, _grid, _circle, _circle, _corners, _pair, _scatter, _middle, _along_edge,
)
_BURN: tuple[RGB, ...] = ((28, 20, 14), (44, 30, 18), (60, 40, 22))
_SURFACE: dict[str, Edit] = {
    "scratch": surface(scratch),
    "dent": surface(dent),
    "contamination": surface(contamination),
    "colour": surface(discolour),
    "crack": surface(crack),
    "stain": surface(stain()),
    "burnt": surface(stain(_BURN)),
    "hole": surface(hole),
    "abrasion": surface(abrasion),
    "foreign object": surface(lump),
    "metal contamination": surface(specks),
    "loose thread": surface(fibre),
    "broken edge": surface(chip),
}


def _anomalies(
    rng: Rng, groups: tuple[_Group, ...], filled: bool, grounds: tuple[RGB, ...], grey: bool
) -> dict[str, Anomaly]:
    """Five to eight ways to be faulty: up to four of the parts', the rest of the surface."""
    logical = {k: e for group in groups for k, e in _part_edits(rng, group, grounds, grey).items()}
    some = [str(n) for n in rng.permutation(list(logical))[: int(rng.integers(3, 5))]]
    surfaces = [n for n in _SURFACE if not (filled and n == "broken edge")]
    total = int(rng.integers(5, 9))
    rest = [str(n) for n in rng.permutation(surfaces)[: max(2, total - len(some))]]
    return {
        **{n: Anomaly(logical[n], "logical") for n in some},
        **{n: Anomaly(_SURFACE[n]) for n in rest},
    }


def _part_edits(rng: Rng, group: _Group, grounds: tuple[RGB, ...], grey: bool) -> dict[str, Edit]:
    kind, role, spots = group.kind, group.kind.role, group.spots
    size = max(group.w, group.h)
    edits: dict[str, Edit] = {f"missing {role}": missing(role)}
    edits[f"misplaced {role}"] = misplaced(role, by=max(10.0, 0.4 * min(size, 60)), turn=0.6)
    if group.free:
        edits[f"extra {role}"] = extra(role, areas=group.free, spin=0.2)
    if kind.dye != "body":
        edits[f"wrong colour of {role}"] = recolour(role, colours=_others(rng, spots, grounds, grey))
    if kind.bends:
        edits[f"bent {role}"] = bent(role, low=0.16 * size, high=0.3 * size)
    if kind.turned:
        edits[f"turned {role}"] = change(role, by=_turn)
    if kind.signs:
        edits[f"wrong {role}"] = change(role, by=_other_look)
    if size > 18:
        edits[f"undersized {role}"] = change(role, by=_shrink)
    if len({s.seed for s in spots}) > 1:
        edits[f"swapped {role}s"] = swapped(role, by_seed=True)
    elif any(_apart(a.colour, b.colour) > 90 for a in spots for b in spots if a.colour and b.colour):
        edits[f"swapped {role}s"] = swapped(role)
    return edits


def _others(rng: Rng, spots: tuple[_Spot, ...], grounds: tuple[RGB, ...], grey: bool) -> tuple[RGB, ...]:
    """Colours that no part of the group has; for each part at least one that differs much from its own."""
    present = tuple(dict.fromkeys(s.colour for s in spots if s.colour))
    opposite = tuple(((r + 128) % 256, (g + 128) % 256, (b + 128) % 256) for r, g, b in present)
    return (*(_dye(rng, (*grounds, *present), grey) for _ in range(4)), *opposite)


def _turn(part: Part, rng: Rng) -> Part:
    way = float(rng.choice((-1, 1)))
    return replace(part, angle=part.angle + way * float(rng.uniform(0.45, 1.5)))


def _other_look(part: Part, rng: Rng) -> Part:
    return replace(part, seed=int(rng.integers(1 << 30)))


def _shrink(part: Part, rng: Rng) -> Part:
    share = float(rng.uniform(0.45, 0.68))
    return replace(part, w=part.w * share, h=part.h * share)
