"""Listing folders and reading the side files of raw datasets, the same way in every adapter."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from mmrad.errors import DataError
from mmrad.sources.base import Rejection

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_STRAY_SUFFIXES = frozenset(
    {
        ".txt",
        ".md",
        ".db",
        ".ini",
        ".json",
        ".csv",
        ".xlsx",
        ".xml",
        ".html",
        ".zip",
        ".tar",
        ".xz",
        ".gz",
        ".pdf",
    }
)


def relative(path: Path, root: Path) -> str:
    """`path` relative to `root`, with `/`."""
    return path.relative_to(root).as_posix()


def _entries(folder: Path) -> list[Path]:
    """The visible entries of a folder by name; a folder that is not there has none."""
    try:
        listed = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error}); check its permissions") from error
    shown = [path for path in listed if not path.name.startswith(".") and path.name != "__MACOSX"]
    for path in shown:
        if _printable(path.name) != path.name:
            raise DataError(f"{folder}/{_printable(path.name)}: the name is not UTF-8; rename the file")
    return shown


def _printable(name: str) -> str:
    """A file name with the bytes that are no UTF-8 spelled out, since no table or message can hold them."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def folders(folder: Path) -> list[Path]:
    """The folders in `folder` by name, without hidden ones; links that lead nowhere are left out."""
    return [path for path in _entries(folder) if path.is_dir()]


def subfolder(folder: Path, name: str) -> Path | None:
    """The folder called `name` in any letter case, or None."""
    return next((path for path in folders(folder) if path.name.casefold() == name.casefold()), None)


def descend(folder: Path, path: str) -> Path | None:
    """The folder at a path such as `test_public/ground_truth` below `folder`, in any letter case, or None."""
    found: Path | None = folder
    for name in path.split("/"):
        found = subfolder(found, name) if found else None
    return found


def dataset_folder(root: Path, names: tuple[str, ...]) -> Path:
    """The folder that archives unpack to, when the root holds one called so; else the root itself."""
    return next((found for name in names if (found := subfolder(root, name))), root)


def images(folder: Path, root: Path) -> Iterator[Path | Rejection]:
    """The images of a folder by name, with their suffix in any letter case.

    Hidden files and the text, table and archive files that datasets carry along are passed over; any other
    file is a rejection, since it may be an image that mmrad cannot read.
    """
    for path in _entries(folder):
        suffix = path.suffix.lower()
        if suffix in IMAGE_SUFFIXES and not path.is_dir():
            yield path
        elif not path.is_dir() and suffix not in _STRAY_SUFFIXES:
            yield Rejection(
                relative(path, root), f"not an image type that mmrad reads ({path.suffix or 'no suffix'})"
            )


def files_below(folder: Path, root: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path | Rejection]:
    """The images of a folder and of all folders in it, as `images` gives them; a loop of links ends.

    Args:
        folder: Where to look.
        root: The source's root.
        above: The folders on the way here.
    """
    here = above | {folder.resolve()}
    yield from images(folder, root)
    for inner in folders(folder):
        if inner.resolve() not in here:
            yield from files_below(inner, root, here)


def by_stem(folder: Path) -> dict[str, Path]:
    """The images of a folder by their stem; of two with one stem the first by name."""
    found: dict[str, Path] = {}
    for path in _entries(folder):
        if path.suffix.lower() in IMAGE_SUFFIXES:
            found.setdefault(path.stem, path)
    return found


def safe_path(value: object, where: str) -> str:
    """A path out of an annotation file, which must stay inside the dataset.

    Args:
        value: What the file holds.
        where: File and line, for the message.

    Returns:
        The path, relative, with `/`.

    Raises:
        DataError: When it is no text, absolute (on any system), or climbs with `..`.
    """
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: {value!r} is not a path")
    parts = PureWindowsPath(value)
    if parts.anchor or ".." in parts.parts or "\0" in value:
        raise DataError(
            f"{where}: the path {value!r} leaves the dataset; only relative paths without '..' are read"
        )
    return PurePosixPath(value).as_posix()


def load_text(path: Path) -> str:
    """Read a text file.

    Raises:
        DataError: When it cannot be read; the message names it.
    """
    try:
        return path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable text file ({error}); unpack the dataset again") from error


def load_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        DataError: When it cannot be read or parsed; the message names it.
    """
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable JSON ({error}); unpack the dataset again") from error


def load_csv(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with their line numbers.

    Raises:
        DataError: When it cannot be read, lacks one of `columns`, or has a row with another number of cells.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise DataError(f"{path}: no column {sorted(missing)}; the header is {reader.fieldnames}")
            rows = [(reader.line_num, dict(row)) for row in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a readable CSV file ({error}); unpack the dataset again") from error
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path} line {line}: the row does not have as many cells as the header")
    return rows
