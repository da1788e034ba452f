"""MVTec AD, and every dataset that keeps its layout: split folders, defect folders, a ground_truth folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import MaskFile, RawSample, Rejection
from mmrad.sources.walk import by_stem, folders, images, relative, subfolder


@dataclass(frozen=True, slots=True)
class MvtecTree:
    """Adapter for `CATEGORY/{train,test}/{good,DEFECT}/IMAGE` with masks in `CATEGORY/ground_truth/DEFECT/`.

    Attributes:
        normal: Names of folders with normal images, in any letter case.
        splits: Split folders that are read.
        mask_names: Stems that the mask of an image may have; the first that exists is taken.
        truth_folders: Names of the folder with the masks; the first that exists is taken.
        threshold: Largest mask value that is background.
    """

    name: str
    title: str
    licence: str
    url: str
    layout: str
    expected: str
    normal: frozenset[str] = frozenset({"good"})
    splits: tuple[str, ...] = ("train", "validation", "test")
    mask_names: tuple[str, ...] = ("{stem}_mask", "{stem}")
    truth_folders: tuple[str, ...] = ("ground_truth",)
    threshold: int = 127

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        found = False
        for category in folders(root):
            if any(subfolder(category, split) for split in self.splits):
                found = True
                yield from self.read_category(root, category)
            else:
                yield Rejection(
                    relative(category, root), f"not a category: has none of the folders {self.splits}"
                )
        if not found:
            raise DataError(f"{root}: no {self.title} here; it should look like\n{self.layout}")

    def read_category(self, root: Path, category: Path) -> Iterator[RawSample | Rejection]:
        """The samples of one category folder."""
        for split in self.splits:
            split_folder = subfolder(category, split)
            for kind in folders(split_folder) if split_folder else ():
                yield from self.read_kind(root, category, split, kind)

    def read_kind(
        self, root: Path, category: Path, split: str, kind: Path
    ) -> Iterator[RawSample | Rejection]:
        """The samples of one folder of good images or of one defect."""
        listed = list(images(kind, root))
        yield from (item for item in listed if isinstance(item, Rejection))
        paths = [item for item in listed if isinstance(item, Path)]
        normal = kind.name.casefold() in self.normal
        masks = {} if normal else self.masks(root, category, kind.name, [path.stem for path in paths])
        for image in paths:
            found = masks.get(image.stem, ())
            if not normal and not found:
                wanted = " or ".join(name.format(stem=image.stem) for name in self.mask_names)
                places = " or ".join(f"{name}/{kind.name}" for name in self.truth_folders)
                reason = f"in a folder of anomalous images, but there is no mask {wanted} in {places}"
                yield Rejection(relative(image, root), reason)
                continue
            yield RawSample(
                category=category.name,
                split=split,
                stem=f"{kind.name}-{image.stem}",
                image=relative(image, root),
                anomalous=not normal,
                masks=found,
                provenance=" ".join(mask.path for mask in found) or relative(kind, root),
            )

    def truth(self, category: Path) -> Path | None:
        """The folder with the masks of a category, or None."""
        return next((found for name in self.truth_folders if (found := subfolder(category, name))), None)

    def masks(
        self, root: Path, category: Path, kind: str, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """The mask files of the images in one defect folder, by image stem; images without one are left out.

        Args:
            root: The source's root.
            category: Category folder.
            kind: Name of the defect folder.
            stems: File names of the images without suffix.
        """
        truth = self.truth(category)
        files = by_stem(truth / kind) if truth else {}
        found: dict[str, tuple[MaskFile, ...]] = {}
        for stem in stems:
            path = next(
                (files[n] for name in self.mask_names if (n := name.format(stem=stem)) in files), None
            )
            if path:
                found[stem] = (MaskFile(relative(path, root), clean_label(kind), self.threshold),)
        return found


MVTEC = MvtecTree(
    name="mvtec",
    title="MVTec AD",
    licence="CC BY-NC-SA 4.0",
    url="https://www.mvtec.com/company/research/datasets/mvtec-ad",
    layout="""\
ROOT/
  bottle/
    train/good/000.png
    test/good/000.png
    test/broken_large/000.png
    ground_truth/broken_large/000_mask.png     255 where anomalous""",
    expected="15 categories, 5354 images: 3629 train, 467 test good, 1258 anomalous",
)
