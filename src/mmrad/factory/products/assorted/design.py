"""Products composed by chance, for training on many: number k is drawn from seed k alone.

A body carries groups of parts, and the anomalies of a product follow from its parts. A good image varies the
pose, light, colours and places a little, as the other products' images do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from mmrad.factory.canvas import RGB, Image, Rng, place, rounded, vary
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
from mmrad.factory.products.assorted.bodies import Body, cloth_body, shape_body
from mmrad.factory.products.assorted.colours import apart, draw_bases, draw_tables, dye, relieved
from mmrad.factory.products.assorted.kinds import KINDS, TOOTH, Kind
from mmrad.factory.products.assorted.outlines import ROUND, choose, wheel
from mmrad.factory.products.assorted.places import ARRANGEMENTS, Place, gaps, open_area, take
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

_SEED = 20_260_611
_SIZES = (
    (256, 256),
    (240, 240),
    (288, 224),
    (320, 240),
    (304, 240),
    (288, 256),
    (304, 224),
    (320, 224),
    (240, 304),
    (224, 304),
)


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where one part lies and how it looks; without a colour it is of the body's material."""

    x: float
    y: float
    angle: float
    colour: RGB | None
    seed: int


@dataclass(frozen=True, slots=True)
class _Group:
    """Parts of one kind: size, height of the top, places, room for further ones, and how much they vary."""

    kind: Kind
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
                bare = base if group.kind.colour == "body" else relieved(base)
                colour = vary(rng, spot.colour, 6) if spot.colour else bare
                parts.append(
                    Part(
                        group.kind.paint,
                        group.kind.role,
                        spot.x + dx * group.slack,
                        spot.y + dy * group.slack,
                        group.w,
                        group.h,
                        turn,
                        colour,
                        group.level,
                        seed=spot.seed,
                    )
                )
        return parts


@lru_cache(maxsize=16)
def assorted_product(number: int) -> Product:
    """Product number `number`, from 0 on: the same one whenever it is asked for."""
    rng = np.random.default_rng([_SEED, number])
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    grey = bool(rng.random() < 0.08)
    filled = bool(rng.random() < 0.13)
    outline = choose(rng)
    bases = draw_bases(rng, grey)
    second = dye(rng, bases, grey) if rng.random() < 0.45 else None
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
        tables=draw_tables(rng),
    )


def assorted_name(number: int) -> str:
    """Category name of product `number`."""
    return f"assorted_{number:04d}"


def assorted_number(category: str) -> int | None:
    """The number in a category's name; None when it names no assorted product."""
    found = re.fullmatch(r"assorted_([0-9]{4}|[1-9][0-9]{4,})", category)
    return int(found[1]) if found else None


def _groups(rng: Rng, body: Body, grounds: tuple[RGB, ...], grey: bool, filled: bool) -> tuple[_Group, ...]:
    """Groups of parts on the free area of a body, each of another kind."""
    wanted = int(rng.choice((0, 0, 1, 2) if filled else (1, 1, 2, 2, 3, 3, 4)))
    free = open_area(body.cover, filled)
    level = int(np.median(body.height[body.cover > 200]))
    groups: list[_Group] = []
    for index in rng.permutation(len(KINDS)):
        if len(groups) == wanted:
            break
        kind = KINDS[index]
        if filled and kind.role in ("hole", "slot"):
            continue
        group = _group(rng, kind, free, level, grounds, grey)
        if group is None:
            continue
        groups.append(group)
        if kind.colour != "relief" and rng.random() < 0.35:
            for spot in group.spots:
                body.sink(place(rounded(group.w + 5, group.h + 5, group.h / 2), spot.x, spot.y, spot.angle))
    return tuple(replace(g, free=gaps(rng, free, g.w, g.h, g.spots[0].angle)) for g in groups)


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
        _Spot(x + reach * float(np.cos(t)), y + reach * float(np.sin(t)), float(t) + np.pi / 2, None, 0)
        for t in turns
    )
    return _Group(TOOTH, w, h, level, spots, (), 0.0)


def _group(
    rng: Rng, kind: Kind, free: Image, level: int, grounds: tuple[RGB, ...], grey: bool
) -> _Group | None:
    """Parts of a kind where they find room; what they cover is free no more."""
    best: list[Place] = []
    w = h = 0.0
    for _ in range(8):
        w = float(rng.uniform(*kind.width))
        h = w * float(rng.uniform(*kind.ratio))
        arrange = ARRANGEMENTS[int(rng.integers(len(ARRANGEMENTS)))]
        left = free.copy()
        asked = arrange(rng, free, w, h)
        best = [spot for spot in asked if take(left, spot, w, h)]
        if best and len(best) >= 0.6 * len(asked):
            break
    else:
        return None
    free[:] = left
    return _Group(
        kind,
        w,
        h,
        min(215, level + kind.rise),
        _dyed(rng, kind, best, grounds, grey),
        (),
        float(rng.uniform(0.3, 1.2)),
    )


def _dyed(
    rng: Rng, kind: Kind, places: list[Place], grounds: tuple[RGB, ...], grey: bool
) -> tuple[_Spot, ...]:
    count = 1 if rng.random() < 0.6 else int(rng.integers(2, 6))
    colours: list[RGB] = []
    for _ in range(count):
        taken = (*grounds, *colours) if len(colours) < 4 else grounds
        colours.append(dye(rng, taken, grey, kind.colour == "metal"))
    mixed = kind.signs and rng.random() < 0.5
    # Seeds that follow each other look different; a few of them, so that a look may return.
    look = int(rng.integers(1 << 20))
    seeds = [look + k % 7 * mixed for k in range(len(places))]
    return tuple(
        _Spot(x, y, angle, None if kind.colour == "relief" else colours[k % count], seeds[k])
        for k, (x, y, angle) in enumerate(places)
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
    edits = {k: e for group in groups for k, e in _part_edits(rng, group, grounds, grey).items()}
    some = [str(n) for n in rng.permutation(list(edits))[: int(rng.integers(3, 5))]]
    surfaces = [n for n in _SURFACE if not (filled and n == "broken edge")]
    total = int(rng.integers(5, 9))
    rest = [str(n) for n in rng.permutation(surfaces)[: max(2, total - len(some))]]
    return {
        **{n: Anomaly(edits[n], "structural" if n.startswith("bent") else "logical") for n in some},
        **{n: Anomaly(_SURFACE[n]) for n in rest},
    }


def _part_edits(rng: Rng, group: _Group, grounds: tuple[RGB, ...], grey: bool) -> dict[str, Edit]:
    kind, role, spots = group.kind, group.kind.role, group.spots
    size = max(group.w, group.h)
    edits: dict[str, Edit] = {f"missing {role}": missing(role)}
    edits[f"misplaced {role}"] = misplaced(role, by=max(10.0, 0.4 * min(size, 60)), turn=0.6)
    if group.free:
        edits[f"extra {role}"] = extra(role, areas=group.free, spin=0.2)
    if spots[0].colour:
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
    elif any(apart(a.colour, b.colour) > 90 for a in spots for b in spots if a.colour and b.colour):
        edits[f"swapped {role}s"] = swapped(role)
    return edits


def _others(rng: Rng, spots: tuple[_Spot, ...], grounds: tuple[RGB, ...], grey: bool) -> tuple[RGB, ...]:
    """Colours that no part of the group has; for each part at least one that differs much from its own."""
    present = tuple(dict.fromkeys(s.colour for s in spots if s.colour))
    opposite = tuple(((r + 128) % 256, (g + 128) % 256, (b + 128) % 256) for r, g, b in present)
    return (*(dye(rng, (*grounds, *present), grey) for _ in range(4)), *opposite)


def _turn(part: Part, rng: Rng) -> Part:
    way = float(rng.choice((-1, 1)))
    return replace(part, angle=part.angle + way * float(rng.uniform(0.45, 1.5)))


def _other_look(part: Part, rng: Rng) -> Part:
    return replace(part, seed=int(rng.integers(1 << 30)))


def _shrink(part: Part, rng: Rng) -> Part:
    share = float(rng.uniform(0.45, 0.68))
    return replace(part, w=part.w * share, h=part.h * share)
