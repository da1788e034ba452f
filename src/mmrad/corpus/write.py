"""Writing a corpus folder, a sample at a time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmrad.corpus.manifest import Manifest, SourceInfo
from mmrad.corpus.store import Corpus
from mmrad.corpus.tables import SAMPLES, TableWriter, row_of, table_writer
from mmrad.errors import DataError
from mmrad.sample import Sample


def write_corpus(
    path: Path,
    sources: Mapping[str, SourceInfo],
    samples: Iterable[Sample],
    *,
    selection: dict[str, Any] | None = None,
) -> Corpus:
    """Write a corpus folder; an existing one keeps its texts and loses its samples and references.

    Args:
        path: The folder.
        sources: The sources by name; counts and hashes are filled in here.
        samples: All samples; each belongs to one of the sources. Read once, and not held in memory.
        selection: The policy that chose them, for the manifest.

    Raises:
        DataError: When there are no samples, two have one id, or one belongs to none of the sources.
    """
    seen: set[str] = set()
    with ExitStack() as stack:
        tables = {
            name: _SourceTable(
                stack.enter_context(table_writer(path / "samples" / f"{name}.parquet", SAMPLES))
            )
            for name in sources
        }
        for sample in samples:
            if sample.id in seen:
                raise DataError(f"two samples have the id {sample.id!r} ({sample.image}); ids must be unique")
            seen.add(sample.id)
            if sample.source not in tables:
                raise DataError(f"{sample.id}: its source {sample.source!r} is none of {sorted(sources)}")
            tables[sample.source].add(sample)
        if not seen:
            raise DataError(f"{path}: no samples to write; check the folders given to  mmrad build")
    infos = {name: info.model_copy(update=tables[name].counts()) for name, info in sources.items()}
    (path / "references.parquet").unlink(missing_ok=True)
    Manifest(sources=infos, selection=selection or {}).save(path)
    return Corpus(path)


class _SourceTable:
    """The samples of one source, counted and hashed as they are written."""

    def __init__(self, writer: TableWriter) -> None:
        self._writer = writer
        self._digest = hashlib.sha256()
        self._images = 0
        self._anomalous = 0

    def add(self, sample: Sample) -> None:
        row = row_of(sample)
        self._writer.add(row)
        self._digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
        self._images += 1
        self._anomalous += sample.anomalous

    def counts(self) -> dict[str, int | str]:
        return {
            "images": self._images,
            "anomalous": self._anomalous,
            "samples_sha256": self._digest.hexdigest(),
        }
