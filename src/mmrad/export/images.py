"""What all formats share: files of images, masks of regions, labels; names are `mmrad.corpus.names`.

Files of single images are written in place: to wait for the disk after each would take most of the time, and
the folder is no dataset before the index of its format, which is written last and atomically.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import MissingExtraError, UsageError
from mmrad.image import encode_png, file_of, is_upright, read_image
from mmrad.sample import Sample
from mmrad.sources.marks import marked_pixels

Progress = Callable[[int, int], None]
"""Is told how many images of how many are done."""


def refuse_filled(out: Path) -> None:
    """Refuse a folder that holds anything, or that is a file.

    Raises:
        UsageError: When it does.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"{out}: is not empty; name a new folder")


def require(*packages: str) -> None:
    """Refuse to begin what would end for want of a package.

    Raises:
        MissingExtraError: When one of them is not installed.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, "export")


def each(samples: list[Sample], progress: Progress | None) -> Iterator[Sample]:
    """The samples one by one; `progress` is told when the caller comes back for the next."""
    for done, sample in enumerate(samples, start=1):
        yield sample
        if progress:
            progress(done, len(samples))


def label_names(corpus: Corpus) -> list[str]:
    """The labels of all regions of a corpus, each once, sorted."""
    return sorted({region.label for sample in corpus.samples for region in sample.regions})


def xywh(box: Box) -> list[float]:
    """A box as left, top, width and height in pixels, the form of COCO."""
    return [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]


def relative_xywh(box: Box, size_wh: tuple[int, int]) -> list[float]:
    """A box as left, top, width and height, as shares of the image's width and height."""
    return [value / side for value, side in zip(xywh(box), size_wh * 2, strict=True)]


def image_suffix(path: Path) -> str:
    """The suffix of the file that `write_image` writes.

    Raises:
        DataError: When the image is missing or not an image.
    """
    return ".png" if _rewritten(path) else path.suffix


def write_image(path: Path, target: Path) -> None:
    """Write an image of a corpus as one upright file.

    The file is linked where the disk allows and copied else. A part of an image, and an image that an EXIF
    tag turns, is written anew as PNG, since readers of other formats may know neither.

    Args:
        path: The image, or a part of one.
        target: A new file, with the suffix that `image_suffix` says; its folder is created.

    Raises:
        DataError: When the image is missing or not an image.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if _rewritten(path):
        target.write_bytes(encode_png(read_image(path)))
        return
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)


def image_bytes(path: Path) -> bytes:
    """The bytes of the file that `write_image` writes.

    Raises:
        DataError: When the image is missing or not an image.
    """
    return encode_png(read_image(path)) if _rewritten(path) else path.read_bytes()


def _rewritten(path: Path) -> bool:
    """Whether the file is not the image as it is to be seen."""
    return file_of(path) != path or not is_upright(path)


def region_masks(corpus: Corpus, sample: Sample) -> list[NDArray[np.bool_] | None]:
    """For each region of a sample the pixels that are marked inside its box, None where it has no mask.

    Where boxes of one file overlap, the pixels in both are marked
    in both: the corpus does not keep which values are whose.

    Returns:
        Arrays of shape `(height, width)` of the region's box.

    Raises:
        DataError: When a mask file is missing or not an image.
    """
    files = {region.mask for region in sample.regions if region.mask is not None}
    marked = {name: marked_pixels(corpus, sample.source, name) for name in files}
    masks: list[NDArray[np.bool_] | None] = []
    for region in sample.regions:
        x1, y1, x2, y2 = region.box.rounded()
        masks.append(None if region.mask is None else marked[region.mask][y1:y2, x1:x2])
    return masks


def write_mask(mask: NDArray[np.bool_], target: Path) -> None:
    """Write a mask as a PNG of 0 and 255; its folder is created."""
    target.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(target, format="PNG")
