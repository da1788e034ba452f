"""Reading images: one function that gives upright 8-bit RGB or says clearly why it cannot."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from mmrad.errors import DataError

RGB = NDArray[np.uint8]
"""An image of shape (height, width, 3), 8 bits a channel, red first, EXIF orientation applied."""

MAX_PIXELS = 200_000_000
"""Larger images are refused: they are decompression bombs far more often than inspection images."""


def read_image(path: Path) -> RGB:
    """Read an image file as upright 8-bit RGB.

    Grey, palette, CMYK, 16-bit and transparent images are converted (transparency over white; 16 bits are
    scaled by their type's full range, never stretched). EXIF orientation is applied here and nowhere else.

    Args:
        path: Image file.

    Returns:
        Array of shape `(height, width, 3)`.

    Raises:
        DataError: When the file is missing, empty, truncated or not an image; the message names it.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns on large images and odd EXIF; the size is checked below, the EXIF is Pillow's best reading.
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    size = f"{opened.width}x{opened.height}"
                    raise DataError(f"{path}: {size} pixels is over the limit of {MAX_PIXELS}")
                opened.load()
                return _to_rgb(ImageOps.exif_transpose(opened))
    except FileNotFoundError:
        raise DataError(f"{path}: no such image") from None
    except DataError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove the file") from error


def _to_rgb(image: Image.Image) -> RGB:
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image, dtype=np.uint16) >> 8).astype(np.uint8))
    elif image.mode in ("I", "F"):
        values = np.asarray(image)
        top = 65535 if values.max(initial=0) > 255 else 255  # Pillow opens 16-bit PNGs as mode I
        image = Image.fromarray((np.clip(values, 0, top) / top * 255).astype(np.uint8))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of an image file after EXIF orientation, read from its header.

    Raises:
        DataError: When the file is missing or not an image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as opened:
                turned = opened.getexif().get(0x0112) in (5, 6, 7, 8)
                return (opened.height, opened.width) if turned else (opened.width, opened.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable image ({error}); replace or remove the file") from error


def read_mask(path: Path) -> NDArray[np.integer]:
    """Read a mask file as its raw values, without scaling or EXIF.

    Returns:
        Integer array of shape `(height, width)`; of a colour mask the largest channel.

    Raises:
        DataError: When the file is missing or not an image.
    """
    try:
        with Image.open(path) as opened:
            values = np.asarray(opened.convert("RGB") if opened.mode in ("RGBA", "LA", "CMYK") else opened)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable mask ({error}); replace or remove the file") from error
    values = values.astype(np.int32)
    return values.max(axis=2) if values.ndim == 3 else values


def encode_png(image: RGB) -> bytes:
    """The image as PNG bytes, the same bytes for the same pixels."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()
