"""VisA in its raw layout: splits in a CSV file, masks whose values are defect classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.visa_classes import CLASS_NAMES
from mmrad.sources.walk import by_stem, folders, images, load_csv, relative, safe_path, subfolder

_SPLITS = Path("split_csv") / "1cls.csv"


@dataclass(frozen=True, slots=True)
class _Tables:
    """What the CSV files say, by image path relative to the dataset's folder."""

    splits: dict[str, str]
    labels: dict[str, tuple[str, ...]]
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class VisaTree(Adapter):
    """Adapter for `CATEGORY/Data/{Images,Masks}/{Normal,Anomaly}` with `split_csv/1cls.csv`."""

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`; the dataset may lie in a folder `VisA` of the root."""
        base = subfolder(root, "VisA") or root
        categories = [path for path in folders(base) if (path / "Data" / "Images").is_dir()]
        if not categories:
            raise DataError(
                f"{root}: no category with Data/Images here; it should look like\n{self.layout}\n"
                "For the converted form (train/good, test/bad) use  visa:mvtec=ROOT"
            )
        if not (base / _SPLITS).is_file():
            raise DataError(f"{base / _SPLITS}: missing; it says which images are train and test")
        for category in categories:
            yield from _read_category(root, base, category)
        listed = {category.name for category in categories}
        named = {row["object"] for _, row in load_csv(base / _SPLITS, ("object",))}
        for name in sorted(named - listed):
            yield Rejection(relative(base / _SPLITS, root), f"category {name!r} is listed, but has no folder")


def _read_category(root: Path, base: Path, category: Path) -> Iterator[RawSample | Rejection]:
    tables = _tables(root, base, category)
    yield from tables.rejections
    names = CLASS_NAMES.get(category.name.casefold(), {})
    masks = by_stem(category / "Data" / "Masks" / "Anomaly")
    missing = dict(tables.splits)
    for kind in ("Normal", "Anomaly"):
        for image in images(category / "Data" / "Images" / kind, root):
            if isinstance(image, Rejection):
                yield image
                continue
            key = relative(image, base)
            split = missing.pop(key, None)
            if split is None:
                yield Rejection(relative(image, root), f"not listed in {_SPLITS.as_posix()}")
            elif kind == "Normal":
                yield RawSample(
                    category.name, split, f"{kind}-{image.stem}", relative(image, root), False,
                    provenance=relative(base / _SPLITS, root),
                )  # fmt: skip
            elif image.stem not in masks:
                yield Rejection(
                    relative(image, root), f"anomalous, but no mask {image.stem}.png in Data/Masks/Anomaly"
                )
            else:
                mask = relative(masks[image.stem], root)
                labels = tables.labels.get(key, ())
                yield RawSample(
                    category.name, split, f"{kind}-{image.stem}", relative(image, root), True,
                    masks=(MaskFile(mask, labels[0] if len(labels) == 1 else names, 0),), provenance=mask,
                )  # fmt: skip
    for key in sorted(missing):
        yield Rejection(relative(base / key, root), f"listed in {_SPLITS.as_posix()}, but not there")


def _tables(root: Path, base: Path, category: Path) -> _Tables:
    splits: dict[str, str] = {}
    labels: dict[str, tuple[str, ...]] = {}
    rejections: list[Rejection] = []
    split_file, label_file = base / _SPLITS, category / "image_anno.csv"
    for line, row in load_csv(split_file, ("object", "split", "image")):
        where = f"{relative(split_file, root)} line {line}"
        if row["object"] != category.name:
            continue
        try:
            splits[safe_path(row["image"], where)] = _split(row["split"], where)
        except DataError as error:
            rejections.append(Rejection(relative(split_file, root), str(error)))
    rows = load_csv(label_file, ("image", "label")) if label_file.is_file() else []
    for line, row in rows:
        try:
            image = safe_path(row["image"], f"{relative(label_file, root)} line {line}")
            labels[image] = tuple(clean_label(name) for name in row["label"].split(",") if name.strip())
        except DataError as error:
            rejections.append(Rejection(relative(label_file, root), str(error)))
    return _Tables(splits, labels, tuple(rejections))


def _split(value: str, where: str) -> str:
    if value not in ("train", "test"):
        raise DataError(f"{where}: the split {value!r} is neither train nor test")
    return value


VISA = VisaTree(
    name="visa",
    title="VisA",
    licence="CC BY 4.0",
    url="https://github.com/amazon-science/spot-diff",
    layout="""\
ROOT/                                          or ROOT/VisA/
  split_csv/1cls.csv                           object,split,label,image,mask
  candle/
    image_anno.csv                             image,label,mask
    Data/Images/Normal/0000.JPG
    Data/Images/Anomaly/000.JPG
    Data/Masks/Anomaly/000.png                 value = defect class, 0 = background""",
    expected="12 categories, 10821 images: 8659 train, 962 test normal, 1200 test anomalous",
)
