"""A user's own images of one product: good ones, defective ones with masks, or boxes in a COCO file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import MaskFile, RawSample, Rejection
from mmrad.sources.coco import read_coco
from mmrad.sources.mvtec import MvtecTree
from mmrad.sources.walk import folders, subfolder

_COCO = "annotations.json"


@dataclass(frozen=True, slots=True)
class FolderTree(MvtecTree):
    """Adapter for one product in one of three layouts; the category is the name of the root folder."""

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        category = root.resolve().name
        for item in self._read_any(root):
            yield replace(item, category=category) if isinstance(item, RawSample) else item

    def _read_any(self, root: Path) -> Iterator[RawSample | Rejection]:
        if (root / _COCO).is_file():
            yield from read_coco(root, root / _COCO)
        elif any(subfolder(root, split) for split in self.splits):
            yield from self.read_category(root, root)
        elif any(kind.name.casefold() in self.normal for kind in folders(root)):
            for kind in folders(root):
                if kind.name.casefold() not in self.truth_folders:
                    # A flat folder has no split; all of it may be asked about, so all of it is "test".
                    yield from self.read_kind(root, root, "test", kind)
        else:
            raise DataError(
                f"{root}: neither {_COCO} nor a folder test or good here; "
                f"it should look like one of\n{self.layout}"
            )

    def masks(
        self, root: Path, category: Path, kind: str, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """See `MvtecTree.masks`; with a single defect folder the masks may lie flat in `masks/`."""
        found = MvtecTree.masks(self, root, category, kind, stems)
        if found or len(self._defects(category)) != 1:
            return found
        flat = MvtecTree.masks(self, root, category, ".", stems)
        return {stem: (replace(files[0], labels=clean_label(kind)),) for stem, files in flat.items()}

    def _defects(self, category: Path) -> list[Path]:
        return [
            kind
            for kind in folders(category)
            if kind.name.casefold() not in self.normal | {*self.truth_folders}
        ]


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
PRODUCT/annotations.json                       COCO: images, annotations (bbox), categories""",
    expected="",
    normal=frozenset({"good", "ok", "normal"}),
    truth_folders=("ground_truth", "masks"),
)
