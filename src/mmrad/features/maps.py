"""Feature maps of images: how an image is cut for a network, and what the network says of each place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from mmrad.image import RGB

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Geometry:
    """How an image becomes the square that a network sees.

    Attributes:
        size: The image is resized to this many pixels a side, whatever its aspect ratio.
        crop: Of that, the square of this side in the middle is seen; None for all of it.
    """

    size: int
    crop: int | None = None

    @property
    def side(self) -> int:
        """Side in pixels of what the network sees."""
        return self.crop or self.size


def network_input(image: RGB, geometry: Geometry) -> RGB:
    """The square that a network sees, shape `(side, side, 3)`."""
    size = (geometry.size, geometry.size)
    resized = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    margin = (geometry.size - geometry.side) // 2
    end = margin + geometry.side
    return resized[margin:end, margin:end].astype("uint8")


class FeatureMaps:
    """The maps of a frozen network's stages, taken from a cache on disk where they are known.

    Args:
        backbone: A name of `BACKBONES` of the kind `cnn`.
        strides: Of the stages that are wanted.
        geometry: What the network sees of an image.
        weights: As for `load_backbone`.
        cache: Folder of maps computed before, and where new ones are kept; None for none.
        device: Where the network runs.

    Attributes:
        channels: Of each stage, in the order of `strides`.
        tag: Where the weights come from, see `Weights`.
        sha256: Of the weights.
    """

    def __init__(
        self,
        backbone: str,
        strides: Sequence[int],
        geometry: Geometry,
        *,
        weights: Path | None = None,
        cache: Path | None = None,
        device: str = "cpu",
    ) -> None:
        raise NotImplementedError

    def of(self, images: Sequence[Path]) -> list[torch.Tensor]:
        """The maps of a batch of images, on the device.

        Args:
            images: Their paths; they are read in threads.

        Returns:
            For each stage shape `(N, channels, rows, columns)`, float32, rounded to float16 so that they are
            the same from the cache and from the network.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """
        raise NotImplementedError
