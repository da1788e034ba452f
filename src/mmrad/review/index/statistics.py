"""What some samples of a corpus are made of, for the plots of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrad.review.index.columns import Mask, Regions, Tags, ranked

_BOX_SIZES = np.geomspace(0.001, 1, 25)
"""As in `mmrad.curate.statistics`: most boxes are small, so bins are equally wide on a logarithmic axis."""

_SIDES = np.sort(np.outer(2 ** np.arange(15), (1, 1.5)).ravel())[1:]
"""1, 1.5, 2, 3, 4, … 24576: two to an octave."""


@dataclass(frozen=True, slots=True)
class CategoryRow:
    """How many samples of a category of a source are normal, and how many anomalous."""

    source: str
    category: str
    normal: int
    anomalous: int


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges.

    Attributes:
        edges: One more than `counts`, rising.
        counts: How many values lie from one edge to the next; the first and the last bin have what is beyond.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SelectionStatistics:
    """What some samples are made of.

    Attributes:
        samples: How many.
        anomalous: Those with regions.
        regions: Regions of all of them.
        categories: A row for each category of each source, most samples first.
        splits: Samples by split, most first.
        labels: Regions by label, most frequent first.
        regions_per_image: Anomalous samples by their number of regions.
        box_sizes: Square roots of the area of boxes relative to that of their image, from 0 to 1.
        box_sides: Shortest sides of boxes in original pixels.
        image_sides: Longest sides of images in pixels.
    """

    samples: int
    anomalous: int
    regions: int
    categories: tuple[CategoryRow, ...]
    splits: Mapping[str, int]
    labels: Mapping[str, int]
    regions_per_image: Mapping[int, int]
    box_sizes: Histogram
    box_sides: Histogram
    image_sides: Histogram


def count_selection(
    among: Mask, categories: Tags, splits: Tags, regions: Regions, sizes_wh: NDArray[np.int64]
) -> SelectionStatistics:
    """Count some samples.

    Args:
        among: Which samples, shape `(samples,)`.
        categories: `(source, category)` of each, joined by `/`.
        splits: Their splits.
        regions: The regions of all samples.
        sizes_wh: Width and height of the images, shape `(samples, 2)`.
    """
    chosen = among[regions.rows]
    rows, sides = regions.rows[chosen], regions.sides[chosen]
    per_image = np.bincount(rows, minlength=len(among))
    areas = sizes_wh[rows].prod(axis=1)
    numbers, images = np.unique(per_image[per_image > 0], return_counts=True)
    return SelectionStatistics(
        samples=int(among.sum()),
        anomalous=int((per_image > 0).sum()),
        regions=len(rows),
        categories=_category_rows(categories, among, per_image > 0),
        splits=splits.counts(among),
        labels=ranked(regions.names, np.bincount(regions.codes[chosen], minlength=len(regions.names))),
        regions_per_image=dict(zip(numbers.tolist(), images.tolist(), strict=True)),
        box_sizes=_histogram(np.sqrt(sides.prod(axis=1) / areas), _BOX_SIZES),
        box_sides=_histogram(sides.min(axis=1), _SIDES),
        image_sides=_histogram(sizes_wh[among].max(axis=1), _SIDES),
    )


def _category_rows(categories: Tags, among: Mask, anomalous: Mask) -> tuple[CategoryRow, ...]:
    bad = categories.counts(among & anomalous)
    found = []
    for name, count in categories.counts(among).items():
        source, _, category = name.partition("/")
        found.append(CategoryRow(source, category, count - bad.get(name, 0), bad.get(name, 0)))
    return tuple(found)


def _histogram(values: NDArray[np.floating | np.integer], edges: NDArray[np.float64]) -> Histogram:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))
