"""What people did in any tool that writes COCO instances.

Format:  https://cocodataset.org/#format-data
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mmrad.errors import DataError
from mmrad.review.interchange.annotated import UNREADABLE, Annotation, base_name, problem_of
from mmrad.review.interchange.documents import parse_json
from mmrad.sources.polygons import rotated_corners


def read_coco(name: str, content: bytes) -> Iterator[Annotation]:
    """The images of a file with their boxes; who drew them, when, and who was done, COCO does not tell.

    Args:
        name: What messages call the file.
        content: The file.

    Raises:
        DataError: When it is another file, or refers to images that it does not list.
    """
    whole = parse_json(name, content)
    try:
        labels = {entry["id"]: entry["name"] for entry in whole["categories"]}
        found = {entry["id"]: _image(name, entry) for entry in whole["images"]}
        drawn = [(found[entry["image_id"]], entry) for entry in whole["annotations"]]
    except UNREADABLE as error:
        raise DataError(
            f"{name}: not a COCO file with images, annotations and categories ({error!r}); export it again"
        ) from error
    for image, entry in drawn:
        try:
            _box(image, labels[entry["category_id"]], entry)
        except UNREADABLE as error:
            image.problem = image.problem or problem_of(error)
    yield from found.values()


def _image(name: str, entry: dict[str, Any]) -> Annotation:
    """An image; tools keep its file's name, but few the `sample_id` that `mmrad export` writes."""
    return Annotation(
        f"{name}, {entry['file_name']}",
        entry.get("sample_id"),
        base_name(entry["file_name"]),
        size_wh=(int(entry["width"]), int(entry["height"])),
    )


def _box(image: Annotation, label: object, entry: dict[str, Any]) -> None:
    """Add a box; CVAT writes boxes that it has turned as upright ones beside their angle."""
    x, y, width, height = (float(value) for value in entry["bbox"])
    if degrees := float((entry.get("attributes") or {}).get("rotation") or 0):
        image.add_outline(label, rotated_corners((x, y, width, height), degrees))
    else:
        image.add_box(label, (x, y, x + width, y + height))
