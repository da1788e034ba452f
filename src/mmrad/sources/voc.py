"""Boxes from Pascal VOC files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.base import RawSample, Rejection
from mmrad.sources.polygons import enclosing
from mmrad.sources.walk import by_stem, images, relative


def read_voc(root: Path, pictures: Path, annotations: Path) -> Iterator[RawSample | Rejection]:
    """Images with a Pascal VOC file each; a file without an object says that its image is good.

    Args:
        root: The source's root.
        pictures: Folder of the images.
        annotations: Folder of the XML files.
    """
    files = {path.stem: path for path in annotations.glob("*.[xX][mM][lL]")}
    for image in images(pictures, root):
        if isinstance(image, Rejection):
            yield image
        elif image.stem not in files:
            yield Rejection(
                relative(image, root), f"there is no {relative(annotations, root)}/{image.stem}.xml"
            )
        else:
            yield _sample(root, image, files[image.stem])
    known = by_stem(pictures)
    for stem in sorted(files.keys() - known.keys()):
        yield Rejection(relative(files[stem], root), "there is no image of this name")


def _sample(root: Path, image: Path, file: Path) -> RawSample | Rejection:
    name = relative(file, root)
    try:
        regions = voc_regions(file)
    except DataError as error:
        return Rejection(relative(image, root), str(error).replace(f"{root}/", ""))
    path = relative(image, root)
    return RawSample("", "test", image.stem, path, bool(regions), regions=regions, provenance=name)


def voc_regions(file: Path) -> tuple[Region, ...]:
    """The boxes of a Pascal VOC file.

    The format counts pixels from 1 and includes the last one (development kit of VOC 2007, section 8), so
    that xmin = 1, xmax = 10 is the box from 0 up to, not including, 10.

    Raises:
        DataError: When the file is unreadable, or an object has no name or usable box.
    """
    try:
        objects = ElementTree.parse(file).getroot().findall("object")
        return tuple(_region(item) for item in objects)
    except (OSError, ElementTree.ParseError, TypeError, ValueError) as error:
        raise DataError(f"{file}: not a Pascal VOC file with named boxes ({error})") from error


def _region(item: ElementTree.Element) -> Region:
    name = item.findtext("name")
    values = {side: item.findtext(f"bndbox/{side}") for side in ("xmin", "ymin", "xmax", "ymax")}
    if not name or None in values.values():
        raise ValueError(f"an object without a name or a bndbox: {name!r} {values}")
    x1, y1, x2, y2 = (float(value or "") for value in values.values())
    return Region(enclosing([(x1 - 1, y1 - 1), (x2, y2)]), clean_label(name))
