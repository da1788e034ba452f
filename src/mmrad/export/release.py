"""A corpus as the folder tree in which MMR-AD is published; the adapter `mmr-ad` reads it back.

The published page shows the folders and names the JSON files, not what is in them. Written are objects whose
keys are paths of images below the class folder, and boxes in the form that the published texts use.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrad.corpus import Corpus
from mmrad.export.images import (
    Progress,
    each,
    image_suffix,
    refuse_filled,
    region_masks,
    write_image,
    write_mask,
)
from mmrad.files import write_text
from mmrad.sample import Sample
from mmrad.teach import chosen_texts

COMBINED = "combined"
"""Folder of images with several kinds of anomaly."""


@dataclass(slots=True)
class _Class:
    """The JSON files of one class folder."""

    boxes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    texts: dict[str, dict[str, Any]] = field(default_factory=dict)
    references: dict[str, list[str]] = field(default_factory=dict)


def export_release(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/SOURCE/CATEGORY/{train_good,test_good,test/TYPE,ground_truth/TYPE}` with three JSON files.

    Image files are linked where the disk allows and copied else; parts of images, and images that an EXIF tag
    turns, are written anew, upright. Normal images of a validation split go to `train_good`, anomalous ones
    of any split to `test`. References that are not in the corpus themselves are left out.

    Args:
        corpus: The corpus; its verified texts go along, in pixels of the view they were written for.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
    """
    refuse_filled(out)
    samples = corpus.samples
    places = {sample.id: _place(corpus, sample) for sample in samples}
    by_image = {(sample.source, sample.image): sample.id for sample in samples}
    texts = chosen_texts(corpus)
    classes: dict[str, _Class] = {}
    for sample in each(samples, progress):
        folder = f"{sample.source}/{_name(sample.category)}"
        record = classes.setdefault(folder, _Class())
        place = places[sample.id]
        write_image(corpus.resolve(sample.source, sample.image), out / folder / place)
        if sample.anomalous:
            record.boxes[place] = [
                {"bbox_2d": [int(value) for value in region.box.xyxy], "label": region.label}
                for region in sample.regions
            ]
            write_truth_mask(corpus, sample, out / folder / "ground_truth" / Path(place).relative_to("test"))
        if sample.id in texts:
            record.texts[place] = {"text": texts[sample.id].text}
        chosen = (by_image.get((sample.source, item.image)) for item in corpus.references.get(sample.id, ()))
        record.references[place] = [places[key] for key in chosen if key]
    for folder, record in classes.items():
        _write_json(out / folder / "bbox_annos.json", record.boxes)
        _write_json(out / folder / "text_annos.json", record.texts)
        _write_json(out / folder / "reference.json", record.references)
    return len(samples)


def _place(corpus: Corpus, sample: Sample) -> str:
    """Path of an image below its class folder; unique, since split and stem are within a category."""
    stem = _name(f"{sample.split}-{sample.id.rpartition('/')[2]}")
    name = f"{stem}{image_suffix(corpus.resolve(sample.source, sample.image))}"
    if not sample.anomalous:
        return f"test_good/{name}" if sample.split == "test" else f"train_good/{name}"
    labels = {region.label for region in sample.regions}
    return f"test/{_name(labels.pop()) if len(labels) == 1 else COMBINED}/{name}"


def _name(text: str) -> str:
    """A text as the name of one file or folder."""
    return text.replace("/", "-").replace("\0", "") or "_"


def write_truth_mask(corpus: Corpus, sample: Sample, target: Path) -> None:
    """An image's masks inside its boxes as one; a box without a mask is filled."""
    width, height = sample.size_wh
    marked: NDArray[np.bool_] = np.zeros((height, width), np.bool_)
    for region, mask in zip(sample.regions, region_masks(corpus, sample), strict=True):
        x1, y1, x2, y2 = region.box.rounded()
        marked[y1:y2, x1:x2] |= True if mask is None else mask
    write_mask(marked, target.with_suffix(".png"))


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
