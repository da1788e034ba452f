"""Pictures of verdicts: boxes with labels, and masks, drawn on the image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box
from mmrad.image import RGB
from mmrad.sample import Verdict

ANOMALOUS = (220, 50, 32)
NORMAL = (0, 128, 72)
RED = (255, 0, 0)


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
        _caption(canvas, region.label or "anomaly", (x1, y1), line)
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


def _caption(canvas: RGB, text: str, corner_xy: tuple[int, int], line: int) -> None:
    """Write a label above a box, or inside it where there is no room, readable on any ground."""
    plain = text.encode("ascii", "replace").decode()  # OpenCV's fonts have no other letters
    scale = max(0.35, line * 0.35)
    (wide, high), base = cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    x = int(np.clip(corner_xy[0], 0, max(0, canvas.shape[1] - wide)))
    y = corner_xy[1] - base if corner_xy[1] > high + base else corner_xy[1] + high + base
    cv2.rectangle(canvas, (x, y - high - 1), (x + wide, y + base), ANOMALOUS, cv2.FILLED)
    cv2.putText(canvas, plain, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), line, cv2.LINE_AA)
