"""The release of MMR-AD itself: a folder for each of its sources, with boxes and references as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmrad.box import Box
from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sample import Region
from mmrad.sources.base import Adapter, RawSample, Rejection
from mmrad.sources.walk import files_below, folders, load_json, relative, safe_path, subfolder

BOXES = ("bbox_annos.json", "bbox-annos.json")
"""Names of the file with the boxes; its page spells it in both ways."""
REFERENCES = "reference.json"
_NORMAL = {"train_good": "train", "test_good": "test"}


@dataclass(frozen=True, slots=True)
class ReleaseTree(Adapter):
    """Adapter for `SUBDATASET/CLASS/{train_good,test_good,test/TYPE}` with boxes in `bbox_annos.json`.

    The published page shows the folders, not the content of the JSON files. Read are objects whose keys are
    paths of images below the class folder (or bare file names, where those are unique).
    """

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`; the category is `SUBDATASET_CLASS`."""
        classes = [folder for subset in folders(root) for folder in folders(subset) if _file(folder, BOXES)]
        if not classes:
            raise DataError(f"{root}: no {self.title} here; it should look like\n{self.layout}")
        for folder in classes:
            yield from _class(root, folder)


def _file(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _class(root: Path, folder: Path) -> Iterator[RawSample | Rejection]:
    boxes = _entries(folder, _file(folder, BOXES))
    references = _entries(folder, _file(folder, (REFERENCES,)))
    category = relative(folder, root).replace("/", "_")
    for place, split, anomalous in (
        *((name, split, False) for name, split in _NORMAL.items()),
        ("test", "test", True),
    ):
        base = subfolder(folder, place)
        for image in files_below(base, root) if base else ():
            if isinstance(image, Rejection):
                yield image
                continue
            path = relative(image, folder)
            try:
                regions = _regions(boxes.get(path), f"boxes of {path}") if anomalous else ()
                given = _paths(references.get(path), root, folder, f"{REFERENCES} {path}")
            except DataError as error:
                yield Rejection(relative(image, root), str(error))
                continue
            yield RawSample(
                category=category,
                split=split,
                stem="-".join(image.relative_to(folder).with_suffix("").parts),
                image=relative(image, root),
                anomalous=anomalous,
                regions=regions,
                provenance=f"{relative(folder, root)}/{BOXES[0]}"
                if anomalous
                else relative(image.parent, root),
                given_references=given,
            )


def _entries(folder: Path, file: Path | None) -> dict[str, Any]:
    """The entries of a JSON file by path of the image below the class folder."""
    if file is None:
        return {}
    content = load_json(file)
    if not isinstance(content, dict):
        raise DataError(
            f"{file}: is a {type(content).__name__}; expected is an object whose keys are image paths"
        )
    by_name: dict[str, list[str]] = {}
    for image in files_below(folder, folder):
        if isinstance(image, Path):
            by_name.setdefault(image.name, []).append(relative(image, folder))
    found: dict[str, Any] = {}
    for key, value in content.items():
        path = safe_path(key, f"{file}").removeprefix(f"{folder.parent.name}/{folder.name}/")
        named = by_name.get(path, [path])
        if len(named) > 1:
            raise DataError(f"{file}: {key!r} may be any of {', '.join(named)}; keys should be paths")
        found[named[0]] = value
    return found


def _regions(value: Any, where: str) -> tuple[Region, ...]:
    try:
        regions = tuple(_region(item) for item in value or ())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{where}: found {value!r:.200}; expected a list of "
            f'{{"bbox_2d": [xmin, ymin, xmax, ymax], "label": "…"}} ({error!r})'
        ) from error
    if not regions:
        raise DataError(f"{where}: none in {BOXES[0]}, although the image is in a folder of anomalous ones")
    return regions


def _region(item: Any) -> Region:
    """One box; the texts write it as an object, the hints as a pair of box and label."""
    box, label = (item["bbox_2d"], item["label"]) if isinstance(item, dict) else item
    x1, y1, x2, y2 = (float(value) for value in box)
    return Region(Box(x1, y1, x2, y2), clean_label(label))


def _paths(value: Any, root: Path, folder: Path, where: str) -> tuple[str, ...]:
    listed = [value] if isinstance(value, str) else value or ()
    prefix = relative(folder, root)
    paths = (safe_path(path, where).removeprefix(f"{prefix}/") for path in listed)
    return tuple(f"{prefix}/{path}" for path in paths)


RELEASE = ReleaseTree(
    name="mmr-ad",
    title="MMR-AD",
    licence="unknown",
    url="https://github.com/xcyao00/MMR-AD",
    layout="""\
ROOT/
  mvtec/bottle/                                category mvtec_bottle
    train_good/000.png
    test_good/000.png
    test/broken_large/000.png
    bbox_annos.json                            {"test/broken_large/000.png":
                                                 [{"bbox_2d": [x1, y1, x2, y2], "label": "broken"}], ...}
    reference.json                             {"test/broken_large/000.png": ["train_good/000.png"], ...}""",
    expected="188 categories, 127137 images: 28222 normal, 98915 anomalous",
)
