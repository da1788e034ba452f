"""Thumbnails of a page: inside it up to a limit, more of them as files in a folder beside it."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrad.errors import DataError
from mmrad.image import read_image

_JPEG_QUALITY = 76
_LAYER_QUALITY = 60
_OURS = re.compile(r"[0-9a-f]{16}\.(jpg|webp)")
_TYPES = {"jpg": "jpeg", "webp": "webp"}


class Thumbnails:
    """Thumbnails as data URIs, or as files when they are many; equal pictures are kept once.

    Args:
        side: Longest side in pixels.
        beside: Folder for those that are not embedded; None embeds all.
        embedded: Bytes to embed before the folder is used.
    """

    def __init__(self, side: int, *, beside: Path | None = None, embedded: int = 0) -> None:
        self.side = side
        self.beside = beside
        self.uris: dict[str, str] = {}
        self._room = embedded
        self._keys: dict[Path, str] = {}

    @property
    def apart(self) -> bool:
        """Whether some of them lie in the folder."""
        return any(not uri.startswith("data:") for uri in self.uris.values())

    def add(self, path: Path) -> str:
        """Read an image and keep its thumbnail.

        Returns:
            Its key in `uris`.

        Raises:
            DataError: When the file is no readable image.
        """
        if path not in self._keys:
            self._keys[path] = self._keep(self._jpeg(path), "jpg")
        return self._keys[path]

    def add_layer(self, pixels: NDArray[np.uint8]) -> str:
        """Keep a picture that lies over another one.

        Args:
            pixels: RGBA, shape `(height, width, 4)`.

        Returns:
            Its key in `uris`.
        """
        buffer = io.BytesIO()
        Image.fromarray(pixels, "RGBA").save(buffer, format="WEBP", quality=_LAYER_QUALITY, method=6)
        return self._keep(buffer.getvalue(), "webp")

    def add_all(self, paths: Iterable[Path]) -> None:
        """Read many images, several at once; one that cannot be read is left for `add` to say so."""
        open_paths = [path for path in dict.fromkeys(paths) if path not in self._keys]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, jpeg in zip(open_paths, pool.map(self._jpeg_or_none, open_paths), strict=True):
                if jpeg is not None:
                    self._keys[path] = self._keep(jpeg, "jpg")

    def remove_strays(self) -> None:
        """Delete thumbnails of earlier pages from the folder; files with other names stay."""
        if self.beside and self.beside.is_dir():
            used = {uri.rpartition("/")[2] for uri in self.uris.values() if not uri.startswith("data:")}
            for file in self.beside.iterdir():
                if _OURS.fullmatch(file.name) and file.name not in used:
                    file.unlink(missing_ok=True)
            if not any(self.beside.iterdir()):
                self.beside.rmdir()

    def _jpeg(self, path: Path) -> bytes:
        picture = Image.fromarray(read_image(path))
        picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
        return buffer.getvalue()

    def _jpeg_or_none(self, path: Path) -> bytes | None:
        try:
            return self._jpeg(path)
        except DataError:
            return None

    def _keep(self, content: bytes, kind: str) -> str:
        key = hashlib.sha256(content).hexdigest()[:16]
        if key in self.uris:
            return key
        if self.beside is None or len(content) <= self._room:
            self._room -= len(content)
            encoded = base64.b64encode(content).decode("ascii")
            self.uris[key] = f"data:image/{_TYPES[kind]};base64,{encoded}"
            return key
        self._room = 0  # what comes later is shown later: it goes beside as well
        self.beside.mkdir(parents=True, exist_ok=True)
        (self.beside / f"{key}.{kind}").write_bytes(content)
        self.uris[key] = f"{self.beside.name}/{key}.{kind}"
        return key
