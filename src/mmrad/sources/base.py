"""What every adapter gives: raw samples with their truth in the source's own form, and what it refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmrad.curate.masks import Labels
from mmrad.sample import Region


@dataclass(frozen=True, slots=True)
class Rejection:
    """One file or entry of a source that did not become a sample.

    Attributes:
        path: The file, relative to the source's root, with `/`.
        reason: What is wrong with it and where.
        source: Name of the source, filled in by the builder.
    """

    path: str
    reason: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class MaskFile:
    """A mask image that says where a sample is anomalous.

    Attributes:
        path: Path relative to the source's root, with `/`.
        labels: One label for every marked pixel, or the label of each mask value.
        threshold: Largest value that is background.
    """

    path: str
    labels: Labels
    threshold: int


@dataclass(frozen=True, slots=True)
class RawSample:
    """One image as an adapter found it.

    Attributes:
        category: Product category.
        split: `train`, `validation` or `test` as the source has it.
        stem: Last part of the sample's id, unique within category and split, without `/`.
        image: Path relative to the source's root, with `/`.
        anomalous: What the source says of the image; an anomalous one has `masks` or `regions`. None where
            only the masks say it: the image is normal when they mark nothing.
        masks: Masks whose marked areas become regions.
        regions: Regions that the source gives as boxes, in pixels of the upright image.
        provenance: The annotation the truth came from, relative to the root.
        given_references: Normal images that the source pairs with this one, relative to the root.
    """

    category: str
    split: str
    stem: str
    image: str
    anomalous: bool | None
    masks: tuple[MaskFile, ...] = ()
    regions: tuple[Region, ...] = ()
    provenance: str = ""
    given_references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adapter(ABC):
    """Reads one raw layout.

    Attributes:
        name: Key in the registry and on the command line.
        title: Name of the dataset.
        licence: Licence of its data.
        url: Where it is published.
        layout: The folder tree it expects, as text.
        expected: Its official counts, as text.
    """

    name: str
    title: str
    licence: str
    url: str
    layout: str
    expected: str

    @abstractmethod
    def read(self, root: Path) -> Iterator[RawSample | Rejection]:
        """Walk a source; images are listed, not opened.

        Args:
            root: An existing folder.

        Raises:
            DataError: When the folder does not have the layout, or a file that describes it is unreadable.
        """
