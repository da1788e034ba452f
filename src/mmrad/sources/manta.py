"""MANTA: an image is a strip of five views of one tiny object, and each view becomes a sample."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.errors import DataError
from mmrad.image import image_size, part_of
from mmrad.sources.base import RawSample, Rejection
from mmrad.sources.mvtec import MvtecTree

VIEWS = 5


@dataclass(frozen=True, slots=True)
class MantaTree(MvtecTree):
    """`MvtecTree` of strips, cut into equal views; each is good when its part of the mask is empty."""

    def read_kind(
        self, root: Path, base: Path, category: Path, split: str, kind: Path
    ) -> Iterator[RawSample | Rejection]:
        """See `MvtecTree.read_kind`."""
        for item in MvtecTree.read_kind(self, root, base, category, split, kind):
            if isinstance(item, Rejection):
                yield item
                continue
            try:
                yield from _views(root, item)
            except DataError as error:
                yield Rejection(item.image, str(error).replace(f"{root}/", ""))


def _views(root: Path, strip: RawSample) -> list[RawSample]:
    width, height = image_size(root / strip.image)
    if width % VIEWS:
        raise DataError(f"a strip of {width} pixels does not divide into {VIEWS} views of equal width")
    parts = [(view * width // VIEWS, 0, width // VIEWS, height) for view in range(VIEWS)]
    return [
        replace(
            strip,
            stem=f"{strip.stem}-view{number}",
            image=part_of(strip.image, part),
            anomalous=None if strip.anomalous else False,
            masks=tuple(replace(mask, path=part_of(mask.path, part)) for mask in strip.masks),
        )
        for number, part in enumerate(parts, start=1)
    ]


MANTA = MantaTree(
    name="manta",
    title="MANTA",
    licence="unknown",
    url="https://grainnet.github.io/MANTA",
    layout="""\
ROOT/                                          or ROOT/ImageData/
  agriculture/maize/                           category agriculture_maize
    train/good/agriculture_maize_00001.png     five views side by side, each becomes a sample
    test/good/agriculture_maize_00002.png
    test/mold/agriculture_maize_00003.png
    ground_truth/mold/agriculture_maize_00003.png
                                               over 127 where anomalous""",
    expected="38 categories, 135365 strips: 109500 train, 25865 test",
    normal=frozenset({"good", "ok"}),
    mask_names=("{stem}", "{stem}_mask"),
    unpacks_to=("ImageData",),
    grouped=True,
)
