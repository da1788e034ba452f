"""Lines of large journals: where those of each sample lie, so that they are read again when wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from mmrad.errors import DataError
from mmrad.journal import Record, located_records

See = Callable[[int, Record], None]
"""Is told of the row of a sample and a line of it, in the order of the file."""


class Lines:
    """The lines of a journal that speak of the samples of a corpus.

    Args:
        path: The journal; it is read through once.
        rows: Row of each sample; lines of others are left out.
        see: Told of each line.

    Raises:
        DataError: When a whole line is not a JSON object; a torn last line is left out.
    """

    def __init__(self, path: Path, rows: Mapping[str, int], see: See | None = None) -> None:
        self.path = path
        found = []
        for offset, record in located_records(path):
            row = rows.get(str(record.get("sample_id")))
            if row is not None:
                found.append((row, offset))
                if see:
                    see(row, record)
        table = np.array(found, np.int64).reshape(-1, 2)
        self._rows, self._offsets = table[np.argsort(table[:, 0], kind="stable")].T

    @property
    def rows(self) -> list[int]:
        """The rows of the samples that have lines, rising."""
        return [int(row) for row in np.unique(self._rows)]

    def of(self, row: int, sample_id: str) -> list[Record]:
        """The lines of a sample, in the order they were written.

        Raises:
            DataError: When the file has been written anew since.
        """
        low, high = np.searchsorted(self._rows, (row, row + 1))
        if low == high:
            return []
        with self.path.open("rb") as file:
            found = []
            for offset in self._offsets[low:high]:
                file.seek(offset)
                found.append(self._record(file.readline(), sample_id))
        return found

    def _record(self, line: bytes, sample_id: str) -> Record:
        try:
            record: Record = json.loads(line)
            if record["sample_id"] != sample_id:
                raise ValueError(f"a line of {record['sample_id']}")
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{self.path.name}: written anew since the application was started; start it again"
            ) from error
        return record
