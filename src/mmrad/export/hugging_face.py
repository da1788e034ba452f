"""A corpus as a dataset for the Hugging Face Hub: Parquet files with the images in them, and a card.

    from datasets import load_dataset
    data = load_dataset("OUT")

Formats:  https://huggingface.co/docs/datasets/image_dataset, https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.curate.licences import terms
from mmrad.export.croissant import write_croissant
from mmrad.export.images import (
    Progress,
    each,
    image_bytes,
    image_suffix,
    refuse_filled,
    require,
    xywh,
)
from mmrad.files import atomic_path, write_text
from mmrad.sample import Reasoning, Sample
from mmrad.teach import chosen_texts

if TYPE_CHECKING:
    from datasets import Features

_GROUP_BYTES = 32_000_000
"""Bytes of images in a row group, which is what is held in memory."""

_GROUPS_PER_FILE = 16

_SPLITS = ("train", "validation", "test")

_LICENCES = frozenset(
    ["cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-sa-4.0", "mit", "apache-2.0", "gpl-3.0", "unknown"]
)
"""Names of licences that the Hub knows: https://huggingface.co/docs/hub/repositories-licenses."""

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
"""Numbers of images below which the Hub has a name for the size."""


@dataclass(frozen=True, slots=True)
class _Split:
    """What was written of a split: rows, and their bytes in memory."""

    images: int
    size: int


def export_hugging_face(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/data/SPLIT-*.parquet`, the card `OUT/README.md` and `OUT/croissant.json`.

    Each row has an image and the best of its references, as they are in their files (parts of images and
    images that an EXIF tag turns as upright PNG); boxes `[x, y, width, height]` in pixels of the image; and
    the verified text, whose coordinates are pixels of a view of `view_width` x `view_height`. The other
    references are left out: each would add as much as all images together.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
        DataError: When an image cannot be read.
        MissingExtraError: When datasets or mlcroissant is not installed.
    """
    refuse_filled(out)
    require("datasets", "mlcroissant")
    features = _features()
    texts = chosen_texts(corpus)
    order = sorted(corpus.samples, key=lambda sample: _SPLITS.index(sample.split))
    rows = _rows(corpus, each(order, progress), texts)
    splits = {
        split: _write_split(out / "data" / split, of_split, features.arrow_schema)
        for split, of_split in groupby(rows, key=itemgetter("split"))
    }
    summary = _summary(corpus, len(texts))
    write_text(out / "README.md", f"{_card_data(corpus, features, splits)}\n{_description(corpus, summary)}")
    write_croissant(out, summary, _licences(corpus))
    return len(order)


def _features() -> Features:
    from datasets import ClassLabel, Features, Image, List, Value

    text = Value("string")
    return Features(
        {
            "id": text,
            "query": Image(),
            "reference": Image(),
            "objects": {"bbox": List(List(Value("float64"), length=4)), "categories": List(text)},
            "label": ClassLabel(names=["normal", "anomalous"]),
            "category": text,
            "source": text,
            "licence": text,
            "split": text,
            "text": text,
            "view_width": Value("int32"),
            "view_height": Value("int32"),
        }
    )


def _rows(
    corpus: Corpus, samples: Iterable[Sample], texts: Mapping[str, Reasoning]
) -> Iterator[dict[str, Any]]:
    stems = file_stems(corpus.samples)
    for sample in samples:
        stem = stems[sample.id]
        references = corpus.references.get(sample.id, ())
        yield {
            "id": sample.id,
            "query": _image(corpus.resolve(sample.source, sample.image), stem),
            "reference": _image(corpus.resolve(sample.source, references[0].image), f"{stem}-reference")
            if references
            else None,
            "objects": {
                "bbox": [xywh(region.box) for region in sample.regions],
                "categories": [region.label for region in sample.regions],
            },
            "label": int(sample.anomalous),
            "category": sample.category,
            "source": sample.source,
            "licence": sample.licence,
            "split": sample.split,
            **_text(texts.get(sample.id)),
        }


def _image(path: Path, stem: str) -> dict[str, Any]:
    return {"bytes": image_bytes(path), "path": f"{stem}{image_suffix(path)}"}


def _text(reasoning: Reasoning | None) -> dict[str, Any]:
    if reasoning is None:
        return {"text": None, "view_width": None, "view_height": None}
    width, height = reasoning.view_wh
    # Models write lone surrogates, which Parquet cannot hold.
    text = reasoning.text.encode("utf-8", "backslashreplace").decode()
    return {"text": text, "view_width": width, "view_height": height}


def _write_split(stem: Path, rows: Iterator[dict[str, Any]], schema: pa.Schema) -> _Split:
    """Write the files `STEM-NUMBER.parquet` of a split, some row groups in each."""
    groups = _groups(rows, schema)
    images = size = 0
    for number in count():
        first = next(groups, None)
        if first is None:
            break
        path = stem.with_name(f"{stem.name}-{number:05}.parquet")
        with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for group in chain([first], islice(groups, _GROUPS_PER_FILE - 1)):
                writer.write_table(group)
                images += group.num_rows
                size += group.nbytes
    return _Split(images, size)


def _groups(rows: Iterator[dict[str, Any]], schema: pa.Schema) -> Iterator[pa.Table]:
    held: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += sum(len(row[name]["bytes"]) for name in ("query", "reference") if row[name])
        if size >= _GROUP_BYTES:
            yield pa.Table.from_pylist(held, schema)
            held, size = [], 0
    if held:
        yield pa.Table.from_pylist(held, schema)


def _licences(corpus: Corpus) -> list[str]:
    return sorted({sample.licence for sample in corpus.samples})


def _summary(corpus: Corpus, texts: int) -> str:
    products = {(sample.source, sample.category) for sample in corpus.samples}
    anomalous = [sample for sample in corpus.samples if sample.anomalous]
    regions = sum(len(sample.regions) for sample in anomalous)
    return (
        f"{len(corpus.samples)} images of {len(products)} products. {len(anomalous)} of them are anomalous, "
        f"with {regions} marked regions. {texts} have a verified reasoning text."
    )


def _card_data(corpus: Corpus, features: Features, splits: Mapping[str, _Split]) -> str:
    """The part of the card that the Hub and `load_dataset` read, in YAML."""
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCardData

    data = DatasetCardData(
        license=sorted({_hub_licence(name) for name in _licences(corpus)}),
        task_categories=["object-detection", "image-text-to-text"],
        size_categories=[next(name for limit, name in _SIZES if len(corpus.samples) < limit)],
        tags=["anomaly-detection"],
    )
    counts = {name: SplitInfo(name, split.size, split.images) for name, split in splits.items()}
    info = DatasetInfo(features=features, splits=SplitDict(counts))
    DatasetInfosDict(default=info).to_dataset_card_data(data)
    files = [{"split": name, "path": f"data/{name}-*.parquet"} for name in splits]
    MetadataConfigs(default={"data_files": files}).to_dataset_card_data(data)
    return f"---\n{data.to_yaml()}\n---\n"


def _hub_licence(name: str) -> str:
    written = name.lower().replace(" ", "-")
    return written if written in _LICENCES else "other"


def _description(corpus: Corpus, summary: str) -> str:
    """The part of the card for people."""
    found = Counter((s.source, s.split, s.licence, s.anomalous) for s in corpus.samples)
    rows = sorted({key[:3] for key in found}, key=lambda row: (row[0], _SPLITS.index(row[1])))
    lines = [
        "# Industrial anomaly detection with references",
        "",
        f"{summary} Written by mmrad.",
        "",
        "| source | split | normal | anomalous | licence |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {source} | {split} | {found[source, split, licence, False]} "
            f"| {found[source, split, licence, True]} | {licence} |"
            for source, split, licence in rows
        ),
        "",
        "What the licences ask of whoever passes the data on:",
        "",
        *(f"- {name}: {'; '.join(terms(name).duties) or 'nothing'}" for name in _licences(corpus)),
        "",
        "- `query` is the image to judge, `reference` a normal image of the same product, if one was chosen.",
        "- `objects` are the anomalous regions; `bbox` is `[x, y, width, height]` in pixels of `query`.",
        "- `text` is a verified reasoning with its answer, in pixels of `query` resized to `view_width` x",
        "  `view_height`.",
    ]
    return "\n".join(lines) + "\n"
