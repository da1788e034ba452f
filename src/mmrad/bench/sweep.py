"""The paper's sweep over thresholds of a map, by category.

The paper (section 5.2) tries the thresholds 0, 0.1, …, 1 and takes the best, for detection and for
localization each, and does not say more. What it leaves open is decided so (see `docs/experts.md`):

1. Scores of images, and values of maps placed in the original image, are scaled to [0, 1] over all test
   images of a category, each by its own minimum and maximum; where these are equal, everything is 0.
2. Positive is what is strictly above the threshold: nothing at 1, nearly everything at 0.
3. Detection takes the threshold of the best accuracy of the category. Localization takes the one of the best
   TP / (TP + FP + FN) at IoU 0.1. Its boxes are those of `mmrad.inspectors.experts.places`, are matched as
   everywhere in mmrad, and count whatever detection says of the image.
4. Of thresholds that are equally good the one nearest to 0.5 is taken, then the smaller one.

The test labels choose: such figures are an upper end of what a threshold can do, not what a user would get.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
from pydantic import BaseModel, ConfigDict

from mmrad.errors import DataError
from mmrad.inspectors.experts.maps import MapValues
from mmrad.inspectors.experts.places import places
from mmrad.metrics import detection_counts, detection_figures, localization_counts, localization_figures
from mmrad.metrics.ratios import Floats, mean_defined
from mmrad.metrics.scores import by_category
from mmrad.sample import Region, Sample, Verdict

GRID = tuple(step / 10 for step in range(11))
IOU = 0.1

_THREADS = min(8, os.cpu_count() or 1)
"""Each holds one map in the size of its image."""

Figures = dict[str, float | None]
"""Accuracy, recall and precision; None where undefined, but the precision of no positive is 0 here."""


class SweepRow(BaseModel):
    """A category at one threshold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: float
    detection: Figures
    localization: Figures


class CategorySweep(BaseModel):
    """A category at all thresholds.

    Attributes:
        source: Its source.
        category: Its name.
        score_range: Smallest and largest score of an image; None when no image was judged.
        map_range: Smallest and largest value of a map.
        rows: One for each of `GRID`.
        detection: Number of the row that is best for detection.
        localization: Number of the one that is best for localization.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    category: str
    score_range: tuple[float, float] | None
    map_range: tuple[float, float] | None
    rows: tuple[SweepRow, ...]
    detection: int
    localization: int


class Sweep(BaseModel):
    """What the thresholds give, and which were taken.

    Attributes:
        protocol: The one of this module.
        threshold_source: What chose the thresholds.
        iou: From this IoU on, a place is found.
        categories: One a category.
        localization: Means over categories, each at its own threshold of localization.
        shared: The same with each category's threshold of detection for its localization too.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str = "paper"
    threshold_source: str = "test_labels"
    iou: float = IOU
    categories: tuple[CategorySweep, ...]
    localization: Figures
    shared: Figures


def sweep(
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    map_of: Callable[[Sample], MapValues],
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[Sweep, dict[str, Verdict]]:
    """Try all thresholds, and give the verdicts at the best ones.

    Args:
        samples: The queries with their truth.
        verdicts: What an expert says of each; of those with a judgement only the scores are used, the others
            stay as they are: their anomalies are missed at every threshold.
        map_of: Gives the map of a query that has a judgement, shape `(height, width)` of its image. It is
            called three times for each, by several threads, and no map is kept.
        tell: Told how many queries are done.

    Raises:
        DataError: When a score is missing, or a score or map is not finite.
    """
    categories: list[CategorySweep] = []
    found: dict[str, Verdict] = {}
    done = 0
    with ThreadPoolExecutor(_THREADS) as pool:
        for members in by_category(samples):
            category = _Category(members, verdicts, map_of, pool)
            counts = np.zeros((len(GRID), 3))
            for one in category.counts():
                counts += one
                done += 1
                tell(done)
            categories.append(category.swept(counts))
            found |= category.at_best(categories[-1])
    return _summary(categories), found


class _Category:
    """The scores and maps of a category, scaled to [0, 1]."""

    def __init__(
        self,
        samples: Sequence[Sample],
        verdicts: Mapping[str, Verdict],
        map_of: Callable[[Sample], MapValues],
        pool: ThreadPoolExecutor,
    ) -> None:
        self._samples, self._verdicts, self._map_of, self._pool = samples, verdicts, map_of, pool
        judged = [sample for sample in samples if verdicts[sample.id].anomalous is not None]
        scores = [_score(sample, verdicts[sample.id]) for sample in judged]
        self._score_range = _range((score, score) for score in scores)
        self._map_range = _range(pool.map(self._ends, judged))

    def counts(self) -> Iterator[Floats]:
        """Localization counts of each image, shape `(len(GRID), 3)`."""
        return self._pool.map(self._counts, self._samples)

    def swept(self, localization: Floats) -> CategorySweep:
        """The category at all thresholds.

        Args:
            localization: The counts of all images together.
        """
        detection = np.zeros((len(GRID), 6))
        for row, threshold in zip(detection, GRID, strict=True):
            for sample in self._samples:
                row += detection_counts(sample.anomalous, self._flagged(sample, threshold))
        rows = zip(
            GRID, _rows(detection_figures(detection)), _rows(localization_figures(localization)), strict=True
        )
        return CategorySweep(
            source=self._samples[0].source,
            category=self._samples[0].category,
            score_range=self._score_range,
            map_range=self._map_range,
            rows=tuple(SweepRow(threshold=t, detection=d, localization=p) for t, d, p in rows),
            detection=_best(detection[:, 0] + detection[:, 3], detection.sum(axis=1)),
            localization=_best(localization[:, 0], localization.sum(axis=1)),
        )

    def at_best(self, swept: CategorySweep) -> dict[str, Verdict]:
        """The verdicts at the best thresholds."""
        flag_from, mark_from = GRID[swept.detection], GRID[swept.localization]
        found = self._pool.map(lambda sample: self._verdict(sample, flag_from, mark_from), self._samples)
        return {sample.id: verdict for sample, verdict in zip(self._samples, found, strict=True)}

    def _verdict(self, sample: Sample, flag_from: float, mark_from: float) -> Verdict:
        flagged = self._flagged(sample, flag_from)
        if flagged is None:
            return self._verdicts[sample.id]
        regions = tuple(Region(box, "") for box, _ in places(self._scaled_map(sample), mark_from))
        return replace(self._verdicts[sample.id], anomalous=flagged, regions=regions)

    def _flagged(self, sample: Sample, threshold: float) -> bool | None:
        verdict = self._verdicts[sample.id]
        if self._score_range is None or verdict.anomalous is None:
            return None
        low, high = self._score_range
        return high > low and (_score(sample, verdict) - low) / (high - low) > threshold

    def _counts(self, sample: Sample) -> Floats:
        true = [region.box for region in sample.regions]
        if self._verdicts[sample.id].anomalous is None:
            return np.stack([localization_counts([], true, IOU)] * len(GRID))
        values = self._scaled_map(sample)
        found = [[box for box, _ in places(values, threshold)] for threshold in GRID]
        return np.stack([localization_counts(boxes, true, IOU) for boxes in found])

    def _ends(self, sample: Sample) -> tuple[float, float]:
        values = self._map_of(sample)
        ends = float(values.min()), float(values.max())
        if not np.isfinite(ends).all():  # NaN would be below every threshold, and so normal
            raise DataError(f"the map of {sample.id} is not finite; delete the run and bench again")
        return ends

    def _scaled_map(self, sample: Sample) -> MapValues:
        values = self._map_of(sample)
        assert self._map_range is not None, "there is a map, so there is a range"
        low, high = (np.float32(end) for end in self._map_range)
        return (values - low) / (high - low) if high > low else np.zeros_like(values)


def _score(sample: Sample, verdict: Verdict) -> float:
    if verdict.score is None or not np.isfinite(verdict.score):
        raise DataError(f"the score of {sample.id} is {verdict.score}; delete the run and bench again")
    return verdict.score


def _range(ends: Iterable[tuple[float, float]]) -> tuple[float, float] | None:
    """The smallest and the largest of pairs of ends; None without any."""
    found = list(ends)
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None


def _best(right: Floats, of: Floats) -> int:
    """Number of the best threshold; where nothing can be wrong (0 of 0) it is as good as all right."""
    shares = [Fraction(int(a), int(b)) if b else Fraction(1) for a, b in zip(right, of, strict=True)]
    middle = len(GRID) // 2
    return min(range(len(GRID)), key=lambda step: (-shares[step], abs(step - middle), step))


def _rows(figures: Mapping[str, Floats]) -> Iterator[Figures]:
    """The figures at each threshold; by this protocol the precision of no positive is 0."""
    for values in zip(*figures.values(), strict=True):
        found = {name: _plain(value) for name, value in zip(figures, values, strict=True)}
        yield found | {"precision": found["precision"] or 0.0}


def _summary(categories: Sequence[CategorySweep]) -> Sweep:
    return Sweep(
        categories=tuple(categories),
        localization=_means([one.rows[one.localization].localization for one in categories]),
        shared=_means([one.rows[one.detection].localization for one in categories]),
    )


def _means(figures: Sequence[Figures]) -> Figures:
    table = np.array([list(one.values()) for one in figures], dtype=np.float64)  # None is NaN
    return {name: _plain(m) for name, m in zip(figures[0], mean_defined(table, axis=0), strict=True)}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
