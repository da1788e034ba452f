"""A corpus as a FiftyOne dataset on disk, of the type `fiftyone.types.FiftyOneDataset`.

    import fiftyone as fo
    dataset = fo.Dataset.from_dir("OUT", dataset_type=fo.types.FiftyOneDataset)

Format:  https://docs.voxel51.com/user_guide/import_datasets.html#fiftyonedataset  shows the files; what is in
them is as FiftyOne itself exports it. The simpler `FiftyOneImageDetectionDataset` has no place for the
category, source, licence and split of an image, nor for masks.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.export.images import (
    Progress,
    each,
    image_suffix,
    label_names,
    refuse_filled,
    region_masks,
    relative_xywh,
    write_image,
    write_mask,
)
from mmrad.files import write_text
from mmrad.sample import Sample

_VERSION = "1.0.0"
"""Oldest FiftyOne whose datasets look like this; newer ones migrate it, older ones refuse it."""

_MASKS = "fields/ground_truth.detections"
"""Where FiftyOne looks for files that detections name; paths there are relative to the dataset."""


def export_fiftyone(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/data/*`, `OUT/fields/ground_truth.detections/*`, `OUT/metadata.json` and `OUT/samples.json`.

    The field `ground_truth` has the regions as detections: boxes `[x, y, width, height]` as shares of the
    image's width and height, and masks of the box where there are any. The split is a tag; `sample_id`,
    `source`, `category` (of the product) and `licence` are fields of text.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
        DataError: When an image or a mask cannot be read.
    """
    refuse_filled(out)
    stems = file_stems(corpus.samples)
    (out / _MASKS).mkdir(parents=True)
    rows = []
    for sample in each(corpus.samples, progress):
        path = corpus.resolve(sample.source, sample.image)
        name = f"{stems[sample.id]}{image_suffix(path)}"
        write_image(path, out / "data" / name)
        rows.append(_row(sample, f"data/{name}", _detections(corpus, sample, stems[sample.id], out)))
    _write_json(out / "samples.json", {"samples": rows})
    _write_json(out / "metadata.json", _metadata(corpus))
    return len(corpus.samples)


def _row(sample: Sample, filepath: str, detections: list[dict[str, Any]]) -> dict[str, Any]:
    width, height = sample.size_wh
    return {
        "filepath": filepath,
        "tags": [sample.split],
        "metadata": {"_cls": "ImageMetadata", "width": width, "height": height},
        "_media_type": "image",
        # FiftyOne shuffles by this number, which is to be the same wherever the sample is.
        "_rand": int(_digest(sample.id)[:12], 16) / 16**12,
        "sample_id": sample.id,
        "source": sample.source,
        "category": sample.category,
        "licence": sample.licence,
        "ground_truth": {"_cls": "Detections", "detections": detections},
    }


def _detections(corpus: Corpus, sample: Sample, stem: str, out: Path) -> list[dict[str, Any]]:
    found = []
    for number, (region, mask) in enumerate(zip(sample.regions, region_masks(corpus, sample), strict=True)):
        detection = {
            "_id": {"$oid": _digest(f"{sample.id}#{number}")[:24]},
            "_cls": "Detection",
            "attributes": {},
            "tags": [],
            "label": region.label,
            "bounding_box": relative_xywh(region.box, sample.size_wh),
        }
        if mask is not None:
            place = f"{_MASKS}/{stem}-{number}.png"
            write_mask(mask, out / place)
            detection["mask_path"] = place
        found.append(detection)
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _metadata(corpus: Corpus) -> dict[str, Any]:
    """The dataset without its samples: FiftyOne reads the fields of samples from here, not from them."""
    detection = [
        _field("id", "ObjectIdField", stored="_id"),
        _field("tags", "ListField", inner="StringField"),
        _field("label", "StringField"),
        _field("bounding_box", "ListField", inner="FloatField"),
        _field("mask_path", "StringField"),
    ]
    detections = _field(
        "detections", "ListField", "labels.Detection", detection, inner="EmbeddedDocumentField"
    )
    size = [_field("width", "IntField"), _field("height", "IntField")]
    texts = ("sample_id", "source", "category", "licence")
    return {
        "name": "mmrad",
        "version": _VERSION,
        "media_type": "image",
        "info": {},
        "default_classes": label_names(corpus),
        "sample_fields": [
            _field("id", "ObjectIdField", stored="_id"),
            _field("filepath", "StringField"),
            _field("tags", "ListField", inner="StringField"),
            _field("metadata", "EmbeddedDocumentField", "metadata.ImageMetadata", size),
            _field("_media_type", "StringField"),
            _field("_rand", "FloatField"),
            _field("_dataset_id", "ObjectIdField"),
            _field("created_at", "DateTimeField", read_only=True),
            _field("last_modified_at", "DateTimeField", read_only=True),
            *(_field(name, "StringField") for name in texts),
            _field("ground_truth", "EmbeddedDocumentField", "labels.Detections", [detections]),
        ],
    }


def _field(
    name: str,
    kind: str,
    document: str | None = None,
    fields: list[dict[str, Any]] | None = None,
    *,
    inner: str | None = None,
    stored: str | None = None,
    read_only: bool = False,
) -> dict[str, Any]:
    """The description of a field: its type, the class and fields of its documents, the type of its items."""
    return {
        "name": name,
        "ftype": f"fiftyone.core.fields.{kind}",
        "embedded_doc_type": f"fiftyone.core.{document}" if document else None,
        "subfield": f"fiftyone.core.fields.{inner}" if inner else None,
        "fields": fields or [],
        "db_field": stored or name,
        "description": None,
        "info": None,
        "read_only": read_only,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, ensure_ascii=False) + "\n")
