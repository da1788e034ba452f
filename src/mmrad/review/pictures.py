"""Images, masks and thumbnails of the samples of a corpus, as a browser gets them.

Only images that the corpus names are shown; no path comes from outside. A browser gets the file of an image
where it shows the same upright pixels as `mmrad.image.read_image` gives, which is of ordinary JPEG and PNG
files, else a PNG of those. What is made is kept in a folder, see `mmrad.review.picture_cache`.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrad.bench.segment import true_mask
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.image import encode_png, file_of, is_upright, plain_png, read_image
from mmrad.review.picture_cache import PictureCache
from mmrad.sample import Sample

MediaType = Literal["image/jpeg", "image/png"]

MARK_RGB = (255, 0, 144)
"""Colour of marked pixels; a page shows it half through."""

_JPEG_QUALITY = 80
_JPEG_INFO = {
    "jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression", "adobe",
    "adobe_transform", "comment", "exif",
}  # fmt: skip
"""What Pillow may say of a JPEG file that a browser shows as it is: no colour profile, no second picture."""

_EXIF, _EXIF_SIZE = 0x8769, (0xA002, 0xA003)


@dataclass(frozen=True, slots=True)
class Picture:
    """What a browser gets.

    Attributes:
        content: The bytes, or the file that holds them.
        media_type: `image/jpeg` or `image/png`.
        etag: Changes when the picture does; without quotes.
    """

    content: bytes | Path
    media_type: MediaType
    etag: str


class Pictures:
    """The pictures of a corpus; several threads may ask at once.

    Args:
        corpus: The corpus.
        cache: Folder for pictures that are no files of the sources; see `mmrad.review.picture_cache`.
    """

    def __init__(self, corpus: Corpus, cache: Path) -> None:
        self._corpus = corpus
        self._cache = PictureCache(cache)

    def query(self, sample: Sample) -> Picture:
        """The image of a sample, upright and as large as it is.

        Raises:
            DataError: When it cannot be read; the message names it relative to its source.
        """
        return self._image(sample.source, sample.image)

    def reference(self, sample: Sample, rank: int) -> Picture:
        """A reference of a sample; rank 0 is the best one.

        Raises:
            UsageError: When it has no such reference.
            DataError: When it cannot be read; the message names it relative to its source.
        """
        for reference in self._corpus.references.get(sample.id, ()):
            if reference.rank == rank:
                return self._image(sample.source, reference.image)
        raise UsageError(f"{sample.id}: has no reference of rank {rank}")

    def mask(self, sample: Sample) -> Picture | None:
        """The pixels that the masks of a sample mark inside its boxes.

        Returns:
            A PNG with transparency, as large as the upright image: `MARK_RGB` where it is marked, else
            transparent. None when no region has a mask.

        Raises:
            DataError: When a mask cannot be read; the message names it relative to its source.
        """
        regions = tuple(region for region in sample.regions if region.mask is not None)
        if not regions:
            return None
        masks = sorted({region.mask for region in regions if region.mask is not None})
        states = [self._state(sample.source, name) for name in masks]
        key = _key("mask", *states, str(sample.size_wh), *(str(region.box.rounded()) for region in regions))
        marked = replace(sample, regions=regions)
        content = self._made(key, "png", sample.source, lambda: _mask_png(true_mask(self._corpus, marked)))
        return Picture(content, "image/png", key)

    def thumbnail(self, sample: Sample, side: int = 224) -> Picture:
        """The image of a sample as a small JPEG.

        Args:
            sample: The sample.
            side: Its longest side in pixels, at most.

        Raises:
            DataError: When the image cannot be read; the message names it relative to its source.
        """
        path = self._corpus.resolve(sample.source, sample.image)
        key = _key("thumbnail", str(side), self._state(sample.source, sample.image))
        content = self._made(key, "jpg", sample.source, lambda: _thumbnail(path, side))
        return Picture(content, "image/jpeg", key)

    def _image(self, source: str, name: str) -> Picture:
        path = self._corpus.resolve(source, name)
        key = _key("image", self._state(source, name))
        if _is_plain_jpeg(path):
            return Picture(path, "image/jpeg", key)
        if plain := plain_png(path, lambda size_wh: True):
            return Picture(plain[0], "image/png", key)
        content = self._made(key, "png", source, lambda: encode_png(read_image(path)))
        return Picture(content, "image/png", key)

    def _state(self, source: str, name: str) -> str:
        """What a picture of a file depends on: which file, and when it was written.

        Raises:
            DataError: When there is no such file, or it is none of the source: a corpus may be of others.
        """
        file = Path(os.path.normpath(file_of(self._corpus.resolve(source, name))))
        if not file.is_relative_to(self._corpus.root(source)):
            raise DataError(f"{name}: lies outside of the source {source!r}; build the corpus again")
        try:
            status = file.stat()
        except OSError:
            raise DataError(f"{name}: no such image in the source {source!r}; restore it") from None
        return f"{source}\0{name}\0{status.st_mtime_ns}\0{status.st_size}"

    def _made(self, key: str, ending: str, source: str, make: Callable[[], bytes]) -> bytes:
        """A picture from the cache, or made; errors name files relative to their source."""
        try:
            return self._cache.get(f"{key}.{ending}", make)
        except DataError as error:
            raise DataError(str(error).replace(f"{self._corpus.root(source)}/", "")) from error


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _is_plain_jpeg(path: Path) -> bool:
    """Whether a browser shows a file as `read_image` reads it, because it is an ordinary JPEG file.

    It is whole, upright, RGB or grey, and has no colour profile. The sizes in its EXIF, if any, are its own:
    browsers may take others for what the image is to measure.
    """
    try:
        if file_of(path) != path or not is_upright(path):
            return False
        with path.open("rb") as file, Image.open(file, formats=["JPEG"]) as image:
            ordinary = image.format == "JPEG" and image.mode in ("RGB", "L") and set(image.info) <= _JPEG_INFO
            exif = image.getexif().get_ifd(_EXIF)
            measures = zip(_EXIF_SIZE, image.size, strict=True)
            same = all(exif.get(tag, side) == side for tag, side in measures)
            file.seek(-2, os.SEEK_END)
            return ordinary and same and file.read() == b"\xff\xd9"
    except (DataError, OSError, ValueError, SyntaxError):
        return False


def _thumbnail(path: Path, side: int) -> bytes:
    buffer = io.BytesIO()
    picture = _reduced(path, side) or Image.fromarray(read_image(path))
    picture.thumbnail((side, side), reducing_gap=2.0)
    picture.convert("RGB").save(buffer, format="JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()


def _reduced(path: Path, side: int) -> Image.Image | None:
    """An ordinary JPEG file, decoded at a half, a quarter or an eighth: many times as fast; else None."""
    if not _is_plain_jpeg(path):
        return None
    try:
        with Image.open(path) as image:
            image.draft(None, (2 * side, 2 * side))
            image.load()
            return image
    except (OSError, ValueError, SyntaxError):  # `read_image` says what is wrong
        return None


def _mask_png(marked: NDArray[np.bool_]) -> bytes:
    """A PNG of one bit a pixel: the second of its two colours is `MARK_RGB`, the first is transparent."""
    picture = Image.fromarray(marked.astype(np.uint8), "P")
    picture.putpalette((0, 0, 0, *MARK_RGB))
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG", bits=1, transparency=0, compress_level=1)
    return buffer.getvalue()
