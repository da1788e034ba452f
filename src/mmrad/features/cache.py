"""Feature maps on disk: one file an image, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from mmrad.errors import DataError
from mmrad.features.geometry import Geometry
from mmrad.files import atomic_path
from mmrad.image import image_hash

if TYPE_CHECKING:
    import torch

_VERSION = 1
"""To be raised whenever an image would get other maps than before."""


class MapCache:
    """Maps of one network and geometry in a folder that may hold those of others and serve several processes.

    Args:
        folder: Created when the first maps are written.
        architecture: The network's.
        sha256: Of its weights.
        geometry: What it sees of an image.
        channels: Of the stage of each stride.
    """

    def __init__(
        self,
        folder: Path,
        architecture: str,
        sha256: str,
        geometry: Geometry,
        channels: Mapping[int, int],
    ) -> None:
        self._folder = folder
        self._network = [_VERSION, architecture, sha256, asdict(geometry)]
        sides = {stride: math.ceil(geometry.side / stride) for stride in channels}
        self._shapes = {stride: (sides[stride], sides[stride], channels[stride]) for stride in channels}

    def key(self, image: Path) -> str:
        """What the maps of an image depend on, as 64 hexadecimal digits.

        Raises:
            DataError: When the image cannot be read.
        """
        digest = image_hash(image)
        if digest == "unreadable":
            raise DataError(f"{image}: no such image, or one that may not be read; restore it")
        return hashlib.sha256(json.dumps([*self._network, digest]).encode()).hexdigest()

    def load(self, key: str) -> dict[int, torch.Tensor]:
        """The maps that are kept, by stride, float16; none of a file that is missing or damaged."""
        import torch
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._path(key), "pt") as file:
                found = {int(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (OSError, ValueError, SafetensorError):
            return {}
        right = all(
            one.dtype == torch.float16 and tuple(one.shape) == self._shapes.get(stride)
            for stride, one in found.items()
        )
        return found if right else {}

    def save(self, key: str, maps: dict[int, torch.Tensor]) -> None:
        """Keep maps beside those of other strides.

        Raises:
            OSError: When they cannot be written; what was kept before is as it was.
        """
        from safetensors.torch import save

        with atomic_path(self._path(key)) as temporary:
            union = self.load(key) | maps
            temporary.write_bytes(save({str(stride): one for stride, one in union.items()}))

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.safetensors"
