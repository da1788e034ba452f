"""Boxes from COCO annotation files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.polygons import enclosing, rotated_corners
from mmrad.sources.walk import load_json, safe_path


@dataclass(frozen=True, slots=True)
class CocoImage:
    """One image of a COCO file.

    Attributes:
        file_name: Its path as the file has it, relative, with `/`.
        regions: Its boxes.
        problem: Why one of its annotations cannot be used, or "". Without that box its truth would be wrong.
    """

    file_name: str
    regions: tuple[Region, ...]
    problem: str = ""


def read_coco(file: Path, name: str) -> tuple[list[CocoImage], list[str]]:
    """The images of a COCO file with their boxes, and what else is wrong with the file.

    A box with `attributes.rotation` (as CVAT exports rotated boxes) becomes the upright box around it.

    Args:
        file: The COCO file.
        name: What messages call it.

    Raises:
        DataError: When the file is unreadable or has no lists `images`, `annotations` and `categories`.
    """
    content = load_json(file)
    try:
        labels = {entry["id"]: clean_label(entry["name"]) for entry in content["categories"]}
        entries = {entry["id"]: entry for entry in content["images"]}
        names = {image_id: entry["file_name"] for image_id, entry in entries.items()}
        annotations = list(enumerate(content["annotations"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{file}: not a COCO file with images, annotations and categories ({error!r})"
        ) from error
    regions: dict[Any, list[Region]] = {}
    problems: dict[Any, str] = {}
    others: list[str] = []
    for index, annotation in annotations:
        where = f"{name} annotations[{index}]"
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not isinstance(image_id, (int, str)) or image_id not in entries:
            others.append(f"{where}: the image {image_id!r} is not in images")
            continue
        try:
            regions.setdefault(image_id, []).append(_region(annotation, entries[image_id], labels, where))
        except DataError as error:
            problems.setdefault(image_id, str(error))
    found: list[CocoImage] = []
    for image_id, file_name in names.items():
        try:
            path = safe_path(file_name, f"{name} image {image_id!r}")
        except DataError as error:
            others.append(str(error))
            continue
        found.append(CocoImage(path, tuple(regions.get(image_id, ())), problems.get(image_id, "")))
    return found, others


def _region(annotation: dict[str, Any], image: dict[str, Any], labels: dict[Any, str], where: str) -> Region:
    try:
        x, y, width, height = (float(value) for value in annotation["bbox"])
        label = labels[annotation["category_id"]]
        rotation = float((annotation.get("attributes") or {}).get("rotation") or 0)
        if not rotation:
            return Region(enclosing([(x, y), (x + width, y + height)]), label)
        # Only a turned box may reach over the edge; any other that does is an error and is shown as one.
        box = enclosing(rotated_corners((x, y, width, height), rotation))
        inside = box.clipped((int(image["width"]), int(image["height"])))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise DataError(
            f"{where}: no usable bbox [x, y, width, height] or category_id ({error!r})"
        ) from error
    if inside is None:
        raise DataError(f"{where}: the box lies outside the image")
    return Region(inside, label)
