"""A corpus as the folder tree in which MMR-AD is published; the adapter `mmr-ad` reads it back.

The published page shows the folders and names the JSON files, not what is in them. Written are objects whose
keys are paths of images below the class folder, and boxes in the form that the published texts use.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.files import atomic_path, write_text
from mmrad.image import encode_png, file_of, is_upright, read_image, read_mask
from mmrad.sample import Sample
from mmrad.teach import chosen_texts

COMBINED = "combined"
"""Folder of images with several kinds of anomaly."""

Progress = Callable[[int, int], None]


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
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out}: is not empty; name a new folder")
    samples = corpus.samples
    places = {sample.id: _place(corpus, sample) for sample in samples}
    by_image = {(sample.source, sample.image): sample.id for sample in samples}
    texts = chosen_texts(corpus)
    classes: dict[str, _Class] = {}
    for done, sample in enumerate(samples, start=1):
        folder = f"{sample.source}/{_name(sample.category)}"
        record = classes.setdefault(folder, _Class())
        place = places[sample.id]
        _write_image(corpus.resolve(sample.source, sample.image), out / folder / place)
        if sample.anomalous:
            record.boxes[place] = [
                {"bbox_2d": [int(value) for value in region.box.xyxy], "label": region.label}
                for region in sample.regions
            ]
            _write_mask(corpus, sample, out / folder / "ground_truth" / Path(place).relative_to("test"))
        if sample.id in texts:
            record.texts[place] = {"text": texts[sample.id].text}
        chosen = (by_image.get((sample.source, item.image)) for item in corpus.references.get(sample.id, ()))
        record.references[place] = [places[key] for key in chosen if key]
        if progress:
            progress(done, len(samples))
    for folder, record in classes.items():
        _write_json(out / folder / "bbox_annos.json", record.boxes)
        _write_json(out / folder / "text_annos.json", record.texts)
        _write_json(out / folder / "reference.json", record.references)
    return len(samples)


def _place(corpus: Corpus, sample: Sample) -> str:
    """Path of an image below its class folder; unique, since split and stem are within a category."""
    path = corpus.resolve(sample.source, sample.image)
    stem = _name(f"{sample.split}-{sample.id.rpartition('/')[2]}")
    name = f"{stem}.png" if _rewritten(path) else f"{stem}{path.suffix}"
    if not sample.anomalous:
        return f"test_good/{name}" if sample.split == "test" else f"train_good/{name}"
    labels = {region.label for region in sample.regions}
    return f"test/{_name(labels.pop()) if len(labels) == 1 else COMBINED}/{name}"


def _rewritten(path: Path) -> bool:
    """Whether the file is not the image as it is to be seen, which readers of the tree may not expect."""
    return file_of(path) != path or not is_upright(path)


def _name(text: str) -> str:
    """A text as the name of one file or folder."""
    return text.replace("/", "-").replace("\0", "") or "_"


def _write_image(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if _rewritten(path):
        with atomic_path(target) as temporary:
            temporary.write_bytes(encode_png(read_image(path)))
        return
    try:
        os.link(path.resolve(), target)
    except OSError:
        shutil.copyfile(path, target)


def _write_mask(corpus: Corpus, sample: Sample, target: Path) -> None:
    """An image's masks inside its boxes as one, 255 where anomalous; a box without a mask is filled."""
    width, height = sample.size_wh
    marked: NDArray[np.uint8] = np.zeros((height, width), np.uint8)
    for region in sample.regions:
        x1, y1, x2, y2 = region.box.rounded()
        if region.mask is None:
            cv2.rectangle(marked, (x1, y1), (x2 - 1, y2 - 1), 255, cv2.FILLED)
        else:
            mask = read_mask(corpus.resolve(sample.source, region.mask))
            marked[y1:y2, x1:x2][mask[y1:y2, x1:x2] > 0] = 255
    with atomic_path(target.with_suffix(".png")) as temporary:
        Image.fromarray(marked).save(temporary, format="PNG")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
