"""A corpus as a YOLO detection dataset in the layout of Ultralytics.

Format:  https://docs.ultralytics.com/datasets/detect/
"""

from __future__ import annotations

from pathlib import Path

import yaml

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.export.images import (
    Progress,
    each,
    image_suffix,
    label_names,
    refuse_filled,
    relative_xywh,
    write_image,
)
from mmrad.files import write_text
from mmrad.sample import Region, Sample

_FOLDERS = {"train": "train", "validation": "val", "test": "test"}
"""Names of the splits in YOLO."""


def export_yolo(corpus: Corpus, out: Path, *, progress: Progress | None = None) -> int:
    """Write `OUT/images/SPLIT/*`, `OUT/labels/SPLIT/*.txt` and `OUT/data.yaml`.

    A line of a label file is the number of the label, and the centre, width and height of the box as shares
    of the image's width and height. The label file of a normal image is empty. Masks do not go along.

    Ultralytics trains only with a `train` and a `val` split. `data.yaml` names the splits that the corpus
    has, and no other in their place: the splits of a benchmark are not to be mixed unasked.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        progress: Told after every image.

    Returns:
        How many images were written.

    Raises:
        UsageError: When the folder holds anything.
        DataError: When an image cannot be read.
    """
    refuse_filled(out)
    stems = file_stems(corpus.samples)
    names = label_names(corpus)
    numbers = {label: number for number, label in enumerate(names)}
    for sample in each(corpus.samples, progress):
        path = corpus.resolve(sample.source, sample.image)
        place = f"{_FOLDERS[sample.split]}/{stems[sample.id]}"
        write_image(path, out / "images" / f"{place}{image_suffix(path)}")
        lines = [_line(region, numbers[region.label], sample) for region in sample.regions]
        file = out / "labels" / f"{place}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines), "utf-8")
    found = {sample.split for sample in corpus.samples}
    # Without a line "path" Ultralytics takes the folder of this file, wherever it is moved.
    splits = {folder: f"images/{folder}" for split, folder in _FOLDERS.items() if split in found}
    content = {**splits, "names": dict(enumerate(names))}
    write_text(out / "data.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return len(corpus.samples)


def _line(region: Region, number: int, sample: Sample) -> str:
    x, y, width, height = relative_xywh(region.box, sample.size_wh)
    shares = (x + width / 2, y + height / 2, width, height)
    return f"{number} {' '.join(f'{share:.8f}' for share in shares)}\n"
