"""A product as a list of parts, and the edits that turn a good product into a faulty one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Points, Rng, place

Paint = Callable[[Canvas, "Part"], None]
"""Draws a part."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that can be missing, misplaced, swapped, bent or recoloured.

    Attributes:
        paint: draws the part.
        role: what it is ("screw"); edits choose parts by role.
        x, y: centre in pixels of the canvas.
        w, h: size in pixels before turning.
        angle: radians, clockwise on screen.
        colour: main colour.
        level: height of its top, 0..255.
        bend: how far it is bent, 0 is straight; its meaning is the painter's.
        seed: for variation inside the part.
        touched: an edit changed it already.
    """

    paint: Paint
    role: str
    x: float
    y: float
    w: float
    h: float
    angle: float = 0.0
    colour: RGB = (128, 128, 128)
    level: int = 100
    bend: float = 0.0
    seed: int = 0
    touched: bool = False

    def at(self, points: Points) -> Points:
        """Move `[n, 2]` points from the part's own frame (origin at its centre) to the canvas."""
        return place(points, self.x, self.y, self.angle)

    def rng(self) -> Rng:
        """A generator for the part's own variation: the same at each painting."""
        return np.random.default_rng(self.seed)


Mark = Callable[[Canvas, Rng], None]
"""A surface defect: draws itself on the finished product."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The parts in painting order, then the surface defects with their seeds."""

    parts: tuple[Part, ...]
    marks: tuple[tuple[Mark, int], ...] = ()


Edit = Callable[[Scene, Rng], Scene]
"""Adds one instance of an anomaly to a scene; returns the scene itself when there is nothing to change."""

Kind = Literal["structural", "logical"]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One way in which a product can be faulty: the edit, MVTec LOCO's kind and Real-IAD's code."""

    edit: Edit
    kind: Kind = "structural"
    code: str = ""


@dataclass(frozen=True, slots=True)
class Product:
    """A category of the factory.

    Attributes:
        layout: makes the parts of one good product.
        size_wh: image size in pixels.
        anomalies: label in plain words to what makes it.
        background: name of a background in `camera.BACKGROUNDS`, or "" for a product that fills the frame.
        turn_degrees: largest rotation either way.
        gloss: how shiny the surface is, 0..1.
        grey: images are single-channel.
    """

    layout: Callable[[Rng], list[Part]]
    size_wh: tuple[int, int]
    anomalies: Mapping[str, Anomaly]
    background: str = "paper"
    turn_degrees: float = 8.0
    gloss: float = 0.3
    grey: bool = False
    tables: tuple[RGB, ...] = field(
        default=((196, 194, 190), (150, 152, 156), (92, 96, 102), (222, 220, 214))
    )


def paint(scene: Scene, size_wh: tuple[int, int]) -> Canvas:
    """Draw a scene on a new canvas."""
    canvas = Canvas(size_wh)
    for part in scene.parts:
        part.paint(canvas, part)
    for mark, seed in scene.marks:
        mark(canvas, np.random.default_rng(seed))
    return canvas


def surface(mark: Mark) -> Edit:
    """Edit that puts a surface defect somewhere on the product."""

    def edit(scene: Scene, rng: Rng) -> Scene:
        return replace(scene, marks=(*scene.marks, (mark, int(rng.integers(1 << 62)))))

    return edit


def _pick(scene: Scene, roles: tuple[str, ...], rng: Rng) -> int | None:
    choices = [i for i, p in enumerate(scene.parts) if p.role in roles and not p.touched]
    return int(rng.choice(choices)) if choices else None


def _with(scene: Scene, index: int, *new: Part) -> Scene:
    return replace(scene, parts=(*scene.parts[:index], *new, *scene.parts[index + 1 :]))


def missing(*roles: str) -> Edit:
    """Edit that takes one part away."""

    def edit(scene: Scene, rng: Rng) -> Scene:
        i = _pick(scene, roles, rng)
        return scene if i is None else _with(scene, i)

    return edit


def change(*roles: str, by: Callable[[Part, Rng], Part]) -> Edit:
    """Edit that alters one part with `by`."""

    def edit(scene: Scene, rng: Rng) -> Scene:
        i = _pick(scene, roles, rng)
        return scene if i is None else _with(scene, i, replace(by(scene.parts[i], rng), touched=True))

    return edit


def misplaced(*roles: str, by: float, turn: float = 0.5) -> Edit:
    """Edit that moves one part by about `by` pixels and turns it by up to `turn` radians."""

    def move(part: Part, rng: Rng) -> Part:
        way, far = rng.uniform(0, 2 * np.pi), by * rng.uniform(0.8, 1.3)
        spin = rng.choice((-1, 1)) * rng.uniform(0.35, 1.0) * turn
        return replace(
            part, x=part.x + far * np.cos(way), y=part.y + far * np.sin(way), angle=part.angle + spin
        )

    return change(*roles, by=move)


def recolour(*roles: str, colours: tuple[RGB, ...]) -> Edit:
    """Edit that gives one part another colour, one that differs clearly from its own."""

    def dye(part: Part, rng: Rng) -> Part:
        far = [c for c in colours if max(abs(p - q) for p, q in zip(c, part.colour, strict=True)) > 40]
        return replace(part, colour=far[int(rng.integers(len(far)))])

    return change(*roles, by=dye)


def bent(*roles: str, low: float, high: float) -> Edit:
    """Edit that bends one part either way by between `low` and `high`."""
    return change(
        *roles, by=lambda p, rng: replace(p, bend=float(rng.choice((-1, 1)) * rng.uniform(low, high)))
    )


def swapped(*roles: str, by_seed: bool = False) -> Edit:
    """Edit that exchanges the places of two parts that do not look alike.

    With `by_seed`, parts of different seeds do not look alike either.
    """

    def edit(scene: Scene, rng: Rng) -> Scene:
        i = _pick(scene, roles, rng)
        if i is None:
            return scene
        a = scene.parts[i]
        others = [
            j
            for j, p in enumerate(scene.parts)
            if p.role in roles
            and not p.touched
            and (
                p.paint is not a.paint
                or (by_seed and p.seed != a.seed)
                or max(abs(m - n) for m, n in zip(p.colour, a.colour, strict=True)) > 50
            )
        ]
        if not others:
            return scene
        j = int(rng.choice(others))
        b = scene.parts[j]
        out = _with(scene, i, replace(b, x=a.x, y=a.y, angle=a.angle, touched=True))
        return _with(out, j, replace(a, x=b.x, y=b.y, angle=b.angle, touched=True))

    return edit


def extra(*roles: str, areas: tuple[tuple[float, float, float, float], ...], spin: float = np.pi) -> Edit:
    """Edit that adds a copy of a part at a free place.

    Args:
        roles: what may be copied.
        areas: x1, y1, x2, y2 in canvas pixels, where the copy's centre may be.
        spin: largest turn of the copy, radians.
    """

    def edit(scene: Scene, rng: Rng) -> Scene:
        choices = [p for p in scene.parts if p.role in roles]
        if not choices:
            return scene
        model = choices[int(rng.integers(len(choices)))]
        area = areas[int(rng.integers(len(areas)))]
        spots = rng.uniform(area[:2], area[2:], (16, 2))
        # The first part is the body that the others lie on.
        taken = np.array([(p.x, p.y, max(p.w, p.h) / 2) for p in scene.parts[1:]])
        room = np.linalg.norm(spots[:, None] - taken[None, :, :2], axis=2) - taken[:, 2]
        x, y = spots[int(room.min(1).argmax())]
        copy = replace(model, x=x, y=y, angle=model.angle + rng.uniform(-spin, spin), touched=True)
        return replace(scene, parts=(*scene.parts, copy))

    return edit
