"""Outlines from labelme files, and BSData, which comes in them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.base import Adapter, RawSample, Rejection
from mmrad.sources.polygons import enclosing
from mmrad.sources.walk import files_below, images, load_json, relative, subfolder


def labelme_regions(file: Path) -> tuple[Region, ...]:
    """The boxes around the shapes of a labelme file; a file without shapes says that its image is good.

    Raises:
        DataError: When the file is unreadable, or has a shape without an area.
    """
    content = load_json(file)
    try:
        shapes = list(enumerate(content["shapes"]))
        return tuple(Region(enclosing(_outline(shape)), clean_label(shape["label"])) for _, shape in shapes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{file}: not a labelme file with labelled shapes ({error})") from error


def _outline(shape: dict[str, object]) -> list[tuple[float, float]]:
    points = [(float(x), float(y)) for x, y in shape["points"]]  # type: ignore[attr-defined]
    kind = shape.get("shape_type", "polygon")
    if kind == "circle":  # its centre and a point on its edge
        (x, y), (edge_x, edge_y) = points
        radius = math.hypot(edge_x - x, edge_y - y)
        return [(x - radius, y - radius), (x + radius, y + radius)]
    if kind not in ("polygon", "rectangle"):
        raise ValueError(f"a {kind!r} has no area; draw a polygon, a rectangle or a circle")
    return points


def read_labelme(root: Path) -> Iterator[RawSample | Rejection]:
    """Images with a labelme file beside each, or in the same place below `labels/`.

    An image without a file has not been looked at, so it is rejected, never taken for good.
    """
    for image in files_below(root, root):
        if isinstance(image, Rejection):
            yield image
            continue
        path = Path(relative(image, root))
        inside = Path(*path.parts[1:]) if len(path.parts) > 1 else path
        places = (image.with_suffix(".json"), root / "labels" / inside.with_suffix(".json"))
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            reason = "has no labelme file; if it is good, save it in labelme without a shape"
            yield Rejection(path.as_posix(), reason)
            continue
        try:
            regions = labelme_regions(file)
        except DataError as error:
            yield Rejection(path.as_posix(), str(error).replace(f"{root}/", ""))
            continue
        stem = "-".join(path.with_suffix("").parts)
        name = relative(file, root)
        yield RawSample("", "test", stem, path.as_posix(), bool(regions), regions=regions, provenance=name)


_BSDATA_NAME = re.compile(r"\d+_(?P<time>\d{12})_(?P<position>\d+)_\d+_crop_(?P<crop>\d+)")


@dataclass(frozen=True, slots=True)
class BsDataTree(Adapter):
    """Adapter for BSData: a ball screw photographed at fixed positions while it wears.

    A photograph is anomalous where a labelme file outlines pitting. It is good when it has no such file and
    is older than the first of its position that has one; later ones without a file may show wear that nobody
    outlined, and are rejected.
    """

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        data, label = subfolder(root, "data"), subfolder(root, "label")
        if not data or not label:
            raise DataError(f"{root}: no folders data and label here; it should look like\n{self.layout}")
        photographs: list[tuple[str, str, Path]] = []
        for item in images(data, root):
            if isinstance(item, Rejection):
                yield item
            elif match := _BSDATA_NAME.fullmatch(item.stem):
                photographs.append((match["position"], match["time"], item))
            else:
                yield Rejection(relative(item, root), f"its name is not {_BSDATA_NAME.pattern}")
        files = {path.stem: path for path in label.glob("*.json")}
        worn: dict[str, str] = {}
        for position, time, image in sorted(photographs):
            if image.stem in files:
                worn.setdefault(position, time)
                yield _worn(root, position, image, files[image.stem])
            elif position in worn:
                reason = "not outlined, but newer than the first wear at its position, so perhaps worn"
                yield Rejection(relative(image, root), reason)
            else:
                yield RawSample(
                    f"position_{position}", "train", image.stem, relative(image, root), False,
                    provenance="older than the first wear of its position",
                )  # fmt: skip


def _worn(root: Path, position: str, image: Path, file: Path) -> RawSample | Rejection:
    try:
        regions = labelme_regions(file)
    except DataError as error:
        return Rejection(relative(image, root), str(error).replace(f"{root}/", ""))
    return RawSample(
        f"position_{position}", "test", image.stem, relative(image, root), bool(regions),
        regions=regions, provenance=relative(file, root),
    )  # fmt: skip


BSDATA = BsDataTree(
    name="bsdata",
    title="BSData",
    licence="CC BY-SA 4.0",
    url="https://github.com/2Obe/BSData",
    layout="""\
ROOT/
  data/01_200828110014_277500_315_crop_2.jpg   ball screw, time, position, angle
  label/01_200907182550_305000_090_crop_1.json labelme, only where there is pitting""",
    expected="",
)
