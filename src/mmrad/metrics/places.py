"""Which anomalies are found: recall by the size and by the type of the true place.

    detection recall    = places in queries called anomalous / places
    localization recall = places matched at an IoU threshold / places

Both are of places, not of queries: a query with a large and a tiny anomaly counts once for each. As
everywhere, figures are means over categories, and the places of an unanswered query are missed. There is no
precision by size or type: a false box belongs to no true place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mmrad.box import match
from mmrad.metrics.figures import Figure, mean_figure, resample
from mmrad.metrics.intervals import cluster_indices, cluster_of, cluster_sums
from mmrad.metrics.ratios import Floats, ratio
from mmrad.metrics.scores import IOU_THRESHOLDS, by_category
from mmrad.sample import Region, Sample, Verdict

SIZES = {"below 0.1 %": 0.001, "0.1-1 %": 0.01, "1-10 %": 0.1, "10 % and more": np.inf}
"""Bins of the share of the image that a true box covers, with their upper ends, exclusive.

Pixels would say little: 32 x 32 of them, small in COCO's terms, are half of a 64-pixel crop and a speck in a
photo of 4 megapixels, which every model sees shrunk. On a side of the image the ends are shares of about
3 %, 10 % and 32 %."""

RARE = 10
"""Types with fewer places are pooled: nothing can be said of them one by one."""

PLACE_FIGURES = ("recall", *(f"iou{threshold}_recall" for threshold in IOU_THRESHOLDS))


@dataclass(frozen=True, slots=True)
class PlaceGroup:
    """The true places of one size or type.

    Attributes:
        name: The size, the type's label in small letters, or `rare types`.
        types: How many types were pooled; 1 for a size.
        places: How many places there are.
        categories: In how many categories.
        counts: How many of the places were found, by the names in `PLACE_FIGURES`.
        figures: Recalls by the same names; means over categories, not ratios of `counts`.
    """

    name: str
    types: int
    places: int
    categories: int
    counts: dict[str, int]
    figures: dict[str, Figure]


def by_size(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict], *, resamples: int = 1000, seed: int = 0
) -> list[PlaceGroup]:
    """Recall by the share of the image that a place covers.

    Args:
        samples: The queries; ids are unique.
        verdicts: Verdicts by sample id; one that is missing is unanswered.
        resamples: Bootstrap draws for the intervals.
        seed: Seed of the draws.

    Returns:
        A row for each of `SIZES`, smallest first; one without places has undefined figures.
    """
    found = _found_places(samples, verdicts, _size_name)
    return [_group(name, 1, found.get(name, []), resamples, seed) for name in SIZES]


def by_type(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict], *, resamples: int = 1000, seed: int = 0
) -> list[PlaceGroup]:
    """Recall by what the anomaly is called, letter case and spacing aside, in whatever category it occurs.

    Args:
        samples: The queries; ids are unique.
        verdicts: Verdicts by sample id; one that is missing is unanswered.
        resamples: Bootstrap draws for the intervals.
        seed: Seed of the draws.

    Returns:
        A row for each type, the most frequent first; those with fewer than `RARE` places are one row at the
        end.
    """
    types = Counter(_type_name(sample, region) for sample in samples for region in sample.regions)
    frequent = [name for name, count in types.most_common() if count >= RARE]
    found = _found_places(samples, verdicts, _type_name)
    groups = [_group(name, 1, found[name], resamples, seed) for name in frequent]
    rare = [place for name in found if name not in frequent for place in found[name]]
    if rare:
        groups.append(_group("rare types", len(types) - len(frequent), rare, resamples, seed))
    return groups


_Found = tuple[Sample, Floats]
"""A true place: its query, and whether it was found, a 1 or 0 for each of `PLACE_FIGURES`."""


def _found_places(
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    name_of: Callable[[Sample, Region], str],
) -> dict[str, list[_Found]]:
    """All true places by name."""
    places: dict[str, list[_Found]] = {}
    for sample in samples:
        verdict = verdicts.get(sample.id)
        called = verdict is not None and verdict.anomalous is True
        predicted = [region.box for region in verdict.claimed] if verdict else []
        true = [region.box for region in sample.regions]
        found = np.zeros((len(true), len(PLACE_FIGURES)))
        found[:, 0] = called
        for column, threshold in enumerate(IOU_THRESHOLDS, 1):
            found[[pair[1] for pair in match(predicted, true, threshold)], column] = 1
        for region, row in zip(sample.regions, found, strict=True):
            places.setdefault(name_of(sample, region), []).append((sample, row))
    return places


def _group(name: str, types: int, places: Sequence[_Found], resamples: int, seed: int) -> PlaceGroup:
    rng = np.random.default_rng(seed)
    rows: dict[str, list[Floats]] = {}
    for sample, row in places:
        rows.setdefault(sample.id, []).append(row)
    queries = {sample.id: sample for sample, _ in places}
    categories = []
    for members in by_category(list(queries.values())):
        counts = np.stack([[*np.sum(rows[sample.id], axis=0), len(rows[sample.id])] for sample in members])
        sums = cluster_sums(counts, cluster_indices([cluster_of(sample) for sample in members]))
        categories.append(resample(len(sums), partial(_recalls, sums=sums), resamples, rng))
    totals = np.sum([row for _, row in places], axis=0) if places else np.zeros(len(PLACE_FIGURES))
    return PlaceGroup(
        name=name,
        types=types,
        places=len(places),
        categories=len(categories),
        counts={key: int(total) for key, total in zip(PLACE_FIGURES, totals, strict=True)},
        figures={key: mean_figure(categories, key) for key in PLACE_FIGURES},
    )


def _recalls(weights: Floats, sums: Floats) -> dict[str, Floats]:
    drawn = weights @ sums
    return dict(zip(PLACE_FIGURES, ratio(drawn[:, :-1], drawn[:, -1:]).T, strict=True))


def _size_name(sample: Sample, region: Region) -> str:
    share = region.box.area / (sample.size_wh[0] * sample.size_wh[1])
    return next(name for name, end in SIZES.items() if share < end)


def _type_name(_: Sample, region: Region) -> str:
    return " ".join(region.label.split()).casefold()
