"""The files that tools export: plain or in a ZIP archive, JSON or XML."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mmrad.errors import DataError


def documents(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """The documents of an exported file, each with the name that messages call it.

    Args:
        path: A document, or a ZIP archive with some.
        suffix: Suffix of documents in an archive, such as `.json`.

    Raises:
        DataError: When the file cannot be read, or the archive has no such document.
    """
    try:
        if not zipfile.is_zipfile(path):
            yield path.name, path.read_bytes()
            return
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.lower().endswith(suffix)]
            if not names:
                raise DataError(f"{path}: has no {suffix} file in it; export the annotations again")
            for name in names:
                yield f"{path.name}/{name}", archive.read(name)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); export the annotations again") from error


def parse_json(name: str, content: bytes) -> Any:
    """The value of a JSON document.

    Raises:
        DataError: When it is none.
    """
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not JSON ({error}); export the annotations again") from error


class _WithoutDoctype(ElementTree.TreeBuilder):
    """Ends at a document type, before any entity of it is expanded: annotations need none."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type, which annotations do not")


def parse_xml(name: str, content: bytes) -> ElementTree.Element:
    """The root of an XML document, which must not declare a document type or entities.

    Raises:
        DataError: When it is none.
    """
    try:
        return ElementTree.XML(content, ElementTree.XMLParser(target=_WithoutDoctype()))
    except (ValueError, ElementTree.ParseError) as error:
        raise DataError(f"{name}: not XML that is read ({error}); export the annotations again") from error
