"""Feature maps of one stage at several sizes of the image, and those of all training images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mmrad.features import FeatureMaps, Geometry
from mmrad.inspectors.experts.settings import ExpertSettings

STRIDE = 16
"""Of the stage, as published."""

_AT_ONCE = 8
"""Images whose maps are computed at once."""


class Pyramid:
    """The maps of a frozen backbone on an image at its full size, at half of it, and so on.

    Args:
        settings: The expert's, resolved.
        cache: Folder of feature maps, or None.
        device: Where the backbone runs.

    Attributes:
        device: The same.
        grids: Rows and columns of the maps of each level.
        channels: Of every map.
        backbone: Tag and SHA-256 of the weights.
    """

    def __init__(self, settings: ExpertSettings, cache: Path | None, device: str) -> None:
        assert settings.backbone is not None
        self.device = device
        geometries = [_shrunk(settings, 2**level) for level in range(settings.hgad.levels)]
        first = FeatureMaps(
            settings.backbone, (STRIDE,), geometries[0], weights=settings.weights, cache=cache, device=device
        )
        self._levels = [first.at(geometry) for geometry in geometries]
        self.grids = [(math.ceil(geometry.side / STRIDE),) * 2 for geometry in geometries]
        self.channels = first.channels[0]
        self.backbone = {"tag": first.tag, "sha256": first.sha256}

    def of(self, images: Sequence[Path]) -> list[Tensor]:
        """The maps of a batch of images, for each level `(B, channels, rows, columns)`.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """
        return [level.of(images)[0] for level in self._levels]


class TrainingMaps:
    """The maps of the training images: held in memory where they fit, else taken anew for each batch.

    Args:
        pyramid: Gives them.
        images: The training images.
        gib: Most memory to hold, in GiB.

    Raises:
        DataError: When an image cannot be read; the message names it.
    """

    def __init__(self, pyramid: Pyramid, images: Sequence[Path], gib: float) -> None:
        self._pyramid = pyramid
        self._images = images
        values = pyramid.channels * sum(rows * columns for rows, columns in pyramid.grids)
        fits = len(images) * values * torch.float16.itemsize <= gib * 2**30
        self._held = self._all() if fits else None

    def of(self, places: Sequence[int]) -> list[Tensor]:
        """The maps of the images at these places of the list, as `Pyramid.of` gives them."""
        if self._held is None:
            return self._pyramid.of([self._images[place] for place in places])
        return [level[list(places)].float() for level in self._held]

    def _all(self) -> list[Tensor]:
        """The maps of all images; float16 holds them exactly, see `FeatureMaps.of`."""
        pyramid, count = self._pyramid, len(self._images)
        levels = [
            torch.empty(count, pyramid.channels, *grid, dtype=torch.float16, device=pyramid.device)
            for grid in pyramid.grids
        ]
        for start in range(0, count, _AT_ONCE):
            maps = pyramid.of(self._images[start : start + _AT_ONCE])
            for level, part in zip(levels, maps, strict=True):
                level[start : start + _AT_ONCE] = part
        return levels


def _shrunk(settings: ExpertSettings, factor: int) -> Geometry:
    """What the network sees of an image that is smaller by a factor."""
    assert settings.size is not None
    return Geometry(settings.size // factor, settings.crop and settings.crop // factor)
