"""Feature maps of images: what a frozen network says of each place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmrad.errors import ProviderError, UsageError
from mmrad.features.backbones import BACKBONES
from mmrad.features.cache import MapCache
from mmrad.features.geometry import Geometry, network_input
from mmrad.features.network import known_backbone, load_backbone
from mmrad.image import RGB, read_image

if TYPE_CHECKING:
    import torch

_THREADS = 4

_Maps = dict[int, "torch.Tensor"]
"""Of one image, by stride, shape `(rows, columns, channels)`, float16."""


class FeatureMaps:
    """The maps of a frozen network's stages, taken from a cache on disk where they are known.

    No more of the network is run than the deepest wanted stage needs.

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

    Raises:
        UsageError: When there is no such backbone or stage, or the weights do not fit.
        MissingExtraError: When a package is not installed.
        ProviderError: When the weights cannot be had; it says which file to put where.
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
        self._backbone = known = known_backbone(backbone)
        if not strides or not set(strides) <= set(known.stages):
            there = ", ".join(f"{one.name} {one.stages}" for one in BACKBONES.values() if one.stages)
            raise UsageError(f"{backbone} has no stages of the strides {tuple(strides)}; there are {there}")
        model, found = load_backbone(backbone, weights)
        import torch

        self.tag, self.sha256 = found.tag, found.sha256
        self._model: Any = model.to(device).to(memory_format=torch.channels_last)
        self._strides = tuple(strides)
        self._geometry = geometry
        self._device = device
        info: Any = model.feature_info
        stages = {one["reduction"]: (place, one) for place, one in enumerate(info)}
        channels = {stride: stages[stride][1]["num_chs"] for stride in known.stages}
        self.channels: tuple[int, ...] = tuple(channels[stride] for stride in strides)
        # With a cache, what is computed on the way to the deepest stage is kept too: others may want it.
        kept = [stride for stride in known.stages if stride <= max(strides)] if cache else sorted(strides)
        self._places = {stride: stages[stride][0] for stride in kept}
        self._caching = (
            partial(MapCache, cache, known.timm, self.sha256, channels=channels) if cache else None
        )
        self._cache = self._caching and self._caching(geometry)
        self._writes = True

    def at(self, geometry: Geometry) -> FeatureMaps:
        """The maps by the same network of images that are cut otherwise."""
        other = copy(self)
        other._geometry = geometry
        other._cache = self._caching and self._caching(geometry)
        return other

    def of(self, images: Sequence[Path]) -> list[torch.Tensor]:
        """The maps of a batch of images, on the device.

        Args:
            images: Their paths; they are read in threads.

        Returns:
            For each stage shape `(N, channels, rows, columns)`, float32, rounded to float16 so that they are
            the same from the cache and from the network. On some machines the last digit depends on the
            other images that the network is run on at the same time.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """
        import torch

        with ThreadPoolExecutor(_THREADS) as threads:
            keys = list(threads.map(self._key, images))
            distinct = dict(zip(keys, images, strict=True))
            maps = dict(zip(distinct, threads.map(self._known, distinct), strict=True))
            missing = [key for key, found in maps.items() if not found]
            if missing:
                inputs = list(threads.map(self._input, (distinct[key] for key in missing)))
                maps.update(zip(missing, self._run(np.stack(inputs)), strict=True))
                self._keep({key: maps[key] for key in missing}, threads)
        return [
            torch.stack([maps[key][stride] for key in keys]).to(self._device).float().permute(0, 3, 1, 2)
            for stride in self._strides
        ]

    def _key(self, image: Path) -> str:
        return self._cache.key(image) if self._cache else str(image)

    def _known(self, key: str) -> _Maps:
        found = self._cache.load(key) if self._cache else {}
        return found if found.keys() >= set(self._strides) else {}

    def _keep(self, maps: dict[str, _Maps], threads: ThreadPoolExecutor) -> None:
        """Write new maps to the cache; a full disk costs time later on, but no result."""
        if not (self._cache and self._writes):
            return
        try:
            list(threads.map(self._cache.save, maps.keys(), maps.values()))
        except OSError as error:
            self._writes = False
            warnings.warn(f"feature maps are not kept any more: {error}", stacklevel=3)

    def _input(self, image: Path) -> RGB:
        return network_input(read_image(image), self._geometry)

    def _run(self, inputs: NDArray[np.uint8]) -> list[_Maps]:
        """The maps of each of a batch of inputs of shape `(N, side, side, 3)`."""
        import torch

        with torch.inference_mode():
            stages = self._model.forward_intermediates(
                self._backbone.normalised(inputs, self._device),
                indices=list(self._places.values()),
                stop_early=True,
                intermediates_only=True,
            )
            halves = [stage.permute(0, 2, 3, 1).half() for stage in stages]
            if not all(bool(half.isfinite().all()) for half in halves):
                raise ProviderError(
                    f"the weights {self.tag} (SHA-256 {self.sha256}) give features that float16 cannot hold; "
                    "use other weights"
                )
            if self._cache:
                halves = [half.cpu() for half in halves]
        return [dict(zip(self._places, maps, strict=True)) for maps in zip(*halves, strict=True)]
