"""What a corpus is made of: the counts of the paper's Table 1, and how its boxes and categories are spread.

Everything is computed from the columns of the Parquet files, without an object for each sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmrad.corpus import Corpus

TokenCounter = Callable[[Sequence[str]], int]
"""Counts the tokens of some texts."""

TOTAL = "SUM"

_SIZE_EDGES = np.geomspace(0.001, 1, 25)
"""Most boxes are small, so the bins are equally wide on a logarithmic axis, eight to a decade."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What a dataset or a source is made of, as in Tables 1 and 3 of the paper; None where it is not known.

    Attributes:
        name: Name of the dataset or source.
        images: Number of samples.
        normal: Samples without a region.
        anomalous: Samples with at least one region.
        with_text: Samples with at least one text.
        text_tokens: Tokens of all texts together.
        categories: Number of product categories.
        anomaly_types: Number of distinct labels. A label counts once for a source, in however many of its
            categories it occurs, and once more in every other source. The paper does not say how it counts,
            but Table 1 has 37 types for MVTec AD, whose folders make 73 pairs of category and type and 48
            distinct types, and its SUM of 395 adds up the rows.
        anomalies: Number of anomalous regions.
    """

    name: str
    images: int | None = None
    normal: int | None = None
    anomalous: int | None = None
    with_text: int | None = None
    text_tokens: int | None = None
    categories: int | None = None
    anomaly_types: int | None = None
    anomalies: int | None = None

    @property
    def tokens_per_sample(self) -> float | None:
        """Mean number of text tokens of the samples that have a text."""
        return self.text_tokens / self.with_text if self.text_tokens and self.with_text else None


@dataclass(frozen=True, slots=True)
class Dataset:
    """A row of the paper's Table 3.

    Attributes:
        counts: What it is made of.
        reasoning_text: What kind of text its samples have.
        location: How the text says where an anomaly is; empty where that is not known.
        published: Whether the figures are the paper's, not counted here.
    """

    counts: Composition
    reasoning_text: str
    location: str
    published: bool = False


@dataclass(frozen=True, slots=True)
class CategoryCounts:
    """How many samples a category of a source has."""

    source: str
    category: str
    normal: int
    anomalous: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The statistics of a corpus.

    Attributes:
        sources: One row a source.
        categories: One row a category, most samples first.
        box_sizes: Shape (anomalies,): square root of the area of each box relative to the square root of the
            area of its image.
        boxes_per_image: Shape (anomalous images,): number of boxes.
    """

    sources: tuple[Composition, ...]
    categories: tuple[CategoryCounts, ...]
    box_sizes: NDArray[np.float64]
    boxes_per_image: NDArray[np.int64]

    @property
    def total(self) -> Composition:
        """The sum of the sources; None where the figure of one of them is not known."""
        names = [field.name for field in fields(Composition) if field.name != "name"]
        return Composition(
            TOTAL, **{name: _sum(getattr(row, name) for row in self.sources) for name in names}
        )

    def box_size_histogram(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Edges, shape (25,), and counts, shape (24,), of the box sizes; the first bin takes smaller ones."""
        counts, edges = np.histogram(np.clip(self.box_sizes, _SIZE_EDGES[0], _SIZE_EDGES[-1]), _SIZE_EDGES)
        return edges, counts

    def boxes_per_image_histogram(self) -> dict[int, int]:
        """How many anomalous images have each number of boxes."""
        numbers, counts = np.unique(self.boxes_per_image, return_counts=True)
        return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def count_corpus(
    corpus: Corpus, texts: Sequence[tuple[str, str]], count_tokens: TokenCounter | None
) -> Statistics:
    """Count a corpus.

    Args:
        corpus: The corpus.
        texts: Sample id and text of each text that counts; texts of samples the corpus lacks are left out.
        count_tokens: Counts the tokens of texts; None leaves them uncounted, except where there are none.

    Raises:
        DataError: When the corpus is damaged.
    """
    tables = {
        source: corpus.table.filter(pc.equal(corpus.table["source"], source))
        for source in corpus.manifest.sources
    }
    written = _by_source(texts, tables)
    parts = [_count_source(source, table, written[source], count_tokens) for source, table in tables.items()]
    categories = [row for part in parts for row in part.categories]
    return Statistics(
        sources=tuple(row for part in parts for row in part.sources),
        categories=tuple(
            sorted(categories, key=lambda row: (-row.normal - row.anomalous, row.source, row.category))
        ),
        box_sizes=np.concatenate([part.box_sizes for part in parts]),
        boxes_per_image=np.concatenate([part.boxes_per_image for part in parts]),
    )


def _count_source(
    source: str, table: pa.Table, texts: Sequence[tuple[str, str]], count_tokens: TokenCounter | None
) -> Statistics:
    regions = table["regions"].combine_chunks()
    boxes = pc.list_value_length(regions).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(regions)
    categories = _count_categories(source, table["category"], boxes > 0)
    row = Composition(
        source,
        images=len(boxes),
        normal=int((boxes == 0).sum()),
        anomalous=int((boxes > 0).sum()),
        with_text=len({sample_id for sample_id, _ in texts}),
        text_tokens=_count_tokens([text for _, text in texts], count_tokens),
        categories=len(categories),
        anomaly_types=len(pc.unique(pc.struct_field(flat, "label"))),
        anomalies=len(flat),
    )
    return Statistics((row,), tuple(categories), _box_sizes(flat, table, boxes), boxes[boxes > 0])


def _by_source(
    texts: Sequence[tuple[str, str]], tables: dict[str, pa.Table]
) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {source: [] for source in tables}
    if texts:
        source_of = {
            sample_id: name for name, table in tables.items() for sample_id in table["id"].to_pylist()
        }
        for sample_id, text in texts:
            if sample_id in source_of:
                found[source_of[sample_id]].append((sample_id, text))
    return found


def _count_tokens(texts: Sequence[str], count_tokens: TokenCounter | None) -> int | None:
    if not texts:
        return 0
    return None if count_tokens is None else count_tokens(texts)


def _count_categories(
    source: str, category: pa.ChunkedArray, anomalous: NDArray[np.bool_]
) -> list[CategoryCounts]:
    coded = category.combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    names = coded.dictionary.to_pylist()
    images, bad = (np.bincount(which, minlength=len(names)) for which in (codes, codes[anomalous]))
    return [
        CategoryCounts(source, name, int(images[i] - bad[i]), int(bad[i])) for i, name in enumerate(names)
    ]


def _box_sizes(flat: pa.Array, table: pa.Table, boxes: NDArray[np.int64]) -> NDArray[np.float64]:
    corners = pc.list_flatten(pc.struct_field(flat, "box")).to_numpy(zero_copy_only=False).reshape(-1, 4)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    width, height = (table[name].to_numpy().astype(np.float64) for name in ("width", "height"))
    return np.asarray(np.sqrt(areas / np.repeat(width * height, boxes)), np.float64)


def _sum(values: Iterable[Any]) -> int | None:
    known = list(values)
    return None if None in known else sum(known)
