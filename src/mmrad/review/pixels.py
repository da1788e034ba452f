"""Boxes of others as people's boxes are: whole pixels inside the image."""

from __future__ import annotations

from mmrad.box import Box


def whole_pixels(box: Box, size_wh: tuple[int, int]) -> Box | None:
    """The nearest box of whole pixels inside an image, at least one wide and high.

    Args:
        box: In pixels of the image.
        size_wh: Width and height of the image.

    Returns:
        The box with integer corners, or None when it lies outside.
    """
    inside = box.clipped(size_wh)
    if inside is None:
        return None
    left, top = (min(round(low), side - 1) for low, side in zip(inside.xyxy[:2], size_wh, strict=True))
    return Box(left, top, max(round(inside.x2), left + 1), max(round(inside.y2), top + 1))
