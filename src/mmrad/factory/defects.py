"""Surface defects: each mark draws one instance at a random place of the product."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from mmrad.factory.canvas import RGB, Canvas, Points, Rng, blob, fixed, mix, place, shade
from mmrad.factory.scene import Mark

DUST: tuple[RGB, ...] = (
    (60, 48, 38),
    (38, 40, 46),
    (120, 96, 70),
    (208, 204, 196),
    (150, 60, 44),
    (70, 92, 130),
)


def extent(canvas: Canvas, rng: Rng) -> float:
    """Length of a defect in pixels: mostly 8 to 35 % of the shorter side, now and then down to 5 %."""
    share = rng.uniform(0.05, 0.08) if rng.random() < 0.1 else 0.08 + 0.27 * rng.beta(1.3, 2.0)
    return float(share * min(canvas.size_wh))


def spot(canvas: Canvas, rng: Rng, edge: bool = False) -> tuple[float, float]:
    """A random point (x, y) on the product, or on its outline."""
    covered = canvas.rgba[:, :, 3]
    w, h = canvas.size_wh
    if edge:
        outlines, _ = cv2.findContours(
            (covered > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        points = max(outlines, key=len).reshape(-1, 2)
        inside = points[((points > 4) & (points < (w - 5, h - 5))).all(1)]
        points = inside if len(inside) else points
        x, y = points[int(rng.integers(len(points)))]
        return float(x), float(y)
    x, y = w // 2, h // 2
    # What fills the frame is larger than the image.
    margin = w // 6 if covered[0, 0] == 255 else 8
    for x, y in rng.integers((margin, margin), (w - margin, h - margin), (60, 2)):
        # The pixels around count too: a defect half beside the product would be mostly invisible.
        near = covered[max(0, y - 4) : y + 5 : 4, max(0, x - 4) : x + 5 : 4]
        if near.min() > 200:
            break
    return float(x), float(y)


def local_colour(canvas: Canvas, x: float, y: float) -> RGB:
    """Mean colour of the product around a point."""
    cx, cy = round(x), round(y)
    patch = canvas.rgba[max(0, cy - 3) : cy + 4, max(0, cx - 3) : cx + 4, :3]
    r, g, b = patch.reshape(-1, 3).mean(0)
    return int(r), int(g), int(b)


def _contrasting(rng: Rng, base: RGB, low: float = 0.35, high: float = 0.95) -> RGB:
    """A tone clearly darker or lighter than `base`, by a random strength."""
    dark = sum(base) > 330 if rng.random() < 0.8 else sum(base) > 200
    target: RGB = (22, 20, 18) if dark else (240, 238, 230)
    return mix(base, target, float(rng.uniform(low, high)))


def tint(
    canvas: Canvas, outline: Points, colour: RGB, opacity: float, feather: float = 0.0, raise_by: int = 0
) -> None:
    """Blend a colour, and a change of height, over a polygon `[n, 2]` of the product."""
    w, h = canvas.size_wh
    pad = int(feather * 2) + 2
    x1, y1 = np.maximum(np.floor(outline.min(0)).astype(int) - pad, 0)
    x2, y2 = np.minimum(np.ceil(outline.max(0)).astype(int) + pad, (w, h))
    if x2 <= x1 or y2 <= y1:
        return
    shape = np.zeros((y2 - y1, x2 - x1), np.uint8)
    cv2.fillPoly(shape, [fixed(outline - (x1, y1))], 255, cv2.LINE_AA, 4)
    if feather:
        shape = cv2.GaussianBlur(shape, (0, 0), feather)
    area = canvas.rgba[y1:y2, x1:x2]
    share = shape.astype(np.float32) * (area[:, :, 3] > 60) / 255.0
    over = share[:, :, None] * np.float32(opacity)
    area[:, :, :3] = np.rint(area[:, :, :3] * (1 - over) + np.array(colour, np.float32) * over)
    if raise_by:
        ground = canvas.height[y1:y2, x1:x2]
        ground[:] = np.clip(ground + share * raise_by, 0, 255)


def _path(rng: Rng, length: float, wander: float, steps: int = 9) -> Points:
    """A wandering line `[steps, 2]` about the origin, about `length` pixels long."""
    turns = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, wander, steps))
    moves = np.stack((np.cos(turns), np.sin(turns)), 1) * (length / steps)
    points = np.cumsum(moves, 0)
    out: Points = points - (points.min(0) + points.max(0)) / 2
    return out


def _stroke(canvas: Canvas, path: Points, width: int, colour: RGB, sink: int) -> None:
    """Draw a line on the product only: the coverage stays as it is."""
    line = Canvas.__new__(Canvas)
    pad = width + 2
    w, h = canvas.size_wh
    x1, y1 = np.maximum(np.floor(path.min(0)).astype(int) - pad, 0)
    x2, y2 = np.minimum(np.ceil(path.max(0)).astype(int) + pad, (w, h))
    if x2 <= x1 or y2 <= y1:
        return
    line.rgba, line.height = canvas.rgba[y1:y2, x1:x2].copy(), canvas.height[y1:y2, x1:x2].copy()
    on = line.rgba[:, :, 3] > 60
    here = line.height[line.height.shape[0] // 2, line.height.shape[1] // 2]
    line.line(path - (x1, y1), width, colour, int(np.clip(int(here) - sink, 0, 255)))
    canvas.rgba[y1:y2, x1:x2, :3][on] = line.rgba[:, :, :3][on]
    canvas.height[y1:y2, x1:x2][on] = line.height[on]


def scratch(canvas: Canvas, rng: Rng) -> None:
    """One to three nearly straight, nearly parallel thin strokes."""
    x, y = spot(canvas, rng)
    base = local_colour(canvas, x, y)
    path = _path(rng, extent(canvas, rng) * 1.15, 0.06)
    colour = _contrasting(rng, base, 0.3, 0.85)
    for _ in range(1 + int(rng.random() < 0.3) + int(rng.random() < 0.15)):
        _stroke(canvas, place(path, x, y), int(rng.choice((1, 1, 2, 2, 2, 3))), colour, 6)
        x, y = x + rng.uniform(-5, 5), y + rng.uniform(-5, 5)


def abrasion(canvas: Canvas, rng: Rng) -> None:
    """A rubbed patch: many short strokes in one direction."""
    x, y = spot(canvas, rng)
    size = extent(canvas, rng)
    way = rng.uniform(0, np.pi)
    colour = _contrasting(rng, local_colour(canvas, x, y), 0.25, 0.6)
    for _ in range(int(rng.integers(7, 16))):
        reach = size * rng.uniform(0.25, 0.6)
        dx, dy = rng.normal(0, size / 6, 2)
        line = place(np.array(((-reach / 2, 0.0), (reach / 2, rng.uniform(-2, 2)))), x + dx, y + dy, way)
        _stroke(canvas, line, int(rng.choice((1, 1, 2))), colour, 3)


def crack(canvas: Canvas, rng: Rng) -> None:
    """A dark ragged line that branches."""
    x, y = spot(canvas, rng, edge=bool(rng.random() < 0.4))
    base = local_colour(canvas, x, y)
    colour = mix(base, (14, 12, 12), float(rng.uniform(0.5, 0.95)))
    path = place(_path(rng, extent(canvas, rng) * 1.35, 0.45, 12), x, y)
    width = int(rng.choice((1, 2, 2)))
    _stroke(canvas, path, width, colour, 30)
    for _ in range(int(rng.integers(0, 3))):
        start = int(rng.integers(3, 10))
        branch = _path(rng, extent(canvas, rng) * 0.5, 0.4, 6)
        _stroke(canvas, branch - branch[0] + path[start], 1, colour, 20)


def stain(
    colours: Sequence[RGB] = ((70, 46, 26), (30, 30, 34), (120, 92, 50), (90, 96, 60), (60, 70, 100)),
) -> Mark:
    """A soft or sharp-edged patch of another tone, with a darker rim now and then."""

    def mark(canvas: Canvas, rng: Rng) -> None:
        x, y = spot(canvas, rng)
        size = extent(canvas, rng) * 0.9
        colour = colours[int(rng.integers(len(colours)))]
        opacity = float(rng.uniform(0.25, 0.85))
        outline = place(blob(rng, size, size * rng.uniform(0.5, 1.0)), x, y)
        tint(canvas, outline, colour, opacity, float(rng.choice((0.7, 1.5, 3.0))))
        if rng.random() < 0.35:
            inner = place((outline - (x, y)) * 0.78, x, y)
            tint(canvas, inner, mix(colour, local_colour(canvas, x, y), 0.7), opacity * 0.7, 1.5)

    return mark


def discolour(canvas: Canvas, rng: Rng) -> None:
    """A patch whose hue is off while the surface is whole."""
    x, y = spot(canvas, rng)
    size = extent(canvas, rng)
    base = np.array(local_colour(canvas, x, y), float)
    push = rng.normal(0, 1, 3)
    push *= rng.uniform(32, 105) / max(1e-6, np.abs(push).max())
    r, g, b = np.clip(base + push, 0, 255).astype(int)
    outline = place(blob(rng, size, size * rng.uniform(0.5, 1.0), 0.3), x, y)
    tint(
        canvas, outline, (int(r), int(g), int(b)), float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.5, 2.5))
    )


def dent(canvas: Canvas, rng: Rng) -> None:
    """A smooth hollow or bump: seen by its shading, with a little dullness."""
    x, y = spot(canvas, rng)
    size = extent(canvas, rng) * 0.75
    outline = place(blob(rng, size, size * rng.uniform(0.6, 1.0), 0.15), x, y)
    depth = int(-rng.uniform(60, 140)) if rng.random() < 0.8 else int(rng.uniform(60, 120))
    dull = shade(local_colour(canvas, x, y), float(rng.uniform(0.55, 0.8)))
    tint(canvas, outline, dull, float(rng.uniform(0.3, 0.6)), max(1.2, size / 8), depth)


def hole(canvas: Canvas, rng: Rng) -> None:
    """A dark pit with a rim."""
    x, y = spot(canvas, rng)
    size = max(7.0, extent(canvas, rng) * 0.6)
    outline = place(blob(rng, size, size * rng.uniform(0.65, 1.0), 0.2), x, y)
    base = local_colour(canvas, x, y)
    tint(canvas, place((outline - (x, y)) * 1.2, x, y), shade(base, float(rng.uniform(1.1, 1.35))), 0.6, 0.6)
    tint(canvas, outline, mix(base, (16, 15, 15), float(rng.uniform(0.7, 1.0))), 1.0, 0.4, -70)


def chip(canvas: Canvas, rng: Rng) -> None:
    """A piece broken out of the outline."""
    x, y = spot(canvas, rng, edge=True)
    size = max(12.0, extent(canvas, rng) * 0.8)
    outline = place(blob(rng, size, size * rng.uniform(0.6, 0.95), 0.45), x, y)
    tint(canvas, place((outline - (x, y)) * 1.18, x, y), shade(local_colour(canvas, x, y), 1.25), 0.6, 0.8)
    canvas.erase(outline)


def specks(canvas: Canvas, rng: Rng) -> None:
    """A cluster of foreign particles."""
    x, y = spot(canvas, rng)
    size = extent(canvas, rng) * 0.8
    colour = DUST[int(rng.integers(len(DUST)))]
    for k in range(int(rng.integers(3, 12))):
        dx, dy = rng.normal(0, size / 4.5, 2) if k else (0.0, 0.0)
        grain = max(3.0, size * rng.uniform(0.1, 0.32))
        outline = place(blob(rng, grain, grain * rng.uniform(0.5, 1.0), 0.4), x + dx, y + dy)
        tint(
            canvas,
            outline,
            shade(colour, float(rng.uniform(0.75, 1.25))),
            float(rng.uniform(0.8, 1.0)),
            0.0,
            25,
        )


def fibre(canvas: Canvas, rng: Rng) -> None:
    """A hair, thread or swarf lying on the product."""
    x, y = spot(canvas, rng)
    path = place(_path(rng, extent(canvas, rng) * 1.7, 0.42, 14), x, y)
    tone = DUST[int(rng.integers(len(DUST)))]
    _stroke(canvas, path, int(rng.choice((1, 2, 2, 3))), tone, -20)


def lump(canvas: Canvas, rng: Rng) -> None:
    """One foreign object: a crumb, chip of metal or bead of glue."""
    x, y = spot(canvas, rng)
    size = max(9.0, extent(canvas, rng) * 0.7)
    colour = DUST[int(rng.integers(len(DUST)))]
    outline = place(blob(rng, size, size * rng.uniform(0.45, 0.95), 0.4), x, y)
    tint(canvas, outline, colour, float(rng.uniform(0.75, 1.0)), 0.5, 55)
    tint(canvas, place((outline - (x, y)) * 0.5, x - 1, y - 1), shade(colour, 1.3), 0.6, 1.0, 25)


def contamination(canvas: Canvas, rng: Rng) -> None:
    """Particles, a fibre or a lump."""
    (specks, fibre, lump)[int(rng.integers(3))](canvas, rng)
