"""MMAD: one JSON file of questions over images of four datasets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.walk import load_json, safe_path

_FILE = "mmad.json"


@dataclass(frozen=True, slots=True)
class MmadTree(Adapter):
    """Adapter for `mmad.json`, whose keys are images, `DATASET/CATEGORY/…/DEFECT/IMAGE`.

    All of it is `test`; the category is `DATASET_CATEGORY`. The similar templates are the given references.
    """

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        if not (root / _FILE).is_file():
            raise DataError(f"{root}: no {_FILE} here; it should look like\n{self.layout}")
        content = load_json(root / _FILE)
        if not isinstance(content, dict):
            raise DataError(f"{root / _FILE}: should be an object whose keys are images")
        for image, entry in content.items():
            try:
                yield _sample(root, image, entry)
            except DataError as error:
                yield Rejection(_FILE, str(error))


def _sample(root: Path, image: str, entry: Any) -> RawSample:
    where = f"{_FILE} {image!r}"
    image = safe_path(image, where)
    parts = PurePosixPath(image).parts
    if len(parts) < 4 or not isinstance(entry, dict):
        raise DataError(f"{where}: should be DATASET/CATEGORY/…/DEFECT/IMAGE with an object")
    kind = parts[-2]
    normal = kind.casefold() == "good"
    masks: tuple[MaskFile, ...] = ()
    if not normal:
        mask = safe_path(entry.get("mask_path"), f"{where} mask_path")
        # By the official scripts it starts from the first three parts of the image's; but with `image/` as
        # the third, the masks would lie among the images, so the first two are tried too.
        places = [f"{'/'.join(parts[:count])}/{mask}" for count in (3, 2)]
        found = next((place for place in places if (root / place).is_file()), None)
        if found is None:
            raise DataError(f"{where}: there is no mask {' or '.join(places)}")
        masks = (MaskFile(found, clean_label(kind), 0),)
    templates = entry.get("similar_templates") or ()
    return RawSample(
        category=f"{parts[0]}_{parts[1]}",
        split="test",
        stem="-".join(parts[2:]).rpartition(".")[0],
        image=image,
        anomalous=not normal,
        masks=masks,
        provenance=masks[0].path if masks else _FILE,
        given_references=tuple(safe_path(path, f"{where} similar_templates") for path in templates),
    )


MMAD = MmadTree(
    name="mmad",
    title="MMAD",
    licence="unknown",
    url="https://github.com/jam-cc/MMAD",
    layout="""\
ROOT/
  mmad.json                                    {"DS-MVTec/bottle/image/broken_large/000.png":
                                                 {"mask_path": ..., "similar_templates": [...]}, ...}
  DS-MVTec/, MVTec-AD/, MVTec-LOCO/, VisA/, GoodsAD/""",
    expected="38 categories, 8366 images: 3290 normal, 5076 anomalous",
)
