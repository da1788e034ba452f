"""The tables of a corpus: their columns, and reading and writing them a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.files import atomic_path
from mmrad.sample import Region, Sample

_BATCH = 4096
"""Rows that are held in memory before they are written as one group."""

_REGION = pa.struct([("box", pa.list_(pa.float64(), 4)), ("label", pa.string()), ("mask", pa.string())])

SAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("source", pa.string()),
        ("category", pa.string()),
        ("split", pa.string()),
        ("image", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("regions", pa.list_(_REGION)),
        ("licence", pa.string()),
        ("provenance", pa.string()),
        ("given_references", pa.list_(pa.string())),
    ]
)
REFERENCES = pa.schema(
    [
        ("sample_id", pa.string()),
        ("rank", pa.int32()),
        ("image", pa.string()),
        ("method", pa.string()),
        ("distance", pa.float64()),
    ]
)
QUALITY = pa.schema(
    [
        ("id", pa.string()),
        ("sha256", pa.string()),
        ("hash", pa.string()),
        ("measures", pa.map_(pa.string(), pa.float64())),
        ("findings", pa.list_(pa.string())),
        ("duplicate_of", pa.string()),
    ]
)
"""What `mmrad build` found out about each image; `duplicate_of`, where not null, is the image it repeats."""

Row = dict[str, Any]


class TableWriter:
    """Writes rows into an open Parquet file, a batch at a time.

    Args:
        path: The file.
        schema: Its columns.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._file = pq.ParquetWriter(path, schema)
        self._rows: list[Row] = []

    def add(self, row: Row) -> None:
        """Write one row, sooner or later."""
        self._rows.append(row)
        if len(self._rows) >= _BATCH:
            self._flush()

    def close(self) -> None:
        """Write what waits, and end the file."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows.clear()


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[TableWriter]:
    """Write a Parquet file a batch at a time; it takes the place of an old one only when it is whole."""
    with atomic_path(path) as temporary:
        writer = TableWriter(temporary, schema)
        try:
            yield writer
        finally:
            writer.close()


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet file.

    Raises:
        DataError: When it is unreadable or has other columns.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path}: unreadable ({error}); build the corpus again") from error
    if not table.schema.equals(schema):
        raise DataError(
            f"{path}: columns are {table.schema.names}, not {schema.names}; build the corpus again"
        )
    return table


def region_row(region: Region) -> Row:
    """A region as JSON values; its box is `[x1, y1, x2, y2]` in original pixels."""
    return {"box": list(region.box.xyxy), "label": region.label, "mask": region.mask}


def region_of(row: Row) -> Region:
    """The region that `region_row` wrote."""
    return Region(Box(*row["box"]), row["label"], row["mask"])


def row_of(sample: Sample) -> Row:
    """A sample as a row of `SAMPLES`; coordinates are floats as there, whoever wrote them."""
    regions = [
        {**region_row(region), "box": [float(value) for value in region.box.xyxy]}
        for region in sample.regions
    ]
    width, height = sample.size_wh
    plain = {
        name: getattr(sample, name)
        for name in ("id", "source", "category", "split", "image", "licence", "provenance")
    }
    return {
        **plain, "width": width, "height": height, "regions": regions,
        "given_references": list(sample.given_references),
    }  # fmt: skip


def sample_of(row: Row) -> Sample:
    """The sample of a row of `SAMPLES`."""
    regions = tuple(region_of(region) for region in row.pop("regions"))
    size_wh = (row.pop("width"), row.pop("height"))
    given = tuple(row.pop("given_references"))
    return Sample(**row, size_wh=size_wh, regions=regions, given_references=given)
