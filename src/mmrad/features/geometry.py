"""How an image is cut for a network."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from mmrad.errors import UsageError
from mmrad.image import RGB


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an image becomes the square that a network sees.

    Attributes:
        size: The image is resized to this many pixels a side, whatever its aspect ratio.
        crop: Of that, the square of this side in the middle is seen; None for all of it.

    Raises:
        UsageError: When the crop is larger than the size.
    """

    size: int
    crop: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.side <= self.size:
            raise UsageError(f"a crop of {self.crop} pixels a side does not fit into {self.size}")

    @property
    def side(self) -> int:
        """Side in pixels of what the network sees."""
        return self.size if self.crop is None else self.crop


def network_input(image: RGB, geometry: Geometry) -> RGB:
    """The square that a network sees, shape `(side, side, 3)`."""
    size = (geometry.size, geometry.size)
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    margin = (geometry.size - geometry.side) // 2
    end = margin + geometry.side
    return resized[margin:end, margin:end].astype("uint8", copy=False)
