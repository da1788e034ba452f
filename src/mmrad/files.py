"""Names of files, and writing whole ones so that a crash leaves either the old or the new one."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; on success it is fsynced and renamed over `path`.

    Args:
        path: The file to write; its folder is created.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the process id: containers that share a folder have the same ones, and so do threads.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_name(name: str) -> str:
    """A name of a model as that of a file or folder: `org/model:tag` becomes `org_model_tag`."""
    return re.sub(r"[^\w.\-]+", "_", name).lstrip(".") or "_"


def unique_name(text: str) -> str:
    """A short file name for any text: its end readable, with a hash that keeps it apart from all others."""
    readable = re.sub(r"[^A-Za-z0-9-]+", "_", text)[-80:]
    return f"{readable}.{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically, UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
