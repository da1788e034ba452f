"""Journals: append-only JSONL files for work that costs money or hours.

A line is one finished piece of work. It reaches the system at once, and the disk in small groups; a torn
last line is ignored and its work redone. So a `kill -9` costs no finished work, and a power cut at most the
last group.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from mmrad.errors import DataError

Record = dict[str, Any]


class Journal:
    """Append records to a JSONL file and read them back.

    Args:
        path: The file; created with its folder when missing.
        group: How many lines may wait for an fsync.
    """

    def __init__(self, path: Path, *, group: int = 8) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(path)
        self._file = path.open("ab", buffering=0)  # a killed process loses nothing it has appended
        self._group = group
        self._waiting = 0

    def append(self, record: Record) -> None:
        """Write one record as one line."""
        # Models do write lone surrogates; json.loads reads them back.
        self._file.write(json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._waiting += 1
        if self._waiting >= self._group:
            self.flush()

    def flush(self) -> None:
        """Force what was appended onto the disk."""
        os.fsync(self._file.fileno())
        self._waiting = 0

    def __enter__(self) -> Journal:
        """Start using the journal; it is flushed and closed at the end, whatever happens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush and close."""
        self.flush()
        self._file.close()


def read_journal(path: Path) -> Iterator[Record]:
    """The records of a journal in the order they were written; a torn last line is left out.

    Raises:
        DataError: When a whole line is not a JSON object: the file was edited or damaged.
    """
    return (record for _, record in located_records(path))


def located_records(path: Path) -> Iterator[tuple[int, Record]]:
    """As `read_journal`, each record with the byte at which its line begins.

    Raises:
        DataError: As `read_journal`.
    """
    if not path.exists():
        return
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(
                    f"{path}, line {number}: not JSON ({error}); remove the line to redo its work"
                ) from error
            if not isinstance(record, dict):
                raise DataError(f"{path}, line {number}: not a JSON object; remove the line to redo its work")
            yield offset, record
            offset += len(line)


def _drop_torn_line(path: Path) -> None:
    """Cut an unfinished last line off, so that the next record does not continue it."""
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        position = size
        tail = b""
        while position > 0 and b"\n" not in tail:
            step = min(1 << 16, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
        keep = position + tail.rfind(b"\n") + 1
        if keep < size:
            file.truncate(keep)
