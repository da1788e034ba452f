"""Boxes from a COCO annotation file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mmrad.box import Box
from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.base import RawSample, Rejection
from mmrad.sources.walk import images, load_json, relative, safe_path


def read_coco(root: Path, file: Path) -> Iterator[RawSample | Rejection]:
    """The images of `root/images` with the boxes of a COCO file; an image without a box is normal.

    An image with one unusable annotation is rejected, since without that box its truth would be wrong.

    Args:
        root: Folder that holds `images/`.
        file: The COCO file.

    Raises:
        DataError: When the file is unreadable or has no lists `images`, `annotations` and `categories`.
    """
    content = load_json(file)
    try:
        labels = {entry["id"]: clean_label(entry["name"]) for entry in content["categories"]}
        entries = {entry["id"]: entry["file_name"] for entry in content["images"]}
        annotations = list(enumerate(content["annotations"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a COCO file with images, annotations and categories ({error!r})"
        ) from error
    name = relative(file, root)
    boxes: dict[Any, list[Region]] = {}
    broken: dict[Any, str] = {}
    for index, annotation in annotations:
        where = f"{name} annotations[{index}]"
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not isinstance(image_id, (int, str)) or image_id not in entries:
            yield Rejection(name, f"{where}: the image {image_id!r} is not in images")
            continue
        try:
            boxes.setdefault(image_id, []).append(_region(annotation, labels, where))
        except DataError as error:
            broken.setdefault(image_id, str(error))
    yield from _samples(root, name, entries, boxes, broken)


def _samples(
    root: Path, name: str, entries: dict[Any, Any], boxes: dict[Any, list[Region]], broken: dict[Any, str]
) -> Iterator[RawSample | Rejection]:
    listed = set()
    for image_id, file_name in entries.items():
        try:
            image = f"images/{safe_path(file_name, f'{name} image {image_id!r}').removeprefix('images/')}"
        except DataError as error:
            yield Rejection(name, str(error))
            continue
        listed.add(image)
        if image_id in broken:
            yield Rejection(image, broken[image_id])
            continue
        regions = tuple(boxes.get(image_id, ()))
        stem = "-".join(PurePosixPath(image).with_suffix("").parts[1:])
        yield RawSample("", "test", stem, image, bool(regions), regions=regions, provenance=name)
    for path in images(root / "images", root):
        if isinstance(path, Rejection):
            yield path
        elif relative(path, root) not in listed:
            yield Rejection(relative(path, root), f"not listed in {name}")


def _region(annotation: dict[str, Any], labels: dict[Any, str], where: str) -> Region:
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        box = Box(math.floor(x), math.floor(y), math.ceil(x + width), math.ceil(y + height))
        return Region(box, labels[annotation["category_id"]])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: no usable bbox [x, y, width, height] or category_id ({error!r})"
        ) from error
