"""Views: an image as the model sees it, with the exact map back to the original's pixels.

Qwen2.5-VL resizes every image so that both sides are multiples of 28 and the area lies within a budget, and
answers in pixels of the result. mmrad makes that resize itself, so that no server can make another one:
a view passes the model's own processor unchanged
(the rule is the one of transformers' Qwen2-VL image processor, with sides of at least 28 from the start as in
qwen_vl_utils: the two differ only for images with a side of 14 pixels or less).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2

from mmrad.box import Box
from mmrad.errors import DataError, UsageError
from mmrad.image import RGB, decode_png, encode_png, plain_png, read_image

FACTOR = 28
"""Side of the square of pixels behind one image token: patch 14, merged 2 x 2."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Smallest and largest area of a view, in pixels.

    The default upper bound, 768 image tokens, lets two images and the text fit the paper's 2048 tokens.
    """

    min_pixels: int = 4 * FACTOR * FACTOR
    max_pixels: int = 768 * FACTOR * FACTOR

    def __post_init__(self) -> None:
        if not FACTOR * FACTOR <= self.min_pixels <= self.max_pixels:
            raise UsageError(
                f"no view has {self.min_pixels} to {self.max_pixels} pixels: the smallest possible has "
                f"{FACTOR * FACTOR}, the largest must not be smaller than the smallest; check --max-pixels"
            )


class View:
    """A resized image and the map between its pixels and the original's.

    Args:
        image: The pixels the model sees, shape `(height, width, 3)`, both sides multiples of 28.
        original_wh: Width and height of the original image.

    Attributes:
        original_wh: Width and height of the original image.
        size_wh: Width and height of the view in pixels.
    """

    __slots__ = ("_image", "_png_base64", "original_wh", "size_wh")

    def __init__(self, image: RGB, original_wh: tuple[int, int]) -> None:
        self._image: RGB | None = image
        self._png_base64: bytes | None = None
        self.original_wh = original_wh
        self.size_wh = (image.shape[1], image.shape[0])

    @classmethod
    def of_png(cls, png: bytes, size_wh: tuple[int, int]) -> View:
        """A view that is the file of its original; decoded when its pixels are wanted.

        Args:
            png: From `plain_png`.
            size_wh: Width and height.
        """
        view = cls.__new__(cls)
        view._image, view._png_base64 = None, base64.b64encode(png)
        view.original_wh = view.size_wh = size_wh
        return view

    @property
    def image(self) -> RGB:
        """The pixels the model sees, shape `(height, width, 3)`, both sides multiples of 28."""
        image = self._image
        return decode_png(base64.b64decode(self.png_base64)) if image is None else image

    @property
    def png_base64(self) -> bytes:
        """The pixels as a PNG file in base64, as they are sent.

        Once it is made only it is kept: it holds the same pixels, and what is sent is seldom looked at.
        """
        if self._png_base64 is None:
            self._png_base64 = base64.b64encode(encode_png(self.image))
            self._image = None
        return self._png_base64

    def to_view(self, box: Box) -> Box:
        """A box in original pixels, expressed in view pixels."""
        return rescale(box, self.original_wh, self.size_wh)

    def to_original(self, box: Box) -> Box:
        """A box in view pixels, expressed in original pixels."""
        return rescale(box, self.size_wh, self.original_wh)


def rescale(box: Box, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Box:
    """Move a box between two sizes (width, height) of the same picture."""
    return box.scaled(to_wh[0] / from_wh[0], to_wh[1] / from_wh[1])


def view_size(original_wh: tuple[int, int], budget: Budget) -> tuple[int, int]:
    """Width and height of the view of an image, both multiples of 28, area within the budget.

    Args:
        original_wh: Width and height of the image.
        budget: Area bounds; a budget below the smallest possible view of a long image is exceeded.

    Raises:
        ValueError: When one side is more than 200 times the other, which Qwen2.5-VL refuses.
    """
    width, height = original_wh
    if min(width, height) < 1 or max(width, height) > 200 * min(width, height):
        raise ValueError(f"an image of {width}x{height} has an aspect ratio no model accepts (limit 200)")
    w, h = (max(FACTOR, round(side / FACTOR) * FACTOR) for side in (width, height))
    if w * h > budget.max_pixels:
        shrink = math.sqrt(width * height / budget.max_pixels)
        w, h = (max(FACTOR, math.floor(side / shrink / FACTOR) * FACTOR) for side in (width, height))
    elif w * h < budget.min_pixels:
        grow = math.sqrt(budget.min_pixels / (width * height))
        w, h = (math.ceil(side * grow / FACTOR) * FACTOR for side in (width, height))
    return (w, h)


def make_view(image: RGB, budget: Budget) -> View:
    """Resize an image into a view within the budget.

    Args:
        image: Shape `(height, width, 3)`.
        budget: Area bounds in pixels.
    """
    height, width = image.shape[:2]
    size = view_size((width, height), budget)
    shrinking = size[0] * size[1] < width * height
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC)
    return View(resized.astype(image.dtype, copy=False), (width, height))


def read_view(path: Path, budget: Budget) -> View:
    """Read an image, or a part of one, as a view within the budget.

    A PNG file that is its own view pixel for pixel is taken as it is, see `plain_png`: it need not be decoded
    and encoded again to be sent.

    Args:
        path: Image file, or a part of one.
        budget: Area bounds in pixels.

    Raises:
        DataError: When the image cannot be read or has no view; the message names it.
    """
    try:
        found = plain_png(path, lambda size_wh: view_size(size_wh, budget) == size_wh)
        return View.of_png(*found) if found else make_view(read_image(path), budget)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def view_reader(budget: Budget, keep: int) -> Callable[[Path], View]:
    """Reads views and keeps the last ones with their PNG bytes: one reference serves many queries.

    Args:
        budget: Area bounds in pixels.
        keep: How many are kept.
    """
    return lru_cache(maxsize=keep)(lambda path: read_view(path, budget))
