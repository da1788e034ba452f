"""Many small images at once, cut into the patches that a vision tower reads.

Patches come in the order of the tower: cell by cell, a cell being the square of four patches behind one image
token. Images of fewer patches than others are filled up with black ones, so that a batch is one array and a
GPU has few, large steps to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmrad.image import RGB
from mmrad.train.examples.scripted import Exposure, Mirroring
from mmrad.view import FACTOR, View

MERGED = 4
"""Patches of a cell."""

_SIDE = FACTOR // 2

Patches = dict[str, torch.Tensor]
"""`pixels` of N images, shape `(N, L, 3, 14, 14)`, values to 255; `grids`, shape `(N, 2)`, their rows and
columns of patches; of an image that is not there, zeros."""

Looks = dict[str, Any]
"""How N images of an album are shown: `numbers` `(N,)`, -1 for one that is not there, `mirrorings` `(N, 2)`,
`channels` `(N, 3)`, `exposures` `(N, 3)` (gain, offset, noise), and `seed`, an int, of the noise."""


def cut(images: Sequence[RGB]) -> Patches:
    """Images whose sides are multiples of 28, cut into patches."""
    grids = [(image.shape[0] // _SIDE, image.shape[1] // _SIDE) for image in images]
    pixels = np.zeros(
        (len(images), max(rows * columns for rows, columns in grids), 3, _SIDE, _SIDE), np.uint8
    )
    for number, image in enumerate(images):
        found = _patches(image)
        pixels[number, : len(found)] = found
    return {"pixels": torch.from_numpy(pixels), "grids": torch.tensor(grids)}


def _patches(image: RGB) -> NDArray[np.uint8]:
    rows, columns = image.shape[0] // FACTOR, image.shape[1] // FACTOR
    split = image.reshape(rows, 2, _SIDE, columns, 2, _SIDE, 3)
    return split.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3, _SIDE, _SIDE)


def places(grids: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Where patches lie in their images.

    Args:
        grids: Rows and columns of patches of N images, shape `(N, 2)`.
        length: Patches of each with those that fill up, L.

    Returns:
        Row and column of each patch, shape `(N, L, 2)`, and whether it is one of the image, `(N, L)`.
    """
    patch = torch.arange(length, device=grids.device)
    cell, corner = patch // MERGED, patch % MERGED
    cells_across = _cells_across(grids)
    rows = 2 * (cell // cells_across) + corner // 2
    columns = 2 * (cell % cells_across) + corner % 2
    return torch.stack([rows, columns], dim=-1), patch < grids.prod(dim=1, keepdim=True)


def _cells_across(grids: torch.Tensor) -> torch.Tensor:
    """Cells in a row of each image, shape `(N, 1)`; at least one, for an image that is not there too."""
    return (grids[:, 1:] // 2).clamp(min=1)


def looks(
    numbers: Sequence[int | None],
    mirrorings: Sequence[Mirroring],
    channels: Sequence[Sequence[int]],
    exposures: Sequence[Exposure],
) -> Looks:
    """How images are shown; a number of None is an image that is not there."""
    return {
        "numbers": torch.tensor([-1 if number is None else number for number in numbers]),
        "mirrorings": torch.tensor(mirrorings),
        "channels": torch.tensor(channels),
        "exposures": torch.tensor([(one.gain, one.offset, one.noise) for one in exposures]),
        "seed": exposures[0].seed,
    }


class Album:
    """Views kept as patches on the device that trains, where they are mirrored, recoloured and exposed.

    Args:
        views: The views by file; 150 KB each at 224 x 224 pixels.
        device: The device.

    Attributes:
        numbers: The number of each view.
        tokens: Image tokens of a view with those that fill it up.
    """

    def __init__(self, views: Mapping[Path, View], device: str) -> None:
        self.numbers = {path: number for number, path in enumerate(views)}
        patches = cut([view.image for view in views.values()])
        self._pixels, self._grids = patches["pixels"].to(device), patches["grids"].to(device)
        self.tokens = self._pixels.shape[1] // MERGED

    def plain(self, numbers: torch.Tensor) -> Patches:
        """Images as they are."""
        return {"pixels": self._pixels[numbers], "grids": self._grids[numbers]}

    def show(self, looks: Looks) -> Patches:
        """Images as they look this time."""
        there = looks["numbers"] >= 0
        numbers = looks["numbers"].clamp(min=0)
        grids = self._grids[numbers] * there[:, None]
        pixels = _mirrored(self._pixels, numbers, grids, looks["mirrorings"])
        channels = looks["channels"][:, None, :, None, None].expand_as(pixels)
        return {"pixels": _exposed(pixels.gather(2, channels), looks), "grids": grids}


def _mirrored(
    album: torch.Tensor, numbers: torch.Tensor, grids: torch.Tensor, mirrorings: torch.Tensor
) -> torch.Tensor:
    length = album.shape[1]
    at, inside = places(grids, length)
    # The first of a mirroring is left to right.
    turned = mirrorings.flip(1)[:, None, :]
    row, column = torch.where(turned, grids[:, None, :] - 1 - at, at).unbind(-1)
    patch = MERGED * (row // 2 * _cells_across(grids) + column // 2) + 2 * (row % 2) + column % 2
    found = album.flatten(0, 1)[numbers[:, None] * length + patch * inside]
    for direction, axis in ((0, -1), (1, -2)):
        found = torch.where(mirrorings[:, direction, None, None, None, None], found.flip(axis), found)
    return found


def _exposed(pixels: torch.Tensor, looks: Looks) -> torch.Tensor:
    gain, offset, deviation = looks["exposures"][:, None, None, None, :].unbind(-1)
    generator = torch.Generator(pixels.device).manual_seed(looks["seed"])
    noise = torch.randn(pixels.shape, generator=generator, device=pixels.device)
    exposed = pixels * gain[..., None] + offset[..., None] + noise * deviation[..., None]
    return torch.as_tensor(exposed.clamp(0, 255).round())
