"""Datasets whose masks lie beside their images, told apart by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.labels import clean_label
from mmrad.errors import DataError
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.walk import dataset_folder, files_below, relative


@dataclass(frozen=True, slots=True)
class BesideTree(Adapter):
    """Adapter that knows images by a pattern of their path, and the mask of each by a template.

    Attributes:
        image: Pattern of the path of an image, in any letter case. Its groups `category`, `split` and `kind`
            name those; the others make the sample's id.
        mask: Path of the mask, made from the groups.
        without_mask: Whether an image without a mask is normal; else it is rejected, and a mask that marks
            nothing says that its image is normal.
        category: Category where the path has none.
        label: Defect where the path has none.
        normal: Kinds that are normal.
        unpacks_to: Folders of the root that may hold all of it.
    """

    image: str
    mask: str
    without_mask: bool = False
    category: str = ""
    label: str = "defect"
    normal: frozenset[str] = frozenset()
    unpacks_to: tuple[str, ...] = ()

    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """See `Adapter.read`."""
        base = dataset_folder(root, self.unpacks_to)
        listed = list(files_below(base, root))
        yield from (item for item in listed if isinstance(item, Rejection))
        paths = [relative(item, base) for item in listed if isinstance(item, Path)]
        by_name = {path.casefold(): path for path in paths}
        matches = {path: match for path in paths if (match := re.fullmatch(self.image, path, re.IGNORECASE))}
        if not matches:
            raise DataError(f"{root}: no {self.title} here; it should look like\n{self.layout}")
        prefix = "" if base == root else f"{relative(base, root)}/"
        used: set[str] = set()
        for path, match in matches.items():
            mask = by_name.get(self.mask.format(**match.groupdict()).casefold())
            used |= {path, mask or path}
            yield self._sample(prefix, path, match.groupdict(), mask)
        for path in paths:
            if path not in used:
                yield Rejection(prefix + path, f"neither an image nor the mask of one of {self.title}")

    def _sample(
        self, prefix: str, image: str, groups: dict[str, str], mask: str | None
    ) -> RawSample | Rejection:
        if mask is None and not self.without_mask:
            return Rejection(prefix + image, f"there is no mask {prefix}{self.mask.format(**groups)}")
        kind = groups.get("kind")
        if kind is not None:
            anomalous: bool | None = kind.casefold() not in self.normal
        else:
            anomalous = mask is not None if self.without_mask else None
        label = clean_label(kind or self.label)
        return RawSample(
            category=groups.get("category", self.category),
            split=groups.get("split", "test").lower(),
            stem="-".join(text for name, text in groups.items() if name not in ("category", "split")),
            image=prefix + image,
            anomalous=anomalous,
            masks=(MaskFile(prefix + mask, label, 0),) if mask else (),
            provenance=prefix + mask if mask else "no mask beside it",
        )


KOLEKTOR = BesideTree(
    name="kolektor",
    title="KolektorSDD",
    licence="unknown",
    url="https://www.vicos.si/resources/kolektorsdd/",
    layout="""\
ROOT/
  kos01/Part0.jpg
  kos01/Part0_label.bmp                        every image has one; it is black for a normal image""",
    expected="",
    image=r"(?P<item>kos\d+)/(?P<stem>Part\d+)\.jpg",
    mask="{item}/{stem}_label.bmp",
    category="commutator",
    label="crack",
)

KOLEKTOR_2 = BesideTree(
    name="kolektor2",
    title="KolektorSDD2",
    licence="unknown",
    url="https://www.vicos.si/resources/kolektorsdd2/",
    layout="""\
ROOT/
  train/10000.png
  train/10000_GT.png                           every image has one; it is black for a normal image
  test/20000.png""",
    expected="3335 images: 2979 normal, 356 anomalous",
    image=r"(?P<split>train|test)/(?P<stem>\d+)\.png",
    mask="{split}/{stem}_GT.png",
    category="surface",
)

DAGM = BesideTree(
    name="dagm",
    title="DAGM 2007",
    licence="unknown",
    url="https://hci.iwr.uni-heidelberg.de/content/weakly-supervised-learning-industrial-optical-inspection",
    layout="""\
ROOT/
  Class1/
    Train/0576.PNG                             images of Train may be anomalous too
    Train/Label/0576_label.PNG                 only for anomalous images; a coarse ellipse
    Test/0001.PNG""",
    expected="10 categories, 16100 images: 14000 normal, 2100 anomalous",
    image=r"(?P<category>Class\d+)/(?P<split>Train|Test)/(?P<stem>\d+)\.png",
    mask="{category}/{split}/Label/{stem}_label.png",
    without_mask=True,
)

MAGNETIC_TILE = BesideTree(
    name="magnetic-tile",
    title="Magnetic-Tile-Defect",
    licence="unknown",
    url="https://github.com/abin24/Magnetic-tile-defect-datasets.",
    layout="""\
ROOT/
  MT_Blowhole/Imgs/exp1_num_108719.jpg
  MT_Blowhole/Imgs/exp1_num_108719.png         over 0 where anomalous
  MT_Free/Imgs/exp1_num_4727.jpg""",
    expected="1344 images: 952 normal, 392 anomalous",
    image=r"MT_(?P<kind>[^/]+)/Imgs/(?P<stem>[^/]+)\.jpg",
    mask="MT_{kind}/Imgs/{stem}.png",
    category="magnetic_tile",
    normal=frozenset({"free"}),
)
