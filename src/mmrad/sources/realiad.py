"""Real-IAD: JSON files say what each image is; folder names do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mmrad.errors import DataError
from mmrad.sources.base import MaskFile, RawSample, Rejection
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
_RESOLUTIONS = ("realiad_raw", "realiad_1024", "realiad_512", "realiad_256")
"""Image folders, largest first."""
_JSONS = (
    "realiad_jsons",
    "realiad_jsons/realiad_jsons",
    "realiad_jsons_sv",
    "realiad_jsons_sv/realiad_jsons_sv",
)
"""Where the JSON files may lie; all five views are preferred to the single-view list."""


@dataclass(frozen=True, slots=True)
class RealIadTree:
    """Adapter for Real-IAD: `realiad_jsons/CATEGORY.json` over `realiad_{raw,1024,512,256}/CATEGORY/`."""

    name: str
    title: str
    licence: str
    url: str
    layout: str
    expected: str

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`; of several resolutions the largest that has the category is read."""
        files = next((found for place in _JSONS if (found := sorted((root / place).glob("[!.]*.json")))), [])
        if not files:
            raise DataError(f"{root}: no JSON files in realiad_jsons; it should look like\n{self.layout}")
        for file in files:
            yield from _read_category(root, file)


def _read_category(root: Path, file: Path) -> Iterator[RawSample | Rejection]:
    content = load_json(file)
    name = relative(file, root)
    try:
        prefix = safe_path(content["meta"]["prefix"], f"{name} meta.prefix")
        normal_class = content["meta"]["normal_class"]
        rows = [(split, i, row) for split in ("train", "test") for i, row in enumerate(content[split])]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{file}: should have meta.prefix, meta.normal_class, train and test ({error!r})"
        ) from error
    folder = next((f for size in _RESOLUTIONS if (f := root / size / prefix).is_dir()), None)
    if folder is None:
        yield Rejection(name, f"no folder {prefix} in any of {', '.join(_RESOLUTIONS)}")
        return
    for split, index, row in rows:
        where = f"{name} {split}[{index}]"
        try:
            yield _sample(file.stem, split, row, normal_class, relative(folder, root), where)
        except DataError as error:
            yield Rejection(name, str(error))


def _sample(category: str, split: str, row: Any, normal_class: str, folder: str, where: str) -> RawSample:
    try:
        code, image, mask = row["anomaly_class"], row["image_path"], row["mask_path"]
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{where}: should have anomaly_class, image_path and mask_path ({error!r})"
        ) from error
    image = safe_path(image, where)
    masks: tuple[MaskFile, ...] = ()
    # The published rule: an image under NG/ whose view does not show the defect is listed as normal.
    if mask is not None and code != normal_class:
        if not isinstance(code, str) or code not in _CODES:
            raise DataError(f"{where}: unknown anomaly_class {code!r}; known are {sorted(_CODES)}")
        masks = (MaskFile(f"{folder}/{safe_path(mask, where)}", _CODES[code], 0),)
    return RawSample(
        category=category,
        split=split,
        stem=PurePosixPath(image).stem,
        image=f"{folder}/{image}",
        anomalous=bool(masks),
        masks=masks,
        provenance=f"{where}, images of {folder.partition('/')[0]}",
    )


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
)
