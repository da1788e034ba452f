"""One image as an adapter found it, opened: its boxes, its quality, or why it cannot be used."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.box import Box
from mmrad.curate.labels import plain_label
from mmrad.curate.masks import regions_from_mask
from mmrad.curate.quality import Measures, measure
from mmrad.errors import DataError
from mmrad.image import file_of, image_hash, read_image, read_mask
from mmrad.sample import Region, Sample
from mmrad.sources.base import MaskFile, RawSample, Rejection


@dataclass(frozen=True, slots=True)
class Context:
    """What all images of a source have in common.

    Attributes:
        source: Its name.
        root: Its folder.
        licence: Licence of its data.
        labels: Plain words for names of defects, see `mmrad.curate.labels`.
    """

    source: str
    root: Path
    licence: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Examined:
    """A sample with what was measured of its image, or a rejection."""

    sample: Sample | None = None
    measures: Measures | None = None
    sha256: str = ""
    rejection: Rejection | None = None


def examine(context: Context, raw: RawSample) -> Examined:
    """Read an image and its masks.

    Args:
        context: The source.
        raw: What the adapter found.

    Returns:
        The sample; or, when the image or what says where it is anomalous cannot be used, the rejection. The
        SHA-256 is that of the file's bytes, and of the part's place for a part of an image.
    """
    try:
        path = context.root / raw.image
        image = read_image(path)
        size_wh = (image.shape[1], image.shape[0])
        marked = [_marked(context.root, raw, mask, size_wh) for mask in raw.masks]
        regions = [*raw.regions, *(region for found in marked for region in found)]
        _check(raw, context.root, regions, size_wh)
    except DataError as error:
        # The root is this machine's business; the list may travel with the corpus.
        reason = str(error).replace(f"{context.root}{os.sep}", "")
        return Examined(rejection=Rejection(raw.image, reason, context.source))
    return Examined(_sample(context, raw, regions, size_wh), measure(image), image_hash(path))


def _sample(context: Context, raw: RawSample, regions: Sequence[Region], size_wh: tuple[int, int]) -> Sample:
    return Sample(
        id=unicodedata.normalize("NFC", f"{context.source}/{raw.category}/{raw.split}/{raw.stem}"),
        source=context.source,
        category=raw.category,
        split=raw.split,
        image=raw.image,
        size_wh=size_wh,
        regions=tuple(
            replace(region, label=plain_label(context.labels, raw.category, region.label))
            for region in regions
        ),
        licence=context.licence,
        provenance=raw.provenance,
        given_references=raw.given_references,
    )


def _marked(root: Path, raw: RawSample, mask: MaskFile, size_wh: tuple[int, int]) -> list[Region]:
    values = read_mask(root / mask.path)
    height, width = values.shape
    if (width, height) != size_wh:
        raise DataError(
            f"the mask {mask.path} is {width}x{height}, its image {raw.image} is {size_wh[0]}x{size_wh[1]}"
        )
    try:
        found = regions_from_mask(values, mask.labels, threshold=mask.threshold)
    except ValueError as error:
        raise DataError(f"{mask.path}: {error}") from error
    if not found and raw.anomalous:
        raise DataError(
            f"anomalous, but the mask {mask.path} marks nothing: its largest value is {values.max()}, "
            f"and only values over {mask.threshold} count"
        )
    return [Region(box, label, mask.path) for box, label in found]


def _check(raw: RawSample, root: Path, regions: Sequence[Region], size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    image = Box(0, 0, width, height)
    for region in regions:
        box = region.box
        if box.x1 < image.x1 or box.y1 < image.y1 or box.x2 > image.x2 or box.y2 > image.y2:
            raise DataError(
                f"{raw.provenance}: the box {box.xyxy} lies outside the image of {width}x{height}"
            )
    if raw.anomalous and not regions:
        raise DataError("anomalous, but nothing says where; add a mask or boxes")
    if raw.anomalous is False and regions:
        raise DataError(f"normal, but {raw.provenance} marks {len(regions)} anomalous areas")
    for reference in raw.given_references:
        if not file_of(root / reference).is_file():
            raise DataError(f"its reference {reference} is missing")
