"""MVTec AD, and every dataset that keeps its layout: split folders, defect folders, a ground_truth folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.walk import by_stem, dataset_folder, descend, folders, images, relative

_DEPTH = 3
"""Levels of folders that may lie between the root and a category."""

_PLAIN_SPLITS = {"train": "train", "validation": "validation", "test": "test"}


@dataclass(frozen=True, slots=True)
class MvtecTree(Adapter):
    """Adapter for `CATEGORY/{train,test}/{good,DEFECT}/IMAGE` with masks in `CATEGORY/ground_truth/DEFECT/`.

    Attributes:
        normal: Names of folders with normal images, in any letter case.
        splits: Split of each split folder.
        mask_names: Stems that the mask of an image may have; the first that exists is taken.
        truth_folders: Places of the masks below the category; the first that exists is taken.
        threshold: Largest mask value that is background.
        unpacks_to: Folders of the root that may hold all of it.
        grouped: Whether categories may lie in folders of groups; `agriculture/maize` is then the category
            `agriculture_maize`.
    """

    normal: frozenset[str] = frozenset({"good"})
    splits: Mapping[str, str] = field(default_factory=lambda: _PLAIN_SPLITS)
    mask_names: tuple[str, ...] = ("{stem}_mask", "{stem}")
    truth_folders: tuple[str, ...] = ("ground_truth",)
    threshold: int = 127
    unpacks_to: tuple[str, ...] = ()
    grouped: bool = False

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        found = False
        base = dataset_folder(root, self.unpacks_to)
        for category in self._categories(base, _DEPTH if self.grouped else 1):
            if isinstance(category, Path):
                found = True
                yield from self.read_category(root, base, category)
            else:
                reason = f"not a category: has none of the folders {', '.join(self.splits)}"
                yield Rejection(f"{relative(base, root)}/{category.path}".removeprefix("./"), reason)
        if not found:
            raise DataError(f"{root}: no {self.title} here; it should look like\n{self.layout}")

    def _categories(self, base: Path, depth: int, prefix: str = "") -> Iterator[Path | Rejection]:
        """The category folders in a folder, and its folders that are none and hold none."""
        for folder in folders(base):
            path = f"{prefix}{folder.name}"
            if any(descend(folder, split) for split in self.splits):
                yield folder
                continue
            inner = list(self._categories(folder, depth - 1, f"{path}/")) if depth > 1 else []
            if any(isinstance(item, Path) for item in inner):
                yield from inner
            else:
                yield Rejection(path, "")

    def read_category(self, root: Path, base: Path, category: Path) -> Iterator[RawSample | Rejection]:
        """The samples of one category folder; `base` is the folder that category names start from."""
        truth = self.truth(category)
        for folder, split in self.splits.items():
            split_folder = descend(category, folder)
            for kind in folders(split_folder) if split_folder else ():
                if kind != truth:
                    yield from self.read_kind(root, base, category, split, kind)

    def read_kind(
        self, root: Path, base: Path, category: Path, split: str, kind: Path
    ) -> Iterator[RawSample | Rejection]:
        """The samples of one folder of good images or of one defect."""
        listed = list(images(self.image_folder(kind), root))
        yield from (item for item in listed if isinstance(item, Rejection))
        paths = [item for item in listed if isinstance(item, Path)]
        normal = kind.name.casefold() in self.normal
        masks = self.masks(root, category, kind, [path.stem for path in paths])
        for image in paths:
            found = masks.get(image.stem, ())
            if not normal and not found:
                wanted = " or ".join(name.format(stem=image.stem) for name in self.mask_names)
                places = " or ".join(f"{name}/{kind.name}" for name in self.truth_folders)
                reason = f"in a folder of anomalous images, but there is no mask {wanted} in {places}"
                yield Rejection(relative(image, root), reason)
                continue
            yield RawSample(
                category=relative(category, base).replace("/", "_"),
                split=split,
                stem=f"{kind.name}-{image.stem}",
                image=relative(image, root),
                anomalous=not normal,
                masks=found,
                provenance=" ".join(mask.path for mask in found) or relative(kind, root),
            )

    def image_folder(self, kind: Path) -> Path:
        """Where the images of a folder of good images or of one defect lie."""
        return kind

    def truth(self, category: Path) -> Path | None:
        """The folder with the masks of a category, or None."""
        return next((found for name in self.truth_folders if (found := descend(category, name))), None)

    def masks(
        self, root: Path, category: Path, kind: Path, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """The mask files of the images of one kind, by image stem; images without one are left out.

        Args:
            root: The source's root.
            category: Category folder.
            kind: Folder of the images of one kind.
            stems: File names of the images without suffix.
        """
        truth = self.truth(category)
        folder = descend(truth, kind.name) if truth else None
        return self.masks_in(root, folder, kind.name, stems) if folder else {}

    def masks_in(
        self, root: Path, folder: Path, kind: str, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """The mask files of a folder, by image stem."""
        files = by_stem(folder)
        found: dict[str, tuple[MaskFile, ...]] = {}
        for stem in stems:
            names = (name.format(stem=stem) for name in self.mask_names)
            path = next((files[name] for name in names if name in files), None)
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
