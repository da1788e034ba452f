"""A simulated model that sees: it finds the bright rectangle of the last picture and writes it."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from mmrad.box import Box
from mmrad.coordinates import CoordinateSpace, from_view
from mmrad.inspectors.probe import SIZES_WH
from mmrad.view import Budget, View, view_size
from servers import Call, Reply, Request, says

Write = Callable[[Box, View], str]


def sees(write: Write, budget: Budget | None = None) -> Reply:
    """Answers every request with what `write` says of the rectangle's box in the view."""

    def reply(call: Call) -> None:
        view = _view(Request(call.body, {}).query, budget or Budget())
        says(write(_rectangle(view), view))(call)

    return reply


def writes(space: CoordinateSpace, noise: float = 0.0) -> Write:
    """Answers in a convention; `noise` moves every side by up to that share of the picture."""

    def write(box: Box, view: View) -> str:
        width, height = view.size_wh
        off = np.random.default_rng(width * height).uniform(-noise, noise, 4) * (width, height, width, height)
        return answer(from_view(Box(*(np.array(box.xyxy) + off)), space, view), space)

    return write


def answer(box: Box, space: CoordinateSpace) -> str:
    digits = 3 if space is CoordinateSpace.UNIT else 0
    key = "box_2d" if space is CoordinateSpace.THOUSAND_YX else "bbox_2d"
    numbers = ", ".join(f"{value:.{digits}f}" for value in box.xyxy)
    return f"<think>x</think><answer>Yes. {{'{key}': [{numbers}], 'label': 'bright rectangle'}}</answer>"


def _view(url: str, budget: Budget) -> View:
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))))
    [original] = [size for size in SIZES_WH if view_size(size, budget) == image.shape[1::-1]]
    return View(image, original)


def _rectangle(view: View) -> Box:
    ys, xs = np.nonzero(view.image[..., 1] > 145)
    return Box(float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1))
