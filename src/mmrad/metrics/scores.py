"""All figures of a run: per category, then the mean over categories, per source and overall."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mmrad.metrics import detection, localization
from mmrad.metrics.detection import detection_counts, detection_ratios
from mmrad.metrics.figures import LEVEL, Figure, Resampled, mean_figure, resample
from mmrad.metrics.intervals import cluster_indices, cluster_of, cluster_sums
from mmrad.metrics.localization import localization_counts, localization_ratios
from mmrad.metrics.ranking import RANKING_FIGURES, ranking_figures
from mmrad.metrics.ratios import Floats, ratio
from mmrad.sample import Sample, Verdict

IOU_THRESHOLDS = (0.1, 0.3, 0.5)
MISSING = "missing"
"""The status counted for a sample that has no verdict at all."""

COUNTS = detection.COLUMNS + tuple(f"iou{t}_{name}" for t in IOU_THRESHOLDS for name in localization.COLUMNS)
"""Names of the counts: detection outcomes, then matched, false and missed boxes at each IoU threshold."""

COUNTED_FIGURES = tuple(
    prefix + name
    for prefix in ("", *(f"iou{t}_" for t in IOU_THRESHOLDS))
    for name in ("accuracy", "recall", "precision")
)
"""Names of the figures made from counts: detection, then localization at each IoU threshold."""

MIXED = "mixed"
"""The kind of a run's scores when there are several."""


@dataclass(frozen=True, slots=True)
class Group:
    """A row of a table: a category, a source or everything.

    Attributes:
        source: The source, or None for everything.
        category: The category, or None for a whole source or everything.
        categories: How many categories it has.
        samples: How many queries.
        anomalous: How many of them are anomalous.
        unanswered: How many queries have no judgement, by status.
        counts: Summed counts by the names in `COUNTS`.
        figures: By the names in `COUNTED_FIGURES` and `RANKING_FIGURES`; of a source or everything they are
            means over categories, not figures of the summed counts.
    """

    source: str | None
    category: str | None
    categories: int
    samples: int
    anomalous: int
    unanswered: dict[str, int]
    counts: dict[str, int]
    figures: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class Scores:
    """All figures of one run.

    Attributes:
        overall: Means over all categories.
        sources: Means over the categories of each source, in order of first occurrence.
        categories: One row a category, sources kept together.
        level: Share of the bootstrap draws inside the intervals.
        resamples: How many draws.
        seed: Seed of the draws.
        score_kind: What the scores of the verdicts are, see `kind_of_scores`.
    """

    overall: Group
    sources: tuple[Group, ...]
    categories: tuple[Group, ...]
    level: float
    resamples: int
    seed: int
    score_kind: str | None

    def without_places(self) -> Scores:
        """The same of an inspector that says nothing of places: its figures of localization are undefined."""

        def blank(group: Group) -> Group:
            none = Figure(None, None, None, 0)
            places = [name for name in group.figures if name.startswith("iou")]
            return replace(group, figures=group.figures | dict.fromkeys(places, none))

        return replace(
            self,
            overall=blank(self.overall),
            sources=tuple(map(blank, self.sources)),
            categories=tuple(map(blank, self.categories)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values; undefined figures are null."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Category:
    """One category: its own figures, the draws of them, and what the groups above it need."""

    source: str
    name: str
    anomalous: int
    samples: int
    unanswered: Counter[str]
    counts: Floats
    figures: Resampled


def score(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict], *, resamples: int = 1000, seed: int = 0
) -> Scores:
    """Compare verdicts with the truth.

    Places count where the verdict claims them, see `Verdict.claimed`. A sample without a verdict is
    unanswered, with the status `missing`; a verdict without a sample is left out. Figures by score are
    undefined when the run has scores of several kinds: a P(Yes) and a confidence in words are not on one
    scale.

    Args:
        samples: The queries; ids are unique.
        verdicts: Verdicts by sample id.
        resamples: Bootstrap draws for the intervals.
        seed: Seed of the draws; the same seed gives the same intervals for the samples in any order.

    Raises:
        ValueError: When there are no samples.
    """
    if not samples:
        raise ValueError("no samples to score")
    rng = np.random.default_rng(seed)
    kind = kind_of_scores(samples, verdicts)
    categories = [
        _score_category(members, verdicts, resamples, rng, ranked=kind != MIXED)
        for members in by_category(samples)
    ]
    return Scores(
        overall=_group(categories, None, None),
        sources=tuple(
            _group([category for category in categories if category.source == source], source, None)
            for source in dict.fromkeys(category.source for category in categories)
        ),
        categories=tuple(_group([category], category.source, category.name) for category in categories),
        level=LEVEL,
        resamples=resamples,
        seed=seed,
        score_kind=kind,
    )


def kind_of_scores(samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> str | None:
    """What the scores of a run are.

    Returns:
        A `ScoreKind`; `mixed` when there are several; `unmarked` for scores of a run from before kinds were
        kept; None when there are no scores.
    """
    found = (verdicts.get(sample.id) for sample in samples)
    kinds = {verdict.score_kind or "unmarked" for verdict in found if verdict and verdict.score is not None}
    return MIXED if len(kinds) > 1 else next(iter(kinds), None)


def by_category(samples: Sequence[Sample]) -> list[list[Sample]]:
    """The samples of each category of each source; the same lists for the samples in any order."""
    members: dict[tuple[str, str], list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.id):
        members.setdefault((sample.source, sample.category), []).append(sample)
    return [members[key] for key in sorted(members)]


def sample_counts(sample: Sample, verdict: Verdict | None) -> Floats:
    """The counts of one query, in the order of `COUNTS`."""
    judged = verdict.anomalous if verdict else None
    predicted = [region.box for region in verdict.claimed] if verdict else []
    true = [region.box for region in sample.regions]
    places = [localization_counts(predicted, true, threshold) for threshold in IOU_THRESHOLDS]
    return np.concatenate([detection_counts(sample.anomalous, judged), *places])


def counted_ratios(counts: Floats) -> tuple[Floats, Floats]:
    """Numerators and denominators of the detection and localization figures from summed counts.

    Args:
        counts: Array of shape `(..., len(COUNTS))`.

    Returns:
        Two arrays of shape `(..., len(COUNTED_FIGURES))`, in that order.
    """
    split = len(detection.COLUMNS)
    places = np.split(counts[..., split:], len(IOU_THRESHOLDS), axis=-1)
    ratios = [detection_ratios(counts[..., :split]), *map(localization_ratios, places)]
    pairs = [pair for part in ratios for pair in part.values()]
    above, below = (np.stack(side, axis=-1) for side in zip(*pairs, strict=True))
    return above, below


def counted_figures(counts: Floats) -> dict[str, Floats]:
    """Detection and localization figures from summed counts.

    Args:
        counts: Array of shape `(..., len(COUNTS))`.

    Returns:
        Arrays of shape `(...)` by the names in `COUNTED_FIGURES`; NaN where undefined.
    """
    values = ratio(*counted_ratios(counts))
    return dict(zip(COUNTED_FIGURES, np.moveaxis(values, -1, 0), strict=True))


def _score_category(
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    resamples: int,
    rng: np.random.Generator,
    *,
    ranked: bool,
) -> _Category:
    found = [verdicts.get(sample.id) for sample in samples]
    counts = np.stack([sample_counts(*pair) for pair in zip(samples, found, strict=True)])
    truth = [sample.anomalous for sample in samples]
    scores = [verdict.score if verdict and ranked else None for verdict in found]
    clusters = cluster_indices([cluster_of(sample) for sample in samples])
    sums = cluster_sums(counts, clusters)

    def figures_of(weights: Floats) -> dict[str, Floats]:
        return counted_figures(weights @ sums) | ranking_figures(scores, truth, weights[:, clusters])

    return _Category(
        source=samples[0].source,
        name=samples[0].category,
        anomalous=sum(truth),
        samples=len(samples),
        unanswered=Counter(
            verdict.status if verdict else MISSING
            for verdict in found
            if verdict is None or verdict.anomalous is None
        ),
        counts=counts.sum(axis=0),
        figures=resample(len(sums), figures_of, resamples, rng),
    )


def _group(members: Sequence[_Category], source: str | None, category: str | None) -> Group:
    unanswered: Counter[str] = Counter()
    for member in members:
        unanswered.update(member.unanswered)
    totals = np.sum([member.counts for member in members], axis=0)
    return Group(
        source=source,
        category=category,
        categories=len(members),
        samples=sum(member.samples for member in members),
        anomalous=sum(member.anomalous for member in members),
        unanswered=dict(sorted(unanswered.items())),
        counts={name: int(total) for name, total in zip(COUNTS, totals, strict=True)},
        figures={
            name: mean_figure([member.figures for member in members], name)
            for name in COUNTED_FIGURES + RANKING_FIGURES
        },
    )
