"""What the vision tower of a model built from nothing first learns: the features of a trained network.

A transformer that has seen no image needs very many labels to find edges and textures; the bundled
EfficientNet-Lite0 knows them, and a feature map says something of every patch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch.nn import functional

from mmrad.features import load_backbone
from mmrad.files import atomic_path
from mmrad.image import RGB, read_image

CHANNELS = 240
"""Means of the maps at stride 4, 8 and 16 (24, 40 and 112 channels), maxima of the first two."""

_PATCH = 14
_TEACHER_PATCH = 24
"""Pixels that the teacher sees of each patch: 240 x 240 for a view of 140 x 140, near its training size."""

_STAGES = (1, 2, 4)
_BATCH = 32
_Work = tuple[tuple[int, int], Sequence[int]]
"""Width and height of the views of a batch, and which images are in it."""

_MEASURED = 1000
"""From about so many images come mean and deviation of the features."""

_LIMIT = 6.0
"""Largest absolute value of a standardised feature; a few channels have rare, very large ones."""


def patch_features(
    images: Sequence[Path],
    sizes_wh: Sequence[tuple[int, int]],
    cache: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[torch.Tensor]:
    """Standardised features of each patch of the views of images, computed once and kept in a file.

    Args:
        images: Image files.
        sizes_wh: Width and height of the view of each, in pixels, multiples of 14.
        cache: A safetensors file; written unless it exists.
        progress: Called with images done and images in all.

    Returns:
        For each image shape `(rows, columns, 240)`, float16, about mean 0 and deviation 1 over all patches.
    """
    if not cache.exists():
        network, _ = load_backbone("lite0")
        network.to("cuda" if torch.cuda.is_available() else "cpu")
        some = range(0, len(images), max(1, len(images) // _MEASURED))
        measured = _feature_maps(network, [images[i] for i in some], [sizes_wh[i] for i in some], _unchanged)
        patches = np.concatenate([map_.reshape(-1, CHANNELS) for map_ in measured]).astype(np.float32)
        mean, deviation = patches.mean(axis=0), patches.std(axis=0) + 1e-3

        def standardized(maps: torch.Tensor) -> torch.Tensor:
            middle, unit = (torch.from_numpy(value).to(maps.device) for value in (mean, deviation))
            return ((maps - middle) / unit).clamp(-_LIMIT, _LIMIT)

        maps = _feature_maps(network, images, sizes_wh, standardized, progress)
        with atomic_path(cache) as temporary:
            save_file({str(index): torch.from_numpy(value) for index, value in enumerate(maps)}, temporary)
    stored = load_file(cache)
    return [stored[str(index)] for index in range(len(images))]


def _unchanged(maps: torch.Tensor) -> torch.Tensor:
    return maps


def _feature_maps(
    network: Any,
    images: Sequence[Path],
    sizes_wh: Sequence[tuple[int, int]],
    change: Callable[[torch.Tensor], torch.Tensor],
    progress: Callable[[int, int], None] | None = None,
) -> list[NDArray[np.float16]]:
    """The maps of all images, changed where the network runs."""
    order = sorted(range(len(images)), key=lambda index: sizes_wh[index])
    batches = [
        (size, group[start : start + _BATCH])
        for size, equal in groupby(order, key=lambda index: sizes_wh[index])
        for group in [list(equal)]
        for start in range(0, len(group), _BATCH)
    ]
    # Room for all at once: results left between the large arrays of each batch would keep the C library
    # from using their memory again, and 17,000 images took more than 20 GB.
    found = [np.empty((h // _PATCH, w // _PATCH, CHANNELS), np.float16) for w, h in sizes_wh]
    done = 0

    def pixels(work: _Work) -> NDArray[np.uint8]:
        (width, height), batch = work
        size = (width // _PATCH * _TEACHER_PATCH, height // _PATCH * _TEACHER_PATCH)
        return np.stack([_shrunk(read_image(images[index]), size) for index in batch])

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding frees the interpreter's lock
        for ((width, height), batch), read in zip(batches, _ahead(pool, pixels, batches), strict=True):
            maps = change(_measured(network, read, (height // _PATCH, width // _PATCH))).half().cpu().numpy()
            for index, map_ in zip(batch, maps, strict=True):
                found[index][:] = map_
            done += len(batch)
            if progress:
                progress(done, len(images))
    return found


def _shrunk(image: RGB, size_wh: tuple[int, int]) -> RGB:
    return cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _ahead(
    pool: ThreadPoolExecutor, read: Callable[[_Work], NDArray[np.uint8]], works: Sequence[_Work]
) -> Iterator[NDArray[np.uint8]]:
    """Results in order, a few batches read ahead: all of them would fill the memory."""
    waiting: deque[Future[NDArray[np.uint8]]] = deque()
    for work in works:
        waiting.append(pool.submit(read, work))
        if len(waiting) > 2 * (os.cpu_count() or 1):
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@torch.inference_mode()
def _measured(network: Any, pixels: NDArray[np.uint8], grid: tuple[int, int]) -> torch.Tensor:
    device = next(network.parameters()).device
    maps = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
    maps = network.bn1(network.conv_stem(maps))
    taken = []
    for stage, block in enumerate(network.blocks[: _STAGES[-1] + 1]):
        maps = block(maps)
        if stage in _STAGES:
            taken.append(maps)
    means = [functional.adaptive_avg_pool2d(map_, grid) for map_ in taken]
    maxima = [functional.adaptive_max_pool2d(map_, grid) for map_ in taken[:2]]
    return torch.cat([*means, *maxima], dim=1).permute(0, 2, 3, 1)
