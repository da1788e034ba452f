"""A user's own images of one product, in the layouts that people and annotation tools make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from mmrad.errors import DataError
from mmrad.sources.base import MaskFile, RawSample, Rejection
from mmrad.sources.coco import read_coco
from mmrad.sources.labelme import read_labelme
from mmrad.sources.mvtec import MvtecTree
from mmrad.sources.voc import read_voc
from mmrad.sources.walk import files_below, folders, relative, subfolder
from mmrad.sources.yolo import YOLO_CLASSES, read_yolo

_COCO = ("annotations.json", "_annotations.coco.json", "annotations/instances_default.json")
"""Where COCO files lie: written by hand, by Roboflow, by CVAT."""


@dataclass(frozen=True, slots=True)
class FolderTree(MvtecTree):
    """Adapter for one product in one of six layouts; the category is the name of the root folder."""

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        category = root.resolve().name
        for item in self._read_any(root):
            yield replace(item, category=category) if isinstance(item, RawSample) else item

    def _read_any(self, root: Path) -> Iterator[RawSample | Rejection]:
        coco = next((root / name for name in _COCO if (root / name).is_file()), None)
        pictures, annotations = subfolder(root, "JPEGImages"), subfolder(root, "Annotations")
        if coco:
            yield from _read_coco(root, coco)
        elif pictures and annotations:
            yield from read_voc(root, pictures, annotations)
        elif (root / "images").is_dir() and any((root / name).is_file() for name in YOLO_CLASSES):
            yield from read_yolo(root)
        elif any(subfolder(root, split) for split in self.splits):
            yield from self.read_category(root, root, root)
        elif any(kind.name.casefold() in self.normal for kind in folders(root)):
            for kind in folders(root):
                if kind.name.casefold() not in self.truth_folders:
                    # A flat folder has no split; all of it may be asked about, so all of it is "test".
                    yield from self.read_kind(root, root, root, "test", kind)
        elif any(root.rglob("*.json")):
            yield from read_labelme(root)
        else:
            raise DataError(
                f"{root}: no images of one product here; it should look like one of\n{self.layout}"
            )

    def masks(
        self, root: Path, category: Path, kind: Path, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """See `MvtecTree.masks`; with a single defect folder the masks may lie flat in `masks/`."""
        found = MvtecTree.masks(self, root, category, kind, stems)
        truth = self.truth(category)
        if found or not truth or [kind] != self._defects(category):
            return found
        return self.masks_in(root, truth, kind.name, stems)

    def _defects(self, category: Path) -> list[Path]:
        return [
            kind
            for kind in folders(category)
            if kind.name.casefold() not in self.normal | {*self.truth_folders}
        ]


def _read_coco(root: Path, file: Path) -> Iterator[RawSample | Rejection]:
    """The images of a COCO file, named from the root or from `images/`; one without a box is good."""
    name = relative(file, root)
    listed, problems = read_coco(file, name)
    yield from (Rejection(name, problem) for problem in problems)
    base = root / "images"
    known = set()
    for image in listed:
        path = image.file_name
        if base.is_dir() and not path.startswith("images/"):
            path = f"images/{path}"
        known.add(path)
        if image.problem:
            yield Rejection(path, image.problem)
            continue
        stem = "-".join(PurePosixPath(path.removeprefix("images/")).with_suffix("").parts)
        yield RawSample("", "test", stem, path, bool(image.regions), regions=image.regions, provenance=name)
    for item in files_below(base if base.is_dir() else root, root):
        if isinstance(item, Rejection):
            yield item
        elif relative(item, root) not in known:
            yield Rejection(relative(item, root), f"not listed in {name}")


FOLDER = FolderTree(
    name="folder",
    title="a folder of your own images",
    licence="your own",
    url="",
    layout="""\
PRODUCT/good/a.jpg                             good parts
PRODUCT/scratch/b.jpg                          one folder for each kind of defect
PRODUCT/masks/scratch/b.png                    255 where defective; b_mask.png is read too
or
PRODUCT/train/good/a.jpg                       as MVTec AD, without the category
PRODUCT/test/good/c.jpg
PRODUCT/test/scratch/b.jpg
PRODUCT/ground_truth/scratch/b.png
or
PRODUCT/images/a.jpg                           images without a box in the file are good
PRODUCT/annotations.json                       COCO: images, annotations (bbox), categories
or
PRODUCT/images/train/a.jpg                     YOLO: images without a box are good
PRODUCT/labels/train/a.txt                     class, then a box or an outline
PRODUCT/data.yaml                              names of the classes; or classes.txt, one a line
or
PRODUCT/JPEGImages/a.jpg                       Pascal VOC: an XML file without an object says good
PRODUCT/Annotations/a.xml
or
PRODUCT/a.jpg                                  labelme: a file without a shape says good
PRODUCT/a.json                                 beside its image, or in labels/""",
    expected="",
    normal=frozenset({"good", "ok", "normal"}),
    truth_folders=("ground_truth", "masks"),
)
