"""Pictures of verdicts: boxes with labels, masks, and maps of anomaly, drawn on the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box
from mmrad.image import RGB
from mmrad.sample import Verdict

ANOMALOUS = (220, 50, 32)
NORMAL = (0, 128, 72)
RED = (255, 0, 0)

SMALLEST = 480
"""Pixels that the longer side of a picture with a map has at least: on fewer nothing can be read."""

HOTTEST = 2.0
"""Heat at which the colours end; 0 is that of usual places of good parts, 1 the threshold."""


def annotate(image: RGB, verdict: Verdict) -> RGB:
    """Draw the verdict's boxes, their labels and a coloured frame on a copy of the image.

    Args:
        image: The original image, shape `(height, width, 3)`.
        verdict: A verdict with status `ok`, boxes in pixels of the image.
    """
    canvas = image.copy()
    height, width = canvas.shape[:2]
    line = max(1, round(max(height, width) / 250))
    colour = ANOMALOUS if verdict.anomalous else NORMAL
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), colour, 2 * line)
    for region in verdict.regions:
        x1, y1, x2, y2 = region.box.rounded()
        cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), ANOMALOUS, line)
        if region.label:
            _caption(canvas, region.label, region.box, line)
    return canvas


def mark(image: RGB, boxes: Sequence[Box]) -> RGB:
    """Draw red boxes on a copy of the image, around their areas: what they mark stays as it is.

    Args:
        image: Shape `(height, width, 3)`.
        boxes: In pixels of the image.
    """
    canvas = image.copy()
    line = max(1, round(max(image.shape[:2]) / 250))
    for box in boxes:
        x1, y1, x2, y2 = box.rounded()
        for distance in range(1, line + 1):
            cv2.rectangle(
                canvas, (x1 - distance, y1 - distance), (x2 - 1 + distance, y2 - 1 + distance), RED, 1
            )
    return canvas


def shade(image: RGB, mask: NDArray[np.bool_], true: NDArray[np.bool_] | None = None) -> RGB:
    """Tint a mask on a copy of the image, and draw around the true mask.

    Args:
        image: Shape `(height, width, 3)`.
        mask: Shape `(height, width)`; red where True.
        true: The true mask, outlined in green; None where it is not known.
    """
    canvas = image.copy()
    canvas[mask] = (0.5 * canvas[mask] + 0.5 * np.array(ANOMALOUS)).astype(np.uint8)
    if true is not None:
        outlines, _ = cv2.findContours(true.view(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(canvas, outlines, -1, NORMAL, max(1, round(max(image.shape[:2]) / 500)))
    return canvas


def heat(image: RGB, values: NDArray[np.float32], low: float, high: float) -> RGB:
    """Lay a map of anomaly over a copy of the image.

    What is usual in good parts stays as it is, what nears the threshold turns blue, and what is over it goes
    from yellow to red: a normal part looks cool whatever the scale of the map.

    Args:
        image: Shape `(height, width, 3)`.
        values: The map, shape `(height, width)`.
        low: A usual value of good parts.
        high: The threshold.
    """
    return _coloured(image, (values - low) / max(high - low, 1e-9))


def heat_layer(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.uint8]:
    """What `heat` lays over an image, as a picture of its own.

    Args:
        values: The map, shape `(height, width)`.
        low: A usual value of good parts.
        high: The threshold.

    Returns:
        RGBA, shape `(height, width, 4)`.
    """
    colours, share = _shades((values - low) / max(high - low, 1e-9))
    return np.concatenate([colours, 255 * share], axis=-1).round().astype(np.uint8)


def annotate_heat(image: RGB, verdict: Verdict, values: NDArray[np.float32], low: float, high: float) -> RGB:
    """Draw an expert's verdict: its map, boxes and frame, and a bar that tells the colours.

    Args:
        image: The original image, shape `(height, width, 3)`.
        verdict: A verdict with status `ok`, boxes in pixels of the image.
        values: Its map, shape `(height, width)`.
        low: A usual value of good parts.
        high: The threshold of the map.

    Returns:
        The picture: a small image is enlarged, and the bar lies below it, or to the right of a tall one.
    """
    height, width = image.shape[:2]
    factor = math.ceil(SMALLEST / max(height, width))
    size_wh = (width * factor, height * factor)
    enlarged = cv2.resize(image, size_wh, interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
    spread = cv2.resize(values, size_wh, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    heated = heat(enlarged, spread, low, high)
    regions = tuple(replace(region, box=region.box.scaled(factor, factor)) for region in verdict.regions)
    drawn = annotate(heated, replace(verdict, regions=regions))
    return np.concatenate([drawn, _bar(size_wh, low, high)], axis=0 if width >= height else 1)


def _bar(size_wh: tuple[int, int], low: float, high: float) -> RGB:
    """The colours along the longer side of a picture, with a usual value of good parts and the threshold."""
    lying = size_wh[0] >= size_wh[1]
    unit = max(size_wh) / SMALLEST
    edge, thick = round(10 * unit), round(12 * unit)
    long = max(size_wh) - 2 * edge
    degrees = np.linspace(0, HOTTEST, long, dtype=np.float32)
    strip = _coloured(np.full((thick, long, 3), 255, np.uint8), np.tile(degrees, (thick, 1)))
    middle = round(long / HOTTEST)
    strip[:, middle - max(1, round(unit)) : middle + max(1, round(unit))] = 0
    shape = (4 * edge + thick, size_wh[0], 3) if lying else (size_wh[1], 10 * edge + thick, 3)
    canvas = np.full(shape, 255, np.uint8)
    strip = strip if lying else np.rot90(strip)  # the hottest on top
    canvas[edge : edge + strip.shape[0], edge : edge + strip.shape[1]] = strip
    for degree, name in ((0.0, "usual"), (1.0, "threshold"), (HOTTEST, "")):
        place = degree / HOTTEST
        text = f"{name} {low + degree * (high - low):.4g}".strip()
        if lying:
            _text(canvas, text, (edge + place * long, 2.5 * edge + thick), (place, 0.5), unit)
        else:
            _text(canvas, text, (1.6 * edge + thick, edge + (1 - place) * long), (0, 1 - place), unit)
    return canvas


def _text(
    canvas: RGB, text: str, at_xy: tuple[float, float], anchor_xy: tuple[float, float], unit: float
) -> None:
    """Write black text; the anchor is the point of it that lies there, (0, 0) its upper left corner."""
    font, scale, line = cv2.FONT_HERSHEY_SIMPLEX, 0.38 * unit, max(1, round(unit))
    (wide, high), _ = cv2.getTextSize(text, font, scale, line)
    corner = (round(at_xy[0] - anchor_xy[0] * wide), round(at_xy[1] + (1 - anchor_xy[1]) * high))
    cv2.putText(canvas, text, corner, font, scale, (0, 0, 0), line, cv2.LINE_AA)


_STOPS = (
    # degree, colour, opacity
    (0.0, (70, 90, 200), 0.0),
    (0.5, (60, 110, 220), 0.1),
    (0.999, (70, 160, 245), 0.4),
    (1.0, (255, 225, 60), 0.5),
    (1.5, (255, 140, 0), 0.6),
    (HOTTEST, (215, 20, 20), 0.7),
)


@cache
def _scale() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours of shape `(256, 3)` and opacities of shape `(256,)` from degree 0 to the hottest."""
    degrees = np.linspace(0, HOTTEST, 256)
    stops, colours, opacities = zip(*_STOPS, strict=True)
    channels = [np.interp(degrees, stops, channel) for channel in zip(*colours, strict=True)]
    return np.stack(channels, axis=1).astype(np.float32), np.interp(degrees, stops, opacities).astype(
        np.float32
    )


def _coloured(image: RGB, degrees: NDArray[np.float32]) -> RGB:
    colours, share = _shades(degrees)
    return ((1 - share) * image + share * colours).round().astype(np.uint8)


def _shades(degrees: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Colours of shape `(…, 3)` and opacities of shape `(…, 1)`."""
    level = np.round(degrees.clip(0, HOTTEST) * (255 / HOTTEST)).astype(np.uint8)
    colours, opacities = _scale()
    return colours[level], opacities[level][..., None]


def _caption(canvas: RGB, text: str, box: Box, line: int) -> None:
    """Write a label above a box, or below, or inside where there is no room; readable on any ground."""
    plain = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    scale = max(0.35, line * 0.35)
    (wide, high), base = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    x1, y1, _, y2 = box.rounded()
    x = int(np.clip(x1, 0, max(0, canvas.shape[1] - wide)))
    if y1 > high + base:
        y = y1 - base
    else:
        y = (y2 if y2 + high + base < canvas.shape[0] else y1 + base) + high + 1
    cv2.rectangle(canvas, (x, y - high - 1), (x + wide, y + base), ANOMALOUS, cv2.FILLED)
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), line, cv2.LINE_AA)
