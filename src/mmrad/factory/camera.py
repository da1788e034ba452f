"""How a product is seen: pose, background, light, shadow, lens, sensor; the same for good and faulty ones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.factory.canvas import RGB, Canvas, Image, Rng, smooth_noise, vary, white_noise
from mmrad.factory.scene import Product

_SOBEL = np.array(((-1, 0, 1), (-2, 0, 2), (-1, 0, 1)), np.float32) / 8


@dataclass(frozen=True, slots=True)
class Shot:
    """The conditions of one photograph.

    Attributes:
        matrix: `[2, 3]` affine map from the product's frame to image pixels.
        background: `uint8[h, w, 3]`, or None for a product that fills the frame.
        light: unit vector in the image plane towards the lamp.
        relief: brightness change per level of height and pixel.
        gloss: share of the light that is reflected as a highlight.
        shadow: darkening per level of height.
        reach: length of shadows in pixels, odd.
        gain: exposure and colour temperature, one factor a channel.
        falloff: change of brightness across the image along x and y.
        blur: standard deviation of the lens blur, pixels.
        noise: standard deviation of the sensor noise, levels.
        seed: of the sensor noise.
    """

    matrix: NDArray[np.float64]
    background: Image | None
    light: tuple[float, float]
    relief: float
    gloss: float
    shadow: float
    reach: int
    gain: tuple[float, float, float]
    falloff: tuple[float, float]
    blur: float
    noise: float
    seed: int


def take_shot(product: Product, rng: Rng, view: int = 0) -> Shot:
    """Draw the conditions of a photograph of `product`; `view` 1 to 4 are oblique, as Real-IAD's C2 to C5."""
    w, h = product.size_wh
    side = min(w, h)
    turn = np.radians(rng.uniform(-product.turn_degrees, product.turn_degrees))
    # A product that fills the frame must do so at each rotation and shift.
    zoom = rng.uniform(0.92, 1.08) * (1.0 if product.background else 1.36)
    linear = zoom * np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))))
    if view:
        axis = np.radians(90.0 * view + rng.uniform(-15, 15))
        along = np.array((np.cos(axis), np.sin(axis)))
        linear = (np.eye(2) - rng.uniform(0.06, 0.14) * np.outer(along, along)) @ linear
    centre = np.array((w / 2, h / 2))
    shift = centre - linear @ centre + rng.uniform(-0.045, 0.045, 2) * side
    lamp = rng.uniform(0, 2 * np.pi)
    warm = rng.normal(0, 0.025)
    level = rng.uniform(0.82, 1.12)
    return Shot(
        matrix=np.column_stack((linear, shift)),
        background=_background(product, rng) if product.background else None,
        light=(float(np.cos(lamp)), float(np.sin(lamp))),
        relief=float(rng.uniform(0.016, 0.026)),
        gloss=product.gloss * float(rng.uniform(0.6, 1.2)),
        shadow=float(rng.uniform(0.0018, 0.0042)),
        reach=int(rng.integers(3, 7)) * 2 + 1,
        gain=(level * (1 + warm), level, level * (1 - warm)),
        falloff=(float(rng.uniform(-0.12, 0.12)), float(rng.uniform(-0.12, 0.12))),
        blur=float(rng.uniform(0.3, 0.8)),
        noise=float(rng.uniform(0.8, 3.2)),
        seed=int(rng.integers(1 << 62)),
    )


def light_up(canvas: Canvas, shot: Shot, grey: bool = False) -> Image:
    """Place a product in the image and light it: `uint8[h, w, 3]`, as a perfect lens and sensor would see it.

    `grey` makes the three channels equal.
    """
    size = canvas.size_wh
    rgba = cv2.warpAffine(canvas.rgba, shot.matrix, size, flags=cv2.INTER_LINEAR)
    height: Image = cv2.warpAffine(canvas.height, shot.matrix, size, flags=cv2.INTER_LINEAR)  # type: ignore[assignment]
    colour = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    if shot.background is not None:
        bare = cv2.bitwise_not(cv2.extractChannel(rgba, 3))
        colour = cv2.add(colour, cv2.multiply(shot.background, cv2.merge([bare, bare, bare]), scale=1 / 255))
    lx, ly = shot.light
    kernel = -shot.relief * (lx * _SOBEL + ly * _SOBEL.T)
    slope = cv2.filter2D(cv2.GaussianBlur(height, (3, 3), 0.7), cv2.CV_32F, kernel)
    gain = cv2.multiply(np.clip(slope, -0.5, 0.45) + _falloff(size, shot.falloff), _shadow(height, shot))
    # 8 bit from here on, 1.0 being 100: float images of three channels cost several times as much.
    gains = cv2.merge([cv2.convertScaleAbs(gain, alpha=100 * g) for g in shot.gain])
    lit = cv2.multiply(colour, gains, scale=0.01)
    shine = cv2.convertScaleAbs(
        np.clip(slope, 0.06, 0.46), alpha=shot.gloss * 320, beta=-0.06 * shot.gloss * 320
    )
    out: Image = cv2.add(lit, cv2.cvtColor(shine, cv2.COLOR_GRAY2RGB))  # type: ignore[assignment]
    if grey:
        out = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    return out


def expose(lit: Image, shot: Shot) -> Image:
    """Add what lens and sensor do to the lit image: `uint8[h, w, 3]`."""
    soft = cv2.GaussianBlur(lit, (5, 5), shot.blur)
    noise = white_noise(np.random.default_rng(shot.seed), lit.shape)
    out: Image = cv2.addWeighted(soft, 1.0, noise, shot.noise, 0.0, dtype=cv2.CV_8U)  # type: ignore[assignment]
    return out


def _falloff(size_wh: tuple[int, int], falloff: tuple[float, float]) -> NDArray[np.float32]:
    w, h = size_wh
    x = np.linspace(-falloff[0], falloff[0], w, dtype=np.float32)
    y = np.linspace(-falloff[1], falloff[1], h, dtype=np.float32)
    return 1.0 + x[None, :] + y[:, None]


def _shadow(height: Image, shot: Shot) -> NDArray[np.float32]:
    # Where the mean height on the lamp's side is above the own height, the light is partly blocked.
    half = (shot.reach - 1) // 2
    anchor = tuple(min(shot.reach - 1, max(0, half - round(c * half * 0.8))) for c in shot.light)
    around = cv2.blur(height, (shot.reach, shot.reach), anchor=anchor)
    share = np.maximum(1 - shot.shadow * np.arange(256), 0.35).astype(np.float32)
    out: NDArray[np.float32] = cv2.LUT(cv2.subtract(around, height), share)  # type: ignore[assignment]
    return out


def _background(product: Product, rng: Rng) -> Image:
    w, h = product.size_wh
    base: RGB = vary(rng, product.tables[int(rng.integers(len(product.tables)))], 12)
    tone = smooth_noise(rng, (w, h), 24) * np.float32(rng.uniform(1, 5))
    if product.background == "brushed":
        streaks = cv2.resize(rng.standard_normal((h, 4), np.float32), (w, h), interpolation=cv2.INTER_LINEAR)
        tone = tone + streaks * np.float32(rng.uniform(2, 6))
    elif product.background == "cloth":
        x = np.sin(np.arange(w, dtype=np.float32) * rng.uniform(1.2, 2.2))
        y = np.sin(np.arange(h, dtype=np.float32) * rng.uniform(1.2, 2.2))
        tone = tone + (x[None, :] * y[:, None]) * np.float32(rng.uniform(3, 8))
    else:
        tone = tone + smooth_noise(rng, (w, h), 2) * np.float32(rng.uniform(1, 4))
    out: Image = cv2.merge([cv2.convertScaleAbs(tone, beta=b) for b in base])  # type: ignore[assignment]
    return out
