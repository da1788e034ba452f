"""Real-IAD: JSON files say what each image is; folder names do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.walk import load_json, relative, safe_path

_CODES = {
    "AK": "pit",
    "BX": "deformation",
    "CH": "abrasion",
    "HS": "scratch",
    "PS": "damage",
    "QS": "missing part",
    "YW": "foreign object",
    "ZW": "contamination",
}
"""Defect names of the codes; Real-IAD D3 seems to use the same ones (unverified)."""


@dataclass(frozen=True, slots=True)
class RealIadTree(Adapter):
    """Adapter for `JSONS/CATEGORY.json`, which lists the images of `IMAGES/CATEGORY/`.

    Attributes:
        jsons: Folders where the JSON files may lie; the first that has some is read.
        images: Folders where the images may lie; the first that has a category is read.
        threshold: Largest mask value that is background.
        verified: Whether the layout is known from official code. Else codes outside the table are read as
            they are, an anomalous image without a mask is refused instead of normal, and ids hold the folders
            of the images, whose names may repeat.
    """

    jsons: tuple[str, ...]
    images: tuple[str, ...]
    threshold: int = 0
    verified: bool = True

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        found = (sorted((root / place).glob("[!.]*.json")) for place in self.jsons)
        files = next((files for files in found if files), [])
        if not files:
            raise DataError(f"{root}: no JSON files in {self.jsons[0]}; it should look like\n{self.layout}")
        for file in files:
            yield from self._category(root, file)

    def _category(self, root: Path, file: Path) -> Iterator[RawSample | Rejection]:
        content = load_json(file)
        name = relative(file, root)
        try:
            prefix = safe_path(content["meta"].get("prefix", f"{file.stem}/"), f"{name} meta.prefix")
            normal_class = content["meta"].get("normal_class", "OK")
            rows = [
                (split, index, row)
                for split in ("train", "validation", "test")
                for index, row in enumerate(content.get(split, ()))
            ]
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{file}: should have meta (prefix, normal_class), train and test ({error!r})"
            ) from error
        if not rows:
            raise DataError(f"{file}: lists no image in train or test; it has {sorted(content)}")
        folder = next((found for size in self.images if (found := root / size / prefix).is_dir()), None)
        if folder is None:
            yield Rejection(name, f"no folder {prefix} in any of {', '.join(self.images)}")
            return
        for split, index, row in rows:
            where = f"{name} {split}[{index}]"
            try:
                yield self._sample(file.stem, split, row, normal_class, relative(folder, root), where)
            except DataError as error:
                yield Rejection(name, str(error))

    def _sample(
        self, category: str, split: str, row: Any, normal_class: str, folder: str, where: str
    ) -> RawSample:
        try:
            code, image, mask = row["anomaly_class"], row["image_path"], row.get("mask_path")
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{where}: should have anomaly_class and image_path ({error!r})") from error
        image = safe_path(image, where)
        masks: tuple[MaskFile, ...] = ()
        if mask is None and code != normal_class and not self.verified:
            raise DataError(f"{where}: anomaly_class is {code!r}, but there is no mask_path")
        # The published rule: an image under NG/ whose view does not show the defect is listed as normal.
        if mask is not None and code != normal_class:
            masks = (
                MaskFile(f"{folder}/{safe_path(mask, where)}", self._label(code, where), self.threshold),
            )
        return RawSample(
            category=category,
            split=split,
            stem=PurePosixPath(image).stem if self.verified else image.rpartition(".")[0].replace("/", "-"),
            image=f"{folder}/{image}",
            anomalous=bool(masks),
            masks=masks,
            provenance=f"{where}, images of {folder.partition('/')[0]}",
        )

    def _label(self, code: Any, where: str) -> str:
        if isinstance(code, str) and (code in _CODES or not self.verified):
            return _CODES.get(code, clean_label(code))
        raise DataError(f"{where}: unknown anomaly_class {code!r}; known are {sorted(_CODES)}")


REALIAD = RealIadTree(
    name="realiad",
    title="Real-IAD",
    licence="CC BY-NC-SA 4.0",
    url="https://realiad4ad.github.io/Real-IAD/",
    layout="""\
ROOT/
  realiad_jsons/audiojack.json                 or realiad_jsons/realiad_jsons/audiojack.json
  realiad_1024/audiojack/OK/S0001/audiojack_0001_OK_C1_20231021130235.jpg
  realiad_1024/audiojack/NG/BX/S0001/audiojack_0001_NG_BX_C1_20231023111538.jpg
  realiad_1024/audiojack/NG/BX/S0001/audiojack_0001_NG_BX_C1_20231023111538.png
                                               realiad_raw, realiad_1024, realiad_512 or realiad_256""",
    expected="30 categories, 151050 images (36465 train, 114585 test), 51329 masks",
    # All five views rather than the list of single views, and the largest images.
    jsons=(
        "realiad_jsons",
        "realiad_jsons/realiad_jsons",
        "realiad_jsons_sv",
        "realiad_jsons_sv/realiad_jsons_sv",
    ),
    images=("realiad_raw", "realiad_1024", "realiad_512", "realiad_256"),
)

REALIAD_D3 = RealIadTree(
    name="realiad-d3",
    title="Real-IAD D3",
    licence="unknown",
    url="https://realiad4ad.github.io/Real-IAD_D3/",
    layout="""\
ROOT/
  realiad_d3_jsons/fuse_holder.json            or realiad_d3_jsons/realiad_d3_jsons/fuse_holder.json
  realiad_d3_raw/fuse_holder/                  image_path and mask_path of the JSON; ps_path and xyz_path
                                               are not read; masks are over 127 where anomalous""",
    expected="20 categories, 10874 images: 4000 train, 2424 validation, 4450 test",
    jsons=("realiad_d3_jsons", "realiad_d3_jsons/realiad_d3_jsons"),
    images=("realiad_d3_raw", "."),
    threshold=127,
    verified=False,
)
