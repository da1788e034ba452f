"""MVTec LOCO AD: a folder of masks for each image, whose grey values name the defect."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import MaskFile
from mmrad.sources.mvtec import MvtecTree
from mmrad.sources.walk import by_stem, load_json, relative

CONFIG = "defects_config.json"


@dataclass(frozen=True, slots=True)
class LocoTree(MvtecTree):
    """`MvtecTree` whose masks are `ground_truth/KIND/STEM/NNN.png`, decoded through `defects_config.json`."""

    def masks(
        self, root: Path, category: Path, kind: Path, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """See `MvtecTree.masks`; every region of an image has a file of its own."""
        truth = self.truth(category)
        if not truth or kind.name.casefold() in self.normal:
            return {}
        labels = defect_names(category / CONFIG)
        files = {stem: by_stem(truth / kind.name / stem).values() for stem in stems}
        return {
            stem: tuple(MaskFile(relative(path, root), labels, self.threshold) for path in paths)
            for stem, paths in files.items()
            if paths
        }


def defect_names(path: Path) -> dict[int, str]:
    """The defect name of each mask value, from a `defects_config.json`.

    Raises:
        DataError: When the file is missing, unreadable, or not a list of named pixel values.
    """
    entries = load_json(path)
    try:
        return {int(entry["pixel_value"]): clean_label(entry["defect_name"]) for entry in entries}
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: should be a list of objects with defect_name and pixel_value ({error!r}); "
            "unpack the dataset again"
        ) from error


LOCO = LocoTree(
    name="loco",
    title="MVTec LOCO AD",
    licence="CC BY-NC-SA 4.0",
    url="https://www.mvtec.com/company/research/datasets/mvtec-loco",
    layout="""\
ROOT/
  pushpins/
    defects_config.json                        [{"defect_name": "broken", "pixel_value": 250, ...}, ...]
    train/good/000.png
    validation/good/000.png
    test/good/000.png
    test/logical_anomalies/000.png
    test/structural_anomalies/000.png
    ground_truth/logical_anomalies/000/000.png one file a region; its grey value names the defect
    ground_truth/structural_anomalies/000/000.png""",
    expected="5 categories, 3651 images: 1778 train, 305 validation, 575 test good, 993 anomalous",
    mask_names=("{stem}/",),
    threshold=0,
)
