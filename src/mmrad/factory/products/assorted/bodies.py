"""Bodies of assorted products: an outline, a relief, a finish and a print, drawn from a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.factory.canvas import (
    RGB,
    Canvas,
    Field,
    Image,
    Points,
    Rng,
    fixed,
    place,
    rounded,
    shade,
    smooth_noise,
)
from mmrad.factory.products.assorted.outlines import Outline
from mmrad.factory.scene import Part


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What all good products of a category share; drawn once a category, coloured for each image.

    Attributes:
        cover: `uint8[h, w]` coverage.
        tone: `uint8[h, w]` brightness, 128 is the body's own.
        print: `uint8[h, w]` share of the second colour.
        height: `uint8[h, w]` height.
        second: the second colour; None is a darker shade of the first.
        flow: variation of the material that each image has anew: "", "streaks", "clouds", "veins" or "grain".
        grain: size of the finest bumps in pixels, and their strength in brightness and in height.
    """

    cover: Image
    tone: Image
    print: Image
    height: Image
    second: RGB | None
    flow: str
    grain: tuple[int, float, float]

    def __call__(self, canvas: Canvas, part: Part) -> None:
        """Draw the body in the part's colour."""
        rng = part.rng()
        tone = self.tone
        if self.flow:
            tone = cv2.add(tone, _flow(self.flow, rng, canvas.size_wh), dtype=cv2.CV_8U)  # type: ignore[assignment]
        second = self.second or shade(part.colour, 0.8)
        planes = []
        for a, b in zip(part.colour, second, strict=True):
            dye = np.linspace(a, b, 256).round().astype(np.uint8)
            lit = cv2.multiply(cv2.LUT(self.print, dye), tone, scale=1 / 128)
            planes.append(cv2.multiply(lit, self.cover, scale=1 / 255))
        canvas.rgba = cv2.merge([*planes, self.cover])  # type: ignore[assignment]
        canvas.height = self.height.copy()
        canvas.grain(rng, *self.grain)

    def sink(self, outline: Points) -> None:
        """Press a bed `[n, 2]` into the body: where a part belongs, seen when the part is not there."""
        stamp = np.zeros_like(self.cover)
        cv2.fillPoly(stamp, [fixed(outline)], 255, cv2.LINE_AA, 4)
        self.tone[:] = cv2.subtract(self.tone, cv2.convertScaleAbs(stamp, alpha=22 / 255))
        self.height[:] = cv2.subtract(self.height, cv2.convertScaleAbs(stamp, alpha=26 / 255))


def _flow(kind: str, rng: Rng, size_wh: tuple[int, int]) -> Field:
    w, h = size_wh
    if kind == "streaks":
        lines = smooth_noise(rng, (3, h), 1)
        out: Field = cv2.resize(lines, (w, h), interpolation=cv2.INTER_LINEAR) * np.float32(7)
    elif kind == "veins":
        out = np.abs(
            smooth_noise(rng, size_wh, 26) + 0.35 * smooth_noise(rng, size_wh, 7)
        ) * -16 + np.float32(12)
    elif kind == "grain":
        along = smooth_noise(rng, size_wh, 40) * 3
        out = np.sin(np.arange(h, dtype=np.float32)[:, None] * np.float32(0.55) + along) * np.float32(8)
    else:
        out = smooth_noise(rng, size_wh, 16) * np.float32(5)
    return out


def shape_body(
    rng: Rng, size_wh: tuple[int, int], outline: Callable[..., Outline], second: RGB | None
) -> Body:
    """A body that lies on a table, with its margins."""
    w, h = size_wh
    hulls, cuts = outline(rng, w * rng.uniform(0.8, 0.92), h * rng.uniform(0.8, 0.92))
    stencil = Canvas(size_wh)
    for hull in hulls:
        stencil.poly(place(hull, w / 2, h / 2), (255, 255, 255))
    for cut in cuts:
        stencil.erase(place(cut, w / 2, h / 2))
    cover: Image = stencil.rgba[:, :, 3].copy()
    return _finish(rng, cover, second, filled=False)


def cloth_body(rng: Rng, size_wh: tuple[int, int], second: RGB | None) -> Body:
    """A body that fills the frame: cloth, tile, sheet."""
    w, h = size_wh
    return _finish(rng, np.full((h, w), 255, np.uint8), second, filled=True)


def _finish(rng: Rng, cover: Image, second: RGB | None, filled: bool) -> Body:
    inside: Field = cv2.distanceTransform((cover > 127).astype(np.uint8), cv2.DIST_L2, 5)  # type: ignore[assignment]
    tone = np.full(cover.shape, 128.0, np.float32)
    height = np.zeros(cover.shape, np.float32) + np.float32(rng.uniform(60, 110))
    if not filled:
        _relief(rng, inside, tone, height)
    if filled or rng.random() < 0.3:
        pattern = _pattern(rng, cover.shape, fine=not filled)
        share = 1.0 if filled else (inside > 9).astype(np.float32)
        tone += pattern * share * np.float32(rng.uniform(14, 34) if filled else rng.uniform(4, 14))
        height += pattern * share * np.float32(rng.uniform(8, 26) if filled else rng.uniform(3, 12))
    ink = np.zeros(cover.shape, np.float32)
    if second is not None or rng.random() < 0.25:
        ink = _print(rng, inside, filled)
    flow = str(rng.choice(("", "", "streaks", "clouds", "clouds", "veins", "grain")))
    grain = (int(rng.choice((2, 2, 3, 3, 5))), float(rng.uniform(1.5, 4.5)), float(rng.uniform(0.8, 3.0)))
    raised = _bytes(height * (cover.astype(np.float32) / 255))
    return Body(cover, _bytes(tone), _bytes(ink * 255), raised, second, flow, grain)


def _bytes(image: NDArray[np.floating]) -> Image:
    out: Image = np.clip(image, 0, 255).astype(np.uint8)
    return out


def _relief(rng: Rng, inside: Field, tone: Field, height: Field) -> None:
    """A rim, a step, a dome or a groove along the outline."""
    edge = float(rng.uniform(4, 12))
    kind = int(rng.integers(5))
    ramp = np.clip(inside / np.float32(edge), 0, 1)
    if kind == 0:  # a chamfer
        height -= (1 - ramp) * 40
        tone -= (1 - ramp) * 14
    elif kind == 1:  # a raised rim
        height += np.where(inside < edge, 30, 0) * np.minimum(inside / 2, 1)
        tone -= np.where(inside < edge, 16, 0)
    elif kind == 2:  # a lower step
        height -= np.where(inside < edge, 34, 0)
        tone -= np.where(inside < edge, 22, 0)
    elif kind == 3:  # a dome
        height -= 46 * (1 - np.sqrt(np.clip(inside / (inside.max() + 1e-6), 0, 1)))
    else:  # a groove
        groove = np.exp(-(((inside - edge - 4) / 2.2) ** 2))
        height -= groove * 36
        tone -= groove * 26


def _pattern(rng: Rng, shape: tuple[int, ...], fine: bool) -> Field:
    """A repeating texture in -1..1, `float32[h, w]`."""
    h, w = shape[:2]
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    turn = rng.choice((0.0, 0.0, np.pi / 4, np.pi / 2, 0.5))
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    step = float(2 * np.pi / (rng.uniform(6, 13) if fine else rng.uniform(8, 22)))
    kind = int(rng.integers(7))
    if kind == 0:
        out = np.sin(u * step)
    elif kind == 1:
        out = np.sin(u * step) * np.sin(v * step)
    elif kind == 2:
        out = np.sign(np.sin(u * step / 2) * np.sin(v * step / 2))
        out = cv2.GaussianBlur(out, (5, 5), 1.0)
    elif kind == 3:
        out = np.where(
            np.sin(u * step / 2) * np.sin(v * step / 2) > 0,
            np.abs(np.sin(u * step)),
            -np.abs(np.sin(v * step)),
        )
    elif kind == 4:
        out = np.sin(np.hypot(x - w / 2, y - h / 2) * step)
    elif kind == 5:
        out = np.sin(u * step + 1.6 * np.sin(v * step / 2))
    else:
        out = np.maximum(np.cos(u * step), np.cos(v * step)) * 2 - 1
    result: Field = out.astype(np.float32)
    return result


def _print(rng: Rng, inside: Field, filled: bool) -> Field:
    """Where the second colour is, 0..1: a border, a half, bands, a panel or dots."""
    h, w = inside.shape
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    kind = int(rng.integers(1 if filled else 0, 6))
    if kind == 0:
        depth = rng.uniform(8, 18)
        out = (inside < depth) * 1.0 if rng.random() < 0.6 else (np.abs(inside - depth - 4) < 3) * 1.0
    elif kind == 1:
        along = (
            x - w * rng.choice((0.3, 0.5, 0.7)) if rng.random() < 0.5 else y - h * rng.choice((0.3, 0.5, 0.7))
        )
        out = (along > 0) * 1.0
    elif kind == 2:
        along = (x, y, x + y)[int(rng.integers(3))]
        out = (np.sin(along * (2 * np.pi / rng.uniform(24, 70))) > rng.uniform(-0.2, 0.7)) * 1.0
    elif kind == 3:
        half_w, half_h = w * rng.uniform(0.15, 0.3), h * rng.uniform(0.12, 0.26)
        shape = rounded(2 * float(half_w), 2 * float(half_h), float(rng.choice((2, 10, 40))))
        panel = np.zeros((h, w), np.uint8)
        cv2.fillPoly(panel, [fixed(place(shape, w / 2, h / 2))], 255, cv2.LINE_AA, 4)
        out = panel / 255.0
    elif kind == 4:
        pitch = rng.uniform(22, 44)
        dots = np.hypot(np.mod(x, pitch) - pitch / 2, np.mod(y, pitch) - pitch / 2)
        out = (dots < pitch * rng.uniform(0.15, 0.36)) * 1.0
    else:
        rings = np.hypot(x - w / 2, y - h / 2)
        near, far = rng.uniform(0.12, 0.22) * min(w, h), rng.uniform(0.28, 0.38) * min(w, h)
        out = ((rings > near) & (rings < far)) * 1.0
    soft: Field = cv2.GaussianBlur(out.astype(np.float32), (3, 3), 0.7)  # type: ignore[assignment]
    return soft
