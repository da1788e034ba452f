"""Boxes and outlines from YOLO label files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.image import image_size
from mmrad.sample import Region
from mmrad.sources.base import RawSample, Rejection
from mmrad.sources.polygons import enclosing
from mmrad.sources.walk import files_below, load_text, relative

YOLO_CLASSES = ("data.yaml", "classes.txt")
"""Files that may name the classes."""

_SPLITS = {"train": "train", "val": "validation", "valid": "validation", "test": "test"}


def read_yolo(root: Path) -> Iterator[RawSample | Rejection]:
    """The images below `images/` with their label files below `labels/`.

    As YOLO has it, an image whose label file is empty or missing shows no object, so it is good. A folder
    `train`, `val` or `test` below `images/` is the split, else all of it is `test`.

    Raises:
        DataError: When nothing names the classes.
    """
    names = class_names(root)
    for image in files_below(root / "images", root):
        if isinstance(image, Rejection):
            yield image
            continue
        path = image.relative_to(root / "images")
        file = root / "labels" / path.with_suffix(".txt")
        try:
            regions = yolo_regions(file, image_size(image), names) if file.is_file() else ()
        except DataError as error:
            yield Rejection(relative(image, root), str(error).replace(f"{root}/", ""))
            continue
        yield RawSample(
            "",
            _SPLITS.get(path.parts[0].lower(), "test"),
            "-".join(path.with_suffix("").parts),
            relative(image, root),
            bool(regions),
            regions=regions,
            provenance=relative(file, root) if regions else "no box",
        )


def class_names(root: Path) -> dict[int, str]:
    """The class of each number, from `data.yaml` (`names:`) or `classes.txt` (one a line).

    Raises:
        DataError: When neither file names them.
    """
    described, listed = (root / name for name in YOLO_CLASSES)
    if described.is_file():
        try:
            names: Any = yaml.safe_load(load_text(described))["names"]
            pairs = names.items() if isinstance(names, dict) else enumerate(names)
            return {int(number): clean_label(name) for number, name in pairs}
        except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{described}: should have a list  names  ({error!r})") from error
    if listed.is_file():
        return dict(enumerate(clean_label(line) for line in load_text(listed).splitlines() if line.strip()))
    raise DataError(f"{root}: YOLO labels, but neither data.yaml nor classes.txt names the classes")


def yolo_regions(file: Path, size_wh: tuple[int, int], names: dict[int, str]) -> tuple[Region, ...]:
    """The boxes of a label file, and the boxes around its outlines.

    A line is a class and then either the centre, width and height of a box, or the corners of an outline,
    all as shares of the image's width and height.

    Args:
        file: The label file.
        size_wh: Width and height of the image.
        names: The class of each number.

    Raises:
        DataError: When a line has another form.
    """
    regions = []
    for number, line in enumerate(load_text(file).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            kind, *values = line.split()
            regions.append(Region(enclosing(_corners([float(v) for v in values], size_wh)), names[int(kind)]))
        except (ValueError, KeyError) as error:
            wanted = f"a class of {sorted(names)} and a box or an outline"
            raise DataError(f"{file} line {number}: {line!r} should be {wanted} ({error})") from error
    return tuple(regions)


def _corners(shares: list[float], size_wh: tuple[int, int]) -> list[tuple[float, float]]:
    width, height = size_wh
    if len(shares) == 4:
        x, y, w, h = shares
        shares = [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
    elif len(shares) < 6 or len(shares) % 2:
        raise ValueError(f"{len(shares)} numbers")
    # Shares of six digits miss the pixel's edge by thousandths, which must not take in another pixel.
    return [(round(x * width, 2), round(y * height, 2)) for x, y in zip(*[iter(shares)] * 2, strict=True)]
