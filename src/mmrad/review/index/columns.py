"""Columns of a corpus: names that samples have, as numbers, and what is known of their regions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmrad.errors import UsageError

Mask = NDArray[np.bool_]
Rows = NDArray[np.int64]

_SHOWN = 20
"""Names that an error lists."""


class Tags:
    """Which samples have which names: one each, as a category, or any number, as labels.

    Args:
        what: What the names are, for errors.
        names: The names.
        rows: Samples.
        codes: Which name each of them has, as its place in `names`; pairs may repeat.
        count: How many samples there are.

    Attributes:
        what: What the names are.
        names: The names.
        rows: Samples, rising; one several times when it has several names.
        codes: Which name each of them has, as its place in `names`.
    """

    def __init__(self, what: str, names: Sequence[str], rows: Rows, codes: Rows, count: int) -> None:
        self.what = what
        self.names = list(names)
        pairs = rows * max(len(self.names), 1) + codes
        if (np.diff(pairs) <= 0).any():
            pairs = np.unique(pairs)
        self.rows, self.codes = np.divmod(pairs, max(len(self.names), 1))
        self._count = count

    def having(self, wanted: Collection[str]) -> Mask:
        """Which samples have one of the names, shape `(count,)`.

        Raises:
            UsageError: When a name is not known.
        """
        unknown = sorted(set(wanted) - set(self.names))
        if unknown:
            more = ", …" if len(self.names) > _SHOWN else ""
            known = ", ".join(sorted(self.names)[:_SHOWN]) + more
            raise UsageError(f"no {self.what} {', '.join(unknown)}; there are: {known or 'none'}")
        chosen = np.isin(np.arange(len(self.names)), [self.names.index(name) for name in wanted])
        mask = np.zeros(self._count, bool)
        mask[self.rows[chosen[self.codes]]] = True
        return mask

    def counts(self, among: Mask) -> dict[str, int]:
        """How many of some samples have each name, the most frequent first, without those that none has.

        Args:
            among: Which samples, shape `(count,)`.
        """
        return ranked(self.names, np.bincount(self.codes[among[self.rows]], minlength=len(self.names)))

    def of(self, row: int) -> tuple[str, ...]:
        """The names of a sample, in the order of `names`."""
        low, high = np.searchsorted(self.rows, (row, row + 1))
        return tuple(self.names[code] for code in self.codes[low:high])


def ranked(names: Sequence[str], counts: NDArray[np.integer]) -> dict[str, int]:
    """Names with their counts, the most frequent first, without those that do not occur."""
    pairs = [(name, int(n)) for name, n in zip(names, counts, strict=True) if n]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def coded(column: pa.ChunkedArray) -> tuple[list[str], Rows]:
    """The names of a column of texts, and for each row the place of its own among them."""
    found = pa.chunked_array([column.combine_chunks()], column.type).dictionary_encode().chunk(0)
    return found.dictionary.to_pylist(), found.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def one_each(what: str, column: pa.ChunkedArray) -> Tags:
    """The tags of a column with one text for each sample."""
    names, codes = coded(column)
    return Tags(what, names, np.arange(len(codes)), codes, len(codes))


def listed(what: str, found: Iterable[tuple[int, str]], count: int, known: Sequence[str] = ()) -> Tags:
    """Tags of pairs of sample and name; names of `known` may be asked for though no sample has them."""
    places = {name: place for place, name in enumerate(known)}
    pairs = [(row, places.setdefault(name, len(places))) for row, name in found]
    rows, codes = np.array(pairs, np.int64).reshape(-1, 2).T
    return Tags(what, list(places), rows, codes, count)


@dataclass(frozen=True, slots=True)
class Regions:
    """The regions of all samples.

    Attributes:
        rows: The sample of each, rising, shape `(regions,)`.
        boxes: x1, y1, x2, y2 in pixels of its image, shape `(regions, 4)`.
        names: All labels.
        codes: The label of each, as its place in `names`, shape `(regions,)`.
    """

    rows: Rows
    boxes: NDArray[np.float64]
    names: list[str]
    codes: Rows

    @classmethod
    def of_column(cls, column: pa.ChunkedArray) -> Regions:
        """The regions in the column `regions` of `mmrad.corpus.tables.SAMPLES`."""
        lists = column.combine_chunks()
        numbers = pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)
        flat = pc.list_flatten(lists)
        names, codes = coded(pa.chunked_array([pc.struct_field(flat, "label")]))
        corners = pc.list_flatten(pc.struct_field(flat, "box")).to_numpy(zero_copy_only=False)
        return cls(np.repeat(np.arange(len(lists)), numbers), corners.reshape(-1, 4), names, codes)

    @property
    def sides(self) -> NDArray[np.float64]:
        """Width and height of each, shape `(regions, 2)`."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    def smallest_sides(self, count: int) -> NDArray[np.float64]:
        """The shortest side of the region with the smallest area of each of `count` samples.

        Returns:
            Shape `(count,)`; infinity for samples without regions.
        """
        order = np.lexsort((self.sides.prod(axis=1), self.rows))
        rows, first = np.unique(self.rows[order], return_index=True)
        found = np.full(count, np.inf)
        found[rows] = self.sides[order][first].min(axis=1)
        return found
