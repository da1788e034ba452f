"""DeepPCB: pairs of a defect-free template and a tested board, with boxes in text files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.base import Adapter, RawSample, Rejection
from mmrad.sources.walk import folders, images, load_text, relative, safe_path, subfolder

_LISTS = {"train": "trainval.txt", "test": "test.txt"}
_LABELS = {
    1: "open circuit",
    2: "short circuit",
    3: "mouse bite",
    4: "spur",
    5: "spurious copper",
    6: "pin hole",
}


@dataclass(frozen=True, slots=True)
class DeepPcbTree(Adapter):
    """Adapter for `PCBData/GROUP/N/{ID_temp,ID_test}.jpg` with boxes in `PCBData/GROUP/N_not/ID.txt`.

    Each tested board is a sample whose given reference is its template. Each template is a normal sample
    too; the data has no second image of the same part of the board, so its given reference is the same file.
    """

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`; the root may be the folder `PCBData` or the one above."""
        base = subfolder(root, "PCBData") or root
        if not any((base / name).is_file() for name in _LISTS.values()):
            raise DataError(f"{root}: no trainval.txt or test.txt here; it should look like\n{self.layout}")
        listed: set[str] = set()
        for split, name in _LISTS.items():
            if not (base / name).is_file():
                yield Rejection(relative(base / name, root), f"missing, so there is no {split} split")
                continue
            for number, line in enumerate(load_text(base / name).splitlines(), start=1):
                where = f"{relative(base / name, root)} line {number}"
                try:
                    for item in _pair(root, base, split, line, where):
                        listed.add(item.image if isinstance(item, RawSample) else item.path)
                        yield item
                except DataError as error:
                    yield Rejection(relative(base / name, root), str(error).replace(f"{root}/", ""))
        yield from _unlisted(root, base, listed)


def _pair(root: Path, base: Path, split: str, line: str, where: str) -> Iterator[RawSample | Rejection]:
    if not line.strip():
        return
    words = line.split()
    if len(words) != 2:
        raise DataError(f"{where}: {line!r} should be an image and an annotation, separated by a space")
    image = PurePosixPath(safe_path(words[0], where))
    boxes = base / safe_path(words[1], where)
    prefix = PurePosixPath(relative(base, root))
    template, tested = (
        (prefix / image.with_name(f"{image.stem}_{end}{image.suffix}")).as_posix() for end in ("temp", "test")
    )
    yield RawSample(
        category=image.parts[0],
        split=split,
        stem=f"{image.stem}_temp",
        image=template,
        anomalous=False,
        provenance=f"{where}: the template, its own reference",
        given_references=(template,),
    )
    try:
        regions = _regions(boxes)
    except DataError as error:
        yield Rejection(tested, str(error).replace(f"{root}/", ""))
        return
    yield RawSample(
        category=image.parts[0],
        split=split,
        stem=f"{image.stem}_test",
        image=tested,
        anomalous=True,
        regions=regions,
        provenance=relative(boxes, root),
        given_references=(template,),
    )


def _regions(path: Path) -> tuple[Region, ...]:
    regions = []
    for number, line in enumerate(load_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            x1, y1, x2, y2, kind = (int(word) for word in re.split(r"[,\s]+", line.strip()))
            regions.append(Region(Box(x1, y1, x2, y2), _LABELS[kind]))
        except (ValueError, KeyError) as error:
            raise DataError(
                f"{path} line {number}: {line!r} should be x1 y1 x2 y2 and a type of 1 to 6"
            ) from error
    if not regions:
        raise DataError(f"{path}: no box in it, although the image is listed as defective")
    return tuple(regions)


def _unlisted(root: Path, base: Path, listed: set[str]) -> Iterator[Rejection]:
    for group in folders(base):
        for folder in folders(group):
            for image in images(folder, root):
                path = image.path if isinstance(image, Rejection) else relative(image, root)
                if path not in listed:
                    yield Rejection(path, "neither in trainval.txt nor in test.txt")


DEEPPCB = DeepPcbTree(
    name="deeppcb",
    title="DeepPCB",
    licence="MIT, research purpose only",
    url="https://github.com/tangsanli5201/DeepPCB",
    layout="""\
ROOT/PCBData/
  trainval.txt                                 group00041/00041/00041000.jpg group00041/00041_not/00041000.txt
  test.txt
  group00041/
    00041/00041000_temp.jpg                    defect-free template
    00041/00041000_test.jpg                    tested board
    00041_not/00041000.txt                     x1 y1 x2 y2 type""",
    expected="1500 pairs: 1000 train, 500 test",
)
