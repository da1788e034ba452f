"""The one protocol of all expert detectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from mmrad.features import Geometry

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
"""Is told how many steps of how many are done."""


@dataclass(frozen=True, slots=True)
class Item:
    """An image as a detector gets it.

    Attributes:
        image: Its path, see `mmrad.image.read_image`.
        category: `source/category`.
    """

    image: Path
    category: str


@dataclass(frozen=True, slots=True)
class RawMap:
    """What a detector says of an image, before any threshold or normalisation.

    Attributes:
        score: Of the whole image; higher is more anomalous, on the detector's own scale.
        values: The map, float32, of what the detector saw of the image (see `Detector.geometry`), the
            detector's own smoothing included; higher is more anomalous, on a scale that may be another.
    """

    score: float
    values: NDArray[np.float32]


class Detector(Protocol):
    """Learns from normal images and gives maps of others.

    Every detector is made as `Name(settings, cache)`, the settings being resolved and the cache the folder of
    feature maps or None.

    Attributes:
        geometry: What it sees of an image.
        backbone: Tag and SHA-256 of the weights of its frozen backbone, as they stand beside results.
    """

    geometry: Geometry
    backbone: dict[str, str]

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        """Learn from normal images.

        Args:
            images: The images; of several categories only for a detector of all classes.
            state: A file in which a long training may keep what it needs to go on after a kill, see
                `mmrad.inspectors.experts.optimise`; a short one leaves it alone.
            progress: Told of the steps.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """

    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        """The maps of a batch of images, in their order; each is independent of the others.

        Raises:
            DataError: When an image cannot be read, or its category was not learned; the message names it.
        """

    def tensors(self) -> dict[str, torch.Tensor]:
        """What `fit` learned, to be kept in a safetensors file; not the frozen backbone."""

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Take what `tensors` gave, in place of `fit`."""
