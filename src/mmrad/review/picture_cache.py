"""Made pictures on disk, so that each is made once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from mmrad.files import atomic_path

LIMIT = 4 << 30
"""Bytes on disk; beyond them the pictures that were not asked for the longest are removed."""

_CHECKED_EACH = 16
"""The folder is measured each time that a sixteenth of the limit has been written."""


class PictureCache:
    """Made pictures in a folder, which may be removed at any time, and which several processes may share.

    Args:
        folder: Created with the first picture.
        limit: Bytes that it may have, and a sixteenth more.
    """

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        self._being_made: dict[str, Future[bytes]] = {}
        self._written = 0

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """A picture; threads that ask while it is being made wait for it.

        Args:
            name: A file name, two letters or more.
            make: Makes it; what it raises is raised for all who wait.
        """
        path = self._folder / name[:2] / name
        content = _read(path)
        if content is not None:
            return content
        with self._lock:
            waiting = self._being_made.get(name)
            made = self._being_made.setdefault(name, Future())
        return waiting.result() if waiting else self._make(name, path, make, made)

    def _make(self, name: str, path: Path, make: Callable[[], bytes], made: Future[bytes]) -> bytes:
        try:
            content = _read(path)  # somebody may have made it since
            if content is None:
                content = make()
                self._keep(path, content)
            made.set_result(content)
            return content
        except BaseException as error:
            made.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._being_made[name]

    def _keep(self, path: Path, content: bytes) -> None:
        with suppress(OSError):  # a full or write-protected disk: it will be made again
            with atomic_path(path) as temporary:
                temporary.write_bytes(content)
            with self._lock:
                self._written += len(content)
                full = self._written * _CHECKED_EACH > self._limit
                self._written = 0 if full else self._written
            if full:
                self._remove_oldest()

    def _remove_oldest(self) -> None:
        found = []
        for folder, _, names in os.walk(self._folder):
            for path in (Path(folder, name) for name in names):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    found.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= size


def _read(path: Path) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    with suppress(OSError):  # a folder of somebody else
        os.utime(path)  # it was asked for
    return content
