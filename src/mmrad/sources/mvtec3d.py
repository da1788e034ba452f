"""MVTec 3D-AD, colour images only: each kind has folders for its images, point clouds and masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmrad.sources.base import MaskFile
from mmrad.sources.mvtec import MvtecTree
from mmrad.sources.walk import subfolder


@dataclass(frozen=True, slots=True)
class Mvtec3dTree(MvtecTree):
    """`MvtecTree` whose kinds hold `rgb/NNN.png` and, with the same name, `gt/NNN.png`."""

    def image_folder(self, kind: Path) -> Path:
        """See `MvtecTree.image_folder`."""
        return subfolder(kind, "rgb") or kind / "rgb"

    def masks(
        self, root: Path, category: Path, kind: Path, stems: list[str]
    ) -> dict[str, tuple[MaskFile, ...]]:
        """See `MvtecTree.masks`; good images of the test split have masks too, which mark nothing."""
        folder = subfolder(kind, "gt")
        return self.masks_in(root, folder, kind.name, stems) if folder else {}


MVTEC_3D = Mvtec3dTree(
    name="mvtec3d",
    title="MVTec 3D-AD",
    licence="CC BY-NC-SA 4.0",
    url="https://www.mvtec.com/company/research/datasets/mvtec-3d-ad",
    layout="""\
ROOT/
  bagel/
    train/good/rgb/000.png                     xyz/ is not read
    validation/good/rgb/000.png
    test/good/rgb/000.png
    test/crack/rgb/000.png
    test/crack/gt/000.png                      over 0 where anomalous""",
    expected="10 categories, 4147 images: 2656 train, 294 validation, 249 test good, 948 anomalous",
    mask_names=("{stem}",),
    truth_folders=("gt",),
    threshold=0,
)
