"""What the report says of runs in figures, as plain JSON values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

from mmrad.bench import Run
from mmrad.bench.expert_runs import threshold_of
from mmrad.bench.oracle import read_sweep
from mmrad.bench.pixel_figures import kept_pixel_figures
from mmrad.bench.run import price_of
from mmrad.metrics import (
    IOU_THRESHOLDS,
    Difference,
    Figure,
    Group,
    PlaceGroup,
    Scores,
    Spread,
    adjusted,
    by_size,
    by_type,
    calibration,
    compare,
    cost,
    repeats,
)
from mmrad.metrics.pixels import MAP_FIGURES, PixelGroup, PixelScores
from mmrad.report.helpers import helper_text
from mmrad.report.outcome import OUTCOMES, judge
from mmrad.report.published import PUBLISHED_IOU, rows_beside
from mmrad.report.thresholds import threshold_text

FIGURE_NAMES = {
    "accuracy": "Detection accuracy",
    "recall": "Detection recall",
    "precision": "Detection precision",
    **{
        f"iou{threshold}_{figure}": f"Localization {figure}, IoU ≥ {threshold}"
        for threshold in IOU_THRESHOLDS
        for figure in ("accuracy", "recall", "precision")
    },
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "pixel_auroc": "Pixel AUROC",
    "aupro": "AUPRO",
}

SCORE_KINDS = {
    "probability": "probability of “Yes”",
    "confidence": "confidence in words",
    "map": "anomaly map",
    "fused": "model and expert fused",
    "unmarked": "score of unknown kind",
    "mixed": "scores of several kinds",
}

COMPARED = ("accuracy", "recall", "precision", f"iou{PUBLISHED_IOU}_accuracy")

MOST_LEADERS = 8
"""With more runs than this, all are compared with the best one only: pairs grow with the square."""

_PUBLISHED_NAMES = {
    "det_accuracy": "accuracy",
    "det_recall": "recall",
    "det_precision": "precision",
    "loc_accuracy": f"iou{PUBLISHED_IOU}_accuracy",
    "loc_recall": f"iou{PUBLISHED_IOU}_recall",
    "loc_precision": f"iou{PUBLISHED_IOU}_precision",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as the report shows it.

    Attributes:
        run: Its queries with a verdict; those not asked yet are left out.
        of: How many queries it will have when it is complete.
        scores: Of the queries with a verdict.
    """

    run: Run
    of: int
    scores: Scores

    @property
    def name(self) -> str:
        """Its name in tables."""
        return self.run.info.name

    @property
    def variant(self) -> str:
        """The name that it shares with its repeats."""
        return str(self.run.info.about.get("variant_of") or self.name)

    @property
    def outcomes(self) -> Counter[str]:
        """How many queries had each outcome, those not asked yet included."""
        found = Counter[str](judge(s, self.run.verdicts.get(s.id))[0] for s in self.run.samples)
        return found + Counter(not_asked=self.of - len(self.run.samples))


def facts(shown: Sequence[Shown], *, published: bool) -> dict[str, Any]:
    """All figures of the page.

    Args:
        shown: The runs, at least one.
        published: Whether the paper's rows stand beside them.
    """
    sources = list(dict.fromkeys(str(group.source) for one in shown for group in one.scores.sources))
    leader = best(shown)
    mapped = any(threshold_of(one.run.info) for one in shown)
    return {
        "figures": {name: title for name, title in FIGURE_NAMES.items() if mapped or name not in MAP_FIGURES},
        "thresholds": IOU_THRESHOLDS,
        "kinds": SCORE_KINDS,
        "outcomes": [{"key": kind.key, "name": kind.name, "glyph": kind.glyph} for kind in OUTCOMES],
        "sources": sources,
        "runs": [_run(one) for one in shown],
        "repeats": _repeats(shown),
        "published": _published(shown) if published else [],
        "leader": leader,
        "compared": COMPARED,
        "pairs": _pairs(shown, leader),
    }


def best(shown: Sequence[Shown]) -> int:
    """The number of the run with the best detection accuracy in competition, complete ones first."""
    return max(
        range(len(shown)),
        key=lambda i: (
            threshold_of(shown[i].run.info) != "oracle",
            len(shown[i].run.samples) == shown[i].of,
            shown[i].scores.overall.figures["accuracy"].value or 0.0,
        ),
    )


def _run(one: Shown) -> dict[str, Any]:
    info, samples, verdicts = one.run.info, one.run.samples, one.run.verdicts
    pixels = _pixel_groups(kept_pixel_figures(one.run))
    return {
        "name": info.name,
        "title": info.about.get("title"),
        "variant": one.variant,
        "references": info.references,
        "knowledge": bool(info.inspector.get("domain_knowledge")),
        "reasoning": info.inspector.get("reasoning"),
        "asked": len(samples),
        "of": one.of,
        "kind": one.scores.score_kind,
        "helper": helper_text(info),
        "threshold": threshold_text(info),
        "oracle": threshold_of(info) == "oracle",
        "published": info.about.get("published"),
        "sweep": _sweep(one.run),
        "overall": _group(one.scores.overall, pixels),
        "sources": [_group(group, pixels) for group in one.scores.sources],
        "categories": [_group(group, pixels) for group in one.scores.categories],
        "sizes": [_places(group) for group in by_size(samples, verdicts) if group.places],
        "types": [_places(group) for group in by_type(samples, verdicts)],
        "calibration": asdict(calibration(samples, verdicts)),
        "cost": _cost(one.run),
    }


_PixelGroups = Mapping[tuple[str | None, str | None], PixelGroup]
"""By source and category."""


def _pixel_groups(scores: PixelScores | None) -> _PixelGroups:
    groups = (scores.overall, *scores.sources, *scores.categories) if scores else ()
    return {(group.source, group.category): group for group in groups}


def _sweep(run: Run) -> list[dict[str, Any]] | None:
    """Detection and localization accuracy of each category at each threshold, of a run under the paper's."""
    if threshold_of(run.info) != "oracle":
        return None
    return [
        {
            "source": one.source,
            "category": one.category,
            "detection": [row.detection["accuracy"] for row in one.rows],
            "localization": [row.localization["accuracy"] for row in one.rows],
            "taken": [one.detection, one.localization],
        }
        for one in read_sweep(run).categories
    ]


def _group(group: Group, pixels: _PixelGroups) -> dict[str, Any]:
    marked = pixels.get((group.source, group.category))
    return {
        "source": group.source,
        "category": group.category,
        "categories": group.categories,
        "samples": group.samples,
        "anomalous": group.anomalous,
        "unanswered": group.unanswered,
        "figures": _figures({**group.figures, **(marked.figures if marked else {})}),
    }


def _places(group: PlaceGroup) -> dict[str, Any]:
    name = group.name if group.types == 1 else f"{group.types} {group.name}"
    return {"name": name, "places": group.places, "figures": _figures(group.figures)}


def _figures(figures: Mapping[str, Figure]) -> dict[str, list[float | int | None]]:
    """Figures as short lists `[value, low, high, categories]`."""
    return {
        name: [_short(f.value), _short(f.low), _short(f.high), f.categories] for name, f in figures.items()
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def _cost(run: Run) -> dict[str, Any]:
    """Dollars for 1000 answers and median seconds; answers out of a cache say nothing of what one costs."""
    spent = cost([v for v in run.verdicts.values() if not v.usage.cached], price_of(run.info))
    priced = spent.answers - spent.unpriced
    return {
        "dollars": 1000 * spent.dollars / priced if spent.dollars is not None and priced else None,
        "unpriced": spent.unpriced,
        "seconds": spent.seconds_median,
    }


def _repeats(shown: Sequence[Shown]) -> dict[str, Any]:
    """Mean and spread of the variants that were run several times, on the same categories each time."""
    found = {}
    for variant in dict.fromkeys(one.variant for one in shown):
        scores = [one.scores for one in shown if one.variant == variant]
        if len(scores) > 1 and len({_categories(one) for one in scores}) == 1:
            spreads = repeats(scores)
            found[variant] = {
                "count": spreads.count,
                "overall": _spreads(spreads.overall),
                "sources": {source: _spreads(figures) for source, figures in spreads.sources.items()},
            }
    return found


def _categories(scores: Scores) -> tuple[tuple[str | None, str | None], ...]:
    return tuple((group.source, group.category) for group in scores.categories)


def _spreads(spreads: Mapping[str, Spread]) -> dict[str, list[float | int | None]]:
    return {name: [_short(s.mean), _short(s.sd), s.repeats] for name, s in spreads.items()}


def _published(shown: Sequence[Shown]) -> list[dict[str, Any]]:
    """The paper's rows, under the names that the sources they are about have here."""
    corpora = {str(group.source): one.run.corpus for one in shown for group in one.scores.sources}
    return [
        {
            "model": row.model,
            "group": row.group,
            "source": source,
            "figures": {
                name: None if (percent := getattr(row, key)) is None else percent / 100
                for key, name in _PUBLISHED_NAMES.items()
            },
        }
        for source, corpus in corpora.items()
        for row in rows_beside(corpus, source)
    ]


def _pairs(shown: Sequence[Shown], leader: int) -> list[dict[str, Any]]:
    """How far each run in competition is from each leader, on the queries both have been asked."""
    competing = [i for i, one in enumerate(shown) if threshold_of(one.run.info) != "oracle"]
    leaders = competing if len(competing) <= MOST_LEADERS else [leader]
    found: dict[tuple[int, int], tuple[int, dict[str, Difference]]] = {}
    for first, second in combinations(competing, 2):
        if first in leaders or second in leaders:
            asked = set(shown[second].run.info.sample_ids)
            common = [sample for sample in shown[first].run.samples if sample.id in asked]
            if common:
                differences = compare(common, shown[first].run.verdicts, shown[second].run.verdicts)
                chosen = {name: differences[name] for name in COMPARED}
                found[first, second] = (len(common), chosen)
                found[second, first] = (len(common), {n: _turned(d) for n, d in chosen.items()})
    rows = []
    for leader in leaders:
        against = {run: differences for (run, other), (_, differences) in found.items() if other == leader}
        for run, differences in sorted(adjusted(against).items()):
            figures = {
                name: [_short(d.value), _short(d.low), _short(d.high), d.p, d.p_adjusted]
                for name, d in differences.items()
            }
            rows.append({"leader": leader, "run": run, "queries": found[run, leader][0], "figures": figures})
    return rows


def _turned(difference: Difference) -> Difference:
    """The difference seen from the other side."""
    value, low, high = (
        None if x is None else -x for x in (difference.value, difference.high, difference.low)
    )
    return replace(difference, value=value, low=low, high=high)
