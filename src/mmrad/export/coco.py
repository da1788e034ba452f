"""A corpus as COCO instances, which most tools for detection read.

Format:  https://cocodataset.org/#format-data
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.export.images import (
    Progress,
    each,
    image_suffix,
    label_names,
    refuse_filled,
    region_masks,
    require,
    write_image,
    xywh,
)
from mmrad.files import write_text
from mmrad.sample import Region, Sample


@dataclass(slots=True)
class _Split:
    """What one annotation file lists."""

    images: list[dict[str, Any]] = field(default_factory=list)
    annotations: list[dict[str, Any]] = field(default_factory=list)


def export_coco(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/images/SPLIT/*` and `OUT/annotations/SPLIT.json`.

    Boxes are `[x, y, width, height]` in pixels of the image. A region with a mask has a segmentation, as
    compressed run lengths, and its area; else the area is the box's. Categories are the labels, with the same
    ids in all files. Each image also has `sample_id`, `source`, `category` (of the product) and `split`, and
    with `license` says which of the file's `licenses` it has. Normal images are listed without annotations.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
        DataError: When an image or a mask cannot be read.
        MissingExtraError: When there are masks, and pycocotools is not installed.
    """
    refuse_filled(out)
    if any(region.mask for sample in corpus.samples for region in sample.regions):
        require("pycocotools")
    stems = file_stems(corpus.samples)
    # Ids begin at 1: pycocotools takes an annotation with the id 0 for none when it matches boxes.
    categories = {label: number for number, label in enumerate(label_names(corpus), start=1)}
    licences = sorted({sample.licence for sample in corpus.samples})
    licence_ids = {licence: number for number, licence in enumerate(licences, start=1)}
    image_ids, annotation_ids = count(1), count(1)
    splits: dict[str, _Split] = {}
    for sample in each(corpus.samples, progress):
        path = corpus.resolve(sample.source, sample.image)
        name = f"{stems[sample.id]}{image_suffix(path)}"
        write_image(path, out / "images" / sample.split / name)
        split = splits.setdefault(sample.split, _Split())
        image = _image(sample, next(image_ids), name, licence_ids[sample.licence])
        split.images.append(image)
        for region, mask in zip(sample.regions, region_masks(corpus, sample), strict=True):
            split.annotations.append(
                {
                    "id": next(annotation_ids),
                    "image_id": image["id"],
                    "category_id": categories[region.label],
                    "iscrowd": 0,
                    **_place(region, mask, sample.size_wh),
                }
            )
    for split_name, split in splits.items():
        content = {
            "info": {"description": f"{split_name} split of {', '.join(corpus.manifest.sources)}"},
            "licenses": [{"id": number, "name": name} for name, number in licence_ids.items()],
            "images": split.images,
            "annotations": split.annotations,
            "categories": [{"id": number, "name": label} for label, number in categories.items()],
        }
        write_text(out / "annotations" / f"{split_name}.json", json.dumps(content, ensure_ascii=False) + "\n")
    return len(corpus.samples)


def _image(sample: Sample, number: int, file_name: str, licence: int) -> dict[str, Any]:
    width, height = sample.size_wh
    return {
        "id": number,
        "file_name": file_name,
        "width": width,
        "height": height,
        "license": licence,
        "sample_id": sample.id,
        "source": sample.source,
        "category": sample.category,
        "split": sample.split,
    }


def _place(region: Region, mask: NDArray[np.bool_] | None, size_wh: tuple[int, int]) -> dict[str, Any]:
    """Box, area and segmentation of a region."""
    box = region.box
    place: dict[str, Any] = {"bbox": xywh(box), "area": box.area}
    if mask is not None:
        x1, y1, x2, y2 = box.rounded()
        whole: NDArray[np.uint8] = np.zeros((size_wh[1], size_wh[0]), np.uint8, order="F")
        whole[y1:y2, x1:x2] = mask
        place["segmentation"] = _run_lengths(whole)
        place["area"] = int(mask.sum())
    return place


def _run_lengths(mask: NDArray[np.uint8]) -> dict[str, Any]:
    """A mask of 0 and 1 as COCO's compressed run lengths."""
    from pycocotools.mask import encode

    runs = encode(mask)
    return {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")}
