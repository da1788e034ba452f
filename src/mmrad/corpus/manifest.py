"""`corpus.json`: what a corpus is made of, and where its images lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad.errors import DataError
from mmrad.files import write_text

SCHEMA_VERSION = 2
FILE_NAME = "corpus.json"


class SourceInfo(BaseModel):
    """One source of a corpus.

    Attributes:
        adapter: Name of the adapter that read it.
        root: Folder that image and mask paths are relative to; absolute, or relative to the corpus folder.
        licence: Licence of its data.
        images: Number of samples.
        anomalous: Number of anomalous samples.
        samples_sha256: Hash of its sample records, equal wherever the same data is built the same way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: str
    root: str
    licence: str
    images: int = 0
    anomalous: int = 0
    samples_sha256: str = ""


class Manifest(BaseModel):
    """The content of `corpus.json`.

    Attributes:
        schema_version: Of the folder's layout. Version 1 knew no selection and had no folder `quality`.
        sources: The sources by name.
        selection: The policy that chose the samples, see `mmrad.curate.selection`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    sources: dict[str, SourceInfo]
    selection: dict[str, Any] = {}

    def save(self, folder: Path) -> None:
        """Write the manifest into a corpus folder, atomically."""
        write_text(folder / FILE_NAME, self.model_dump_json(indent=2) + "\n")


def load_manifest(folder: Path) -> Manifest:
    """Read the manifest of a corpus folder.

    Raises:
        DataError: When there is no corpus, or it is damaged or from a newer mmrad.
    """
    path = folder / FILE_NAME
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise DataError(f"{folder}: not a corpus (no {FILE_NAME}); make one with  mmrad build") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: unreadable ({error}); build the corpus again") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(
            f"{path}: schema {version} is newer than this mmrad reads ({SCHEMA_VERSION}); upgrade mmrad"
        )
    if version not in (1, SCHEMA_VERSION):
        raise DataError(f"{path}: schema {version!r} is not one this mmrad reads; build the corpus again")
    try:
        return Manifest.model_validate({**content, "schema_version": SCHEMA_VERSION})
    except ValidationError as error:
        raise DataError(
            f"{path}: not a corpus manifest ({error.errors()[0]['msg']}); build the corpus again"
        ) from error
