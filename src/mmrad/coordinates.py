"""The conventions in which model families write boxes, and the one conversion between them and views.

Which convention a model uses is declared, never guessed from the size of the numbers: 0..1000 is legal in
three of them.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from mmrad.box import Box

if TYPE_CHECKING:  # the command line names the conventions, and loads OpenCV only when it needs it
    from mmrad.view import View


class CoordinateSpace(Enum):
    """What the four numbers of a box in a model's text mean.

    Attributes:
        VIEW: `x1, y1, x2, y2` in pixels of the view, as Qwen2.5-VL writes.
        ORIGINAL: `x1, y1, x2, y2` in pixels of the original image.
        THOUSAND: `x1, y1, x2, y2`, each axis from 0 to 1000, as Qwen3-VL, InternVL3 and GLM-4.5V write.
        THOUSAND_YX: `y1, x1, y2, x2`, each axis from 0 to 1000, as Gemini writes.
        UNIT: `x1, y1, x2, y2`, each axis from 0 to 1, as Kimi-VL writes.
    """

    VIEW = "view"
    ORIGINAL = "original"
    THOUSAND = "thousand"
    THOUSAND_YX = "thousand_yx"
    UNIT = "unit"

    def size_wh(self, view: View) -> tuple[int, int]:
        """Width and height of the whole image in this convention."""
        match self:
            case CoordinateSpace.VIEW:
                return view.size_wh
            case CoordinateSpace.ORIGINAL:
                return view.original_wh
            case CoordinateSpace.THOUSAND | CoordinateSpace.THOUSAND_YX:
                return (1000, 1000)
            case CoordinateSpace.UNIT:
                return (1, 1)


def to_view(box: Box, space: CoordinateSpace, view: View) -> Box:
    """A box as a model wrote it, in pixels of the view.

    Args:
        box: The four numbers in the order of the text: with `THOUSAND_YX` its `x1` holds y1, and so on.
        space: The model's convention.
        view: View of the image the box belongs to.
    """
    ordered = _transposed(box) if space is CoordinateSpace.THOUSAND_YX else box
    return _rescaled(ordered, space.size_wh(view), view.size_wh)


def from_view(box: Box, space: CoordinateSpace, view: View) -> Box:
    """A box in pixels of the view, as a model with this convention writes it; the inverse of `to_view`."""
    written = _rescaled(box, view.size_wh, space.size_wh(view))
    return _transposed(written) if space is CoordinateSpace.THOUSAND_YX else written


def _rescaled(box: Box, from_wh: tuple[int, int], to_wh: tuple[int, int]) -> Box:
    from mmrad.view import rescale

    return rescale(box, from_wh, to_wh)


def _transposed(box: Box) -> Box:
    return Box(box.y1, box.x1, box.y2, box.x2)
