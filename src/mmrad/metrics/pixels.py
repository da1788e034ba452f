"""Pixels: how well masks, or maps of scores, mark the anomalous pixels. Anomalous is positive.

Of masks, from pixels summed over all images of a category, normal ones included:

    IoU       = TP / (TP + FP + FN)
    precision = TP / (TP + FP)
    recall    = TP / (TP + FN)
    F1        = 2 TP / (2 TP + FP + FN)

Of maps, from all thresholds: the area under the ROC curve of the pixels, and AUPRO, the area under the
curve of the per-region overlap over the false positive rate, up to a rate of 0.3 and divided by it. The
overlap at a threshold is the mean, over all connected areas of the true masks (diagonal neighbours touch), of
the share of the area that is marked, so that a scratch counts as much as a dent; the false positive rate is
that of the pixels outside the true masks of all images (Bergmann et al., "The MVTec Anomaly Detection
Dataset", IJCV 2021).

Between two neighbouring thresholds both curves are straight, which is what pixels of equal score in random
order give on average. A mask has one threshold, so that its curves are two lines that meet at its rates. Its
areas may stand beside those of maps, but they cannot see how sure it was: read IoU and F1 of masks.

An image without an answer marks nothing: the true pixels of a mask that is not there are missed. A map that
is not there leaves the areas of its category undefined, as in `mmrad.metrics.ranking`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmrad.metrics.figures import Figure, Resampled, mean_figure
from mmrad.metrics.intervals import cluster_of, resampled_counts
from mmrad.metrics.ratios import Floats, ratio
from mmrad.sample import Sample

Mask = NDArray[np.bool_]
"""Shape `(height, width)` of the image, True where anomalous."""

Map = NDArray[np.floating]
"""Shape `(height, width)` of the image, higher is more anomalous, on any scale; compared as float32."""

COLUMNS = ("tp", "fp", "fn", "tn", "overlap", "areas")
"""The order of the last axis of every array of pixel counts: pixels, then the marked shares of the true
connected areas, summed, and how many areas there are."""

MAP_FIGURES = ("pixel_auroc", "aupro")
MASK_FIGURES = ("iou", "precision", "recall", "f1", *MAP_FIGURES)

FPR_LIMIT = 0.3

DISTINCT = 1 << 18
"""Distinct scores that a `PixelCurve` keeps apart."""

_EIGHT = np.ones((3, 3), np.uint8)


def pixel_counts(predicted: Mask | None, true: Mask) -> Floats:
    """The pixels of one image.

    Args:
        predicted: The predicted mask; None when there is no answer.
        true: The true mask, nowhere True for a normal image.

    Returns:
        Array of shape `(6,)` in the order of `COLUMNS`.

    Raises:
        ValueError: When the masks have different shapes.
    """
    marked = np.zeros_like(true) if predicted is None else predicted
    _same_shape(marked, true)
    both = np.count_nonzero(marked & true)
    false_alarms, missed = np.count_nonzero(marked) - both, np.count_nonzero(true) - both
    number, weights = _area_weights(true)
    overlap = float(weights[marked[true]].sum())
    return np.array([both, false_alarms, missed, true.size - both - false_alarms - missed, overlap, number])


def pixel_figures(counts: Floats) -> dict[str, Floats]:
    """The figures of masks from summed counts.

    Args:
        counts: Array of shape `(..., 6)` in the order of `COLUMNS`.

    Returns:
        Arrays of shape `(...)` by the names in `MASK_FIGURES`, in [0, 1], NaN where undefined.
    """
    tp, fp, fn, tn, overlap, areas = np.moveaxis(counts, -1, 0)
    recall, false_alarms = ratio(tp, tp + fn), ratio(fp, fp + tn)
    return {
        "iou": ratio(tp, tp + fp + fn),
        "precision": ratio(tp, tp + fp),
        "recall": recall,
        "f1": ratio(2 * tp, 2 * tp + fp + fn),
        "pixel_auroc": (recall + 1 - false_alarms) / 2,
        "aupro": _area_of_one_point(false_alarms, ratio(overlap, areas), FPR_LIMIT),
    }


class PixelCurve:
    """The curves over all thresholds of many maps, which are added one by one and not kept.

    What is kept are the distinct scores with the numbers of pixels that have them: all of them while there
    are at most `distinct`, so that the areas are exact; of more, neighbouring float32 numbers are taken as
    one, first two, then four and so on, until few enough are left. So nothing need be known of the range of
    the scores before the last map.

    Args:
        distinct: How many scores to keep apart.
    """

    def __init__(self, distinct: int = DISTINCT) -> None:
        self.distinct = distinct
        self.joined = 1
        """How many neighbouring float32 numbers are taken as one score."""
        self._keys: NDArray[np.uint32] = np.empty(0, np.uint32)
        self._weights: Floats = np.empty((0, 3))  # normal pixels, anomalous pixels, shares of areas
        self._areas = 0
        self._waiting: list[tuple[NDArray[np.uint32], Floats]] = []

    def add(self, scores: Map, true: Mask) -> None:
        """Add the map of one image.

        Args:
            scores: The map, in the size of the image.
            true: The true mask.

        Raises:
            ValueError: When the shapes differ, or a score is not a number.
        """
        _same_shape(scores, true)
        if np.isnan(scores).any():
            raise ValueError("a score of the map is not a number")
        keys = _ordered(scores) // np.uint32(self.joined)
        normal, count = np.unique(keys[~true], return_counts=True)
        number, shares = _area_weights(true)
        anomalous, place = np.unique(keys[true], return_inverse=True)
        self._areas += number
        nothing = np.zeros(len(normal))
        self._waiting.append((normal, np.stack([count, nothing, nothing], axis=1)))
        found = np.bincount(place, minlength=len(anomalous))
        share = np.bincount(place, weights=shares, minlength=len(anomalous))
        self._waiting.append((anomalous, np.stack([np.zeros(len(anomalous)), found, share], axis=1)))
        if sum(len(keys) for keys, _ in self._waiting) > 4 * self.distinct:
            self._gather()

    def auroc(self) -> float | None:
        """Area under the ROC curve of all pixels in [0, 1]; None without normal or anomalous pixels."""
        curve = self._curve()
        return None if curve is None else float(np.trapezoid(curve[:, 1], curve[:, 0]))

    def aupro(self, fpr_limit: float = FPR_LIMIT) -> float | None:
        """Area under the per-region overlap up to a false positive rate, divided by it.

        Args:
            fpr_limit: In (0, 1].

        Returns:
            A value in [0, 1]; None without normal or anomalous pixels.
        """
        curve = self._curve()
        if curve is None:
            return None
        rate, overlap = curve[:, 0], curve[:, 2]
        inside = rate <= fpr_limit
        end = np.interp(fpr_limit, rate, overlap)
        area = np.trapezoid(np.append(overlap[inside], end), np.append(rate[inside], fpr_limit))
        return float(area / fpr_limit)

    def _curve(self) -> Floats | None:
        """Shares of normal pixels, anomalous pixels and areas at or above each score, from the highest on."""
        self._gather()
        totals = self._weights.sum(axis=0)
        if not totals[:2].all():
            return None
        totals[2] = self._areas
        return np.vstack([np.zeros(3), np.cumsum(self._weights[::-1], axis=0) / totals])

    def _gather(self) -> None:
        """Put what waits into the table of scores, and make that small enough."""
        tables = [(self._keys, self._weights), *self._waiting]
        self._waiting = []
        keys = np.concatenate([keys for keys, _ in tables])
        weights = np.concatenate([weights for _, weights in tables])
        order = np.argsort(keys, kind="stable")
        self._keys, self._weights = _summed(keys[order], weights[order])
        while len(self._keys) > self.distinct:
            self.joined *= 2
            self._keys, self._weights = _summed(self._keys // np.uint32(2), self._weights)


@dataclass(frozen=True, slots=True)
class PixelGroup:
    """A row of a table: a category, a source or everything.

    Attributes:
        source: The source, or None for everything.
        category: The category, or None for a whole source or everything.
        categories: How many categories it has.
        samples: How many images.
        anomalous: How many of them are anomalous.
        unanswered: How many have no mask or map because there is no answer.
        figures: By the names in `MASK_FIGURES` or `MAP_FIGURES`; of a source or everything they are means
            over the categories where the figure is defined. Figures of maps have no interval.
    """

    source: str | None
    category: str | None
    categories: int
    samples: int
    anomalous: int
    unanswered: int
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class PixelScores:
    """The pixel figures of one run: overall, of each source, of each category, sources kept together."""

    overall: PixelGroup
    sources: tuple[PixelGroup, ...]
    categories: tuple[PixelGroup, ...]

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values; undefined figures are null."""
        return asdict(self)


@dataclass(slots=True)
class _Category:
    """One category while its images come, and its figures after."""

    source: str
    name: str
    samples: int = 0
    anomalous: int = 0
    unanswered: int = 0
    figures: Resampled = field(default_factory=lambda: Resampled(1, {}, {}))

    def count(self, sample: Sample, answered: bool) -> None:
        self.samples += 1
        self.anomalous += sample.anomalous
        self.unanswered += not answered


def score_masks(
    judged: Iterable[tuple[Sample, Mask | None, Mask]], *, resamples: int = 1000, seed: int = 0
) -> PixelScores:
    """The figures of masks; images are taken one by one and not kept.

    Args:
        judged: Sample, predicted mask (None when there is no answer) and true mask of each image.
        resamples: Bootstrap draws for the intervals, see `mmrad.metrics.intervals`.
        seed: Seed of the draws; the same seed gives the same intervals for the images in any order.

    Raises:
        ValueError: When there are no images, or two masks have different shapes.
    """
    categories: dict[tuple[str, str], _Category] = {}
    rows: dict[tuple[str, str], list[tuple[str, str, Floats]]] = {}
    for sample, predicted, true in judged:
        key = (sample.source, sample.category)
        categories.setdefault(key, _Category(*key)).count(sample, predicted is not None)
        rows.setdefault(key, []).append((sample.id, cluster_of(sample), pixel_counts(predicted, true)))
    rng = np.random.default_rng(seed)
    for key in sorted(rows):
        own = sorted(rows[key], key=lambda row: row[0])
        counts = np.stack([row[2] for row in own])
        clusters = [row[1] for row in own]
        values = {name: float(value) for name, value in pixel_figures(counts.sum(axis=0)).items()}
        draws = pixel_figures(resampled_counts(counts, clusters, resamples, rng))
        categories[key].figures = Resampled(len(set(clusters)), values, draws)
    return _scores([categories[key] for key in sorted(categories)], MASK_FIGURES)


def score_maps(judged: Iterable[tuple[Sample, Map | None, Mask]]) -> PixelScores:
    """The figures of maps; images are taken one by one and not kept.

    Args:
        judged: Sample, map (None when there is no answer) and true mask of each image, the images of a
            category one after another.

    Raises:
        ValueError: When there are no images, a category comes twice, the shapes of a map and its mask differ,
            or a score is not a number.
    """
    categories: dict[tuple[str, str], _Category] = {}
    for key, members in groupby(judged, key=lambda row: (row[0].source, row[0].category)):
        if key in categories:
            raise ValueError(f"the images of {'/'.join(key)} do not come one after another")
        category, curve = categories.setdefault(key, _Category(*key)), PixelCurve()
        for sample, scores, true in members:
            category.count(sample, scores is not None)
            if scores is not None:
                curve.add(scores, true)
        areas = (None, None) if category.unanswered else (curve.auroc(), curve.aupro())
        values = [np.nan if area is None else area for area in areas]
        category.figures = Resampled(1, dict(zip(MAP_FIGURES, values, strict=True)), {})
    return _scores([categories[key] for key in sorted(categories)], MAP_FIGURES)


def _same_shape(marks: NDArray[Any], true: Mask) -> None:
    if marks.shape != true.shape or true.ndim != 2:
        raise ValueError(f"shapes {marks.shape} of the prediction and {true.shape} of the true mask differ")


def _area_weights(true: Mask) -> tuple[int, Floats]:
    """How many connected areas a mask has, and 1 / size of the own area for each of its pixels in order."""
    labels, number = ndimage.label(true, structure=_EIGHT)
    own = labels[true]
    return int(number), 1 / np.bincount(own, minlength=number + 1)[own]


def _area_of_one_point(rate: Floats, height: Floats, limit: float) -> Floats:
    """Area up to `limit`, divided by it, under the lines from (0, 0) over (rate, height) to (1, 1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        before = rate < limit
        end = np.where(before, height + (1 - height) * (limit - rate) / (1 - rate), height * limit / rate)
        area = np.where(before, rate * height + (limit - rate) * (height + end), limit * end) / 2
    return np.asarray(area / limit, dtype=np.float64)


def _ordered(scores: Map) -> NDArray[np.uint32]:
    """Integers in the order of the scores: the bits of a float32, those of negative numbers turned over."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0.0 + 0 is 0.0
    high = np.uint32(1 << 31)
    return np.where(bits & high, ~bits, bits | high)


def _summed(keys: NDArray[np.uint32], weights: Floats) -> tuple[NDArray[np.uint32], Floats]:
    """Rows of equal keys added up; the keys are sorted."""
    if not len(keys):
        return keys, weights
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[first], np.add.reduceat(weights, first, axis=0)


def _scores(categories: Sequence[_Category], names: Sequence[str]) -> PixelScores:
    if not categories:
        raise ValueError("no images to score")
    sources = dict.fromkeys(category.source for category in categories)
    return PixelScores(
        overall=_group(categories, None, None, names),
        sources=tuple(
            _group([category for category in categories if category.source == source], source, None, names)
            for source in sources
        ),
        categories=tuple(
            _group([category], category.source, category.name, names) for category in categories
        ),
    )


def _group(
    members: Sequence[_Category], source: str | None, category: str | None, names: Sequence[str]
) -> PixelGroup:
    return PixelGroup(
        source=source,
        category=category,
        categories=len(members),
        samples=sum(member.samples for member in members),
        anomalous=sum(member.anomalous for member in members),
        unanswered=sum(member.unanswered for member in members),
        figures={name: mean_figure([member.figures for member in members], name) for name in names},
    )
