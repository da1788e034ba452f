"""Reading images: one function that gives upright 8-bit RGB or says clearly why it cannot."""

from __future__ import annotations

import hashlib
import re
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmrad.errors import DataError

RGB = NDArray[np.uint8]
"""An image of shape (height, width, 3), 8 bits a channel, red first, EXIF orientation applied."""

MAX_PIXELS = 200_000_000
"""Larger images are refused: they are decompression bombs far more often than inspection images."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PLAIN_START = re.compile(
    _PNG_START + rb"\0\0\0\x0dIHDR(?P<width>.{4})(?P<height>.{4})\x08\x02\0\0\0", re.DOTALL
)
"""A PNG file of 8-bit RGB, not interlaced (PNG 1.2, 11.2.2)."""

_PLAIN_CHUNKS = (b"IHDR", b"sRGB", b"pHYs", b"IDAT", b"IEND")

_PART = re.compile(r"(?P<file>.+)#xywh=(?P<xywh>\d+,\d+,\d+,\d+)", re.DOTALL)


def part_of(path: str, xywh: tuple[int, int, int, int]) -> str:
    """The path of a part of an image, which the functions here read like a file of its own.

    Written as in W3C Media Fragments 1.0, section 4.2.2: `strip.png#xywh=256,0,256,256`.

    Args:
        path: Path of the whole image.
        xywh: Left, top, width and height in pixels of the upright image.
    """
    return f"{path}#xywh={','.join(map(str, xywh))}"


def file_of(path: Path) -> Path:
    """The file that a path of an image, or of a part of one, names."""
    match = _PART.fullmatch(str(path))
    return Path(match["file"]) if match else path


def _part(path: Path, size_wh: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the upright image that a path names."""
    match = _PART.fullmatch(str(path))
    if not match:
        return slice(None), slice(None)
    x, y, width, height = map(int, match["xywh"].split(","))
    if not (width and height and x + width <= size_wh[0] and y + height <= size_wh[1]):
        raise ValueError(f"the part lies outside the image of {size_wh[0]}x{size_wh[1]}")
    return slice(y, y + height), slice(x, x + width)


class _Quiet:
    """Silences warnings while at least one thread is inside.

    Pillow warns on large images and odd EXIF: the size is checked by us, a bad EXIF turns nothing. Python's
    own `catch_warnings` is not for threads: two that overlap may leave everything silent for good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


_QUIET = _Quiet()


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An image file, open; whatever fails inside is said as one error that names the file."""
    try:
        with _QUIET, Image.open(file_of(path)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width}x{image.height} is over the limit of {MAX_PIXELS} pixels")
            yield image
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove the file") from error


def read_image(path: Path) -> RGB:
    """Read an image, or a part of one (see `part_of`), as upright 8-bit RGB.

    Grey, palette, CMYK, 16-bit and transparent images are converted (transparency over white; 16 bits are
    scaled by their type's full range, never stretched). EXIF orientation is applied here and nowhere else.

    Args:
        path: Image file, or a part of one.

    Returns:
        Array of shape `(height, width, 3)`.

    Raises:
        DataError: When the file is missing, empty, truncated, not an image, or of floating point, whose range
            no file states; the message names it.
    """
    with _opened(path) as image:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        rows, columns = _part(path, image.size)
        return np.ascontiguousarray(_to_rgb(image)[rows, columns])


def _to_rgb(image: Image.Image) -> RGB:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range: convert it to 8 or 16 bits")
    if image.mode.startswith("I"):  # 16 bits; Pillow reads some formats' 16 bits as 0..65535 of mode I
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535)
        image = Image.fromarray((values >> 8).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    # Whole copies of an image take longer than its decoding: none is made without need.
    return np.array(image if image.mode == "RGB" else image.convert("RGB"), dtype=np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file after EXIF orientation, read from its header.

    Raises:
        DataError: When the file is missing or not an image.
    """
    with _opened(path) as image:
        turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
        width, height = (image.height, image.width) if turned else (image.width, image.height)
        rows, columns = _part(path, (width, height))
        return len(range(width)[columns]), len(range(height)[rows])


def is_upright(path: Path) -> bool:
    """Whether the pixels of an image file are stored as they are to be seen, by its EXIF orientation.

    Raises:
        DataError: When the file is missing or not an image.
    """
    with _opened(path) as image:
        return image.getexif().get(0x0112, 1) in (0, 1)


def read_mask(path: Path) -> NDArray[np.integer]:
    """Read a mask file as its raw values, without scaling or EXIF.

    Returns:
        Integer array of shape `(height, width)`; of a colour mask the largest channel, of one bit 0 or 255.

    Raises:
        DataError: When the file is missing or not an image.
    """
    with _opened(path) as image:
        as_mode = {"RGBA": "RGB", "LA": "L", "CMYK": "RGB", "1": "L"}.get(image.mode)
        values = np.asarray(image.convert(as_mode) if as_mode else image)
        values = values[_part(path, image.size)]
        values = values if values.dtype == np.uint8 else values.astype(np.int32)
    return values.max(axis=2) if values.ndim == 3 else values


def image_hash(path: Path) -> str:
    """A hash of what a path of an image names: the bytes of its file, and the part of it that is meant.

    Returns:
        SHA-256 in hexadecimal digits; `unreadable` where the file cannot be read, for callers
        whose later work says why.
    """
    file = file_of(path)
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256")
    except OSError:
        return "unreadable"
    digest.update(str(path).removeprefix(str(file)).encode())
    return digest.hexdigest()


def encode_png(image: RGB) -> bytes:
    """The image as PNG bytes, the same bytes for the same pixels.

    OpenCV's own settings (one filter for all rows, run lengths only) take half the time of Pillow's fastest
    for files 15 % larger.
    """
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1])


def decode_png(png: bytes) -> RGB:
    """The pixels of PNG bytes from `encode_png` or `plain_png`.

    Raises:
        DataError: When they are no such thing.
    """
    found = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise DataError("a PNG file with right checksums cannot be decoded; replace or remove it")
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def plain_png(path: Path, fits: Callable[[tuple[int, int]], bool]) -> tuple[bytes, tuple[int, int]] | None:
    """A PNG file as it is, when every decoder reads the pixels of `read_image` from it.

    That is 8-bit RGB, not interlaced, and nothing that could turn, tint or blend the pixels or tell more than
    they do: no EXIF, colour profile, gamma, transparency, animation or text. JPEG files are not passed on
    like this: decoders differ in how they round and spread colours, and the model would see other pixels
    behind one server than behind another.

    Args:
        path: Image file, or a part of one, which is no file.
        fits: Whether an image of that width and height is wanted; the rest of the file is read only then.

    Returns:
        The bytes, and width and height; None when it is no such file, or damaged: `read_image` says more.
    """
    try:
        with path.open("rb") as file:
            match = _PLAIN_START.fullmatch(file.read(29))
            if not match:
                return None
            size_wh = (int.from_bytes(match["width"], "big"), int.from_bytes(match["height"], "big"))
            if not fits(size_wh):
                return None
            content = match[0] + file.read()
    except OSError:
        return None
    return (content, size_wh) if _is_plain(content) else None


def _is_plain(png: bytes) -> bool:
    """Whether a PNG file is whole, by its checksums, and has plain chunks only."""
    position = len(_PNG_START)
    kind = b""
    while kind != b"IEND":
        if position + 12 > len(png):
            return False
        length, kind = struct.unpack_from(">I4s", png, position)
        end = position + 8 + length
        if kind not in _PLAIN_CHUNKS or end + 4 > len(png):
            return False
        if zlib.crc32(memoryview(png)[position + 4 : end]) != int.from_bytes(png[end : end + 4], "big"):
            return False
        position = end + 4
    return position == len(png)
