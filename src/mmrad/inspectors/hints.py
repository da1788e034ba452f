"""Places of hints as pictures: each enlarged, beside the same place of the reference."""

from __future__ import annotations

from pathlib import Path

from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.image import RGB, read_image
from mmrad.prompt import Hint
from mmrad.sample import Pair
from mmrad.view import FACTOR, Budget, View, make_view, rescale

_EXTENT = 2.0
"""A detail is this many times as wide and as high as its place."""

_LEAST = 1 / 8
"""Its sides are at least this share of the image's longer one: a speck alone says nothing."""

_SHARE, _LEAST_TOKENS = 1 / 4, 64
"""It takes at most this share of the largest area of a view, and within that at least so many tokens."""

Details = tuple[tuple[View, ...], ...]
"""For each place of a hint the views of it: of the query, and of the first reference where there is one."""


def read_details(pair: Pair, hint: Hint, budget: Budget) -> Details:
    """Enlarged views of the places of a hint.

    Args:
        pair: The query with its references.
        hint: The places.
        budget: Area of the views of whole images.

    Raises:
        DataError: When an image cannot be read or a detail has no view; the message names the image.
    """
    images = [(path, read_image(path)) for path in (pair.image, *pair.references[:1])]
    height, width = images[0][1].shape[:2]
    shown = [surroundings(place, (width, height)) for place in hint.places]
    return tuple(
        tuple(_detail(path, image, part, (width, height), budget) for path, image in images) for part in shown
    )


def surroundings(place: Box, size_wh: tuple[int, int]) -> Box:
    """What a detail shows: a place and what is around it, in whole pixels inside the image.

    Args:
        place: In pixels of the image.
        size_wh: Width and height of the image.
    """
    least = _LEAST * max(size_wh)
    starts, ends = [], []
    for start, end, side in ((place.x1, place.x2, size_wh[0]), (place.y1, place.y2, size_wh[1])):
        length = min(side, max(1, round(max(_EXTENT * (end - start), least))))
        first = min(max(0, round((start + end - length) / 2)), side - length)
        starts.append(first)
        ends.append(first + length)
    return Box(*starts, *ends)


def detail_budget(whole: Budget) -> Budget:
    """Area of a detail beside views of whole images with a budget."""
    most = max(FACTOR * FACTOR, round(_SHARE * whole.max_pixels))
    return Budget(min(_LEAST_TOKENS * FACTOR * FACTOR, most), most)


def _detail(path: Path, image: RGB, part: Box, size_wh: tuple[int, int], budget: Budget) -> View:
    """The view of a part that is given in pixels of an image of `size_wh`, in this image of any size."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = rescale(part, size_wh, (width, height)).rounded()
    pixels = image[min(y1, height - 1) : y2, min(x1, width - 1) : x2]
    try:
        return make_view(pixels, detail_budget(budget))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
