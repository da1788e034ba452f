"""The tables of a benchmark: the leaderboard, breakdowns, comparisons, and further details of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmrad.bench import Progress, Run
from mmrad.bench.expert_runs import threshold_of
from mmrad.bench.oracle import read_sweep
from mmrad.bench.pixel_figures import kept_pixel_figures, pixel_figures
from mmrad.bench.run import price_of
from mmrad.errors import UsageError
from mmrad.metrics import (
    FAITHFULNESS_FIGURES,
    PLACE_FIGURES,
    RANKING_FIGURES,
    Difference,
    PlaceGroup,
    Scores,
    adjusted,
    by_size,
    by_type,
    calibration,
    compare,
    cost,
    faithfulness_rates,
)
from mmrad.metrics.pixels import MAP_FIGURES
from mmrad.report.comparable import check_comparable, scorer_note
from mmrad.report.leaderboard import SHOWN, leaderboard
from mmrad.report.markup import (
    Cell,
    Column,
    Row,
    Table,
    figure_cell,
    to_csv,
    to_latex,
    to_markdown,
    with_best,
)
from mmrad.report.published import PUBLISHED_IOU
from mmrad.report.thresholds import threshold_notes, threshold_text

__all__ = [
    "Cell",
    "Column",
    "Row",
    "Table",
    "breakdown",
    "comparison",
    "details",
    "leaderboard",
    "pixels",
    "to_csv",
    "to_latex",
    "to_markdown",
]


def breakdown(runs: Sequence[Run], by: str, *, mixed: bool = False) -> Table:
    """Recall of runs by the size or the type of the true places: a section for each size or type.

    Args:
        runs: The runs.
        by: `size` or `type`.
        mixed: As for `leaderboard`.

    Raises:
        UsageError: As for `leaderboard`.
    """
    warnings = check_comparable(runs, mixed=mixed)
    groups_of: Callable[..., list[PlaceGroup]] = {"size": by_size, "type": by_type}[by]
    sections: dict[str, list[Row]] = {}
    for run in runs:
        for group in groups_of(run.samples, run.verdicts):
            if not group.places:
                continue
            name = f"{group.name} ({group.types})" if group.types > 1 else group.name
            cells = (
                Cell(run.info.name),
                Cell(group.places),
                Cell(group.categories),
                *(figure_cell(group.figures[figure]) for figure in PLACE_FIGURES),
            )
            sections.setdefault(name, []).append(Row(name, cells))
    recalls = (Column(name, _figure_title(name), "percent") for name in PLACE_FIGURES)
    subject = "share of the image that a place covers" if by == "size" else "type of the anomaly"
    return Table(
        title=f"Recall by the {subject}, in percent.",
        columns=(
            Column("model", "Model"),
            Column("places", "Places", "count"),
            Column("categories", "Categories", "count"),
            *recalls,
        ),
        rows=tuple(row for rows in sections.values() for row in with_best(rows)),
        notes=(*warnings, scorer_note()),
    )


def details(runs: Sequence[Run], *, scores: Sequence[Scores] | None = None, mixed: bool = False) -> Table:
    """What else is to be said of runs: ranking, false alarms, calibration, faithfulness, and cost.

    Of experts also how their threshold was chosen, the share alpha of false alarms that an honest one
    allows, pixel figures where they are kept, and the localization accuracy of an oracle one when each
    category has one threshold for detection and localization.

    Args:
        runs: The runs.
        scores: Their scores where they are known already.
        mixed: As for `leaderboard`.

    Raises:
        UsageError: As for `leaderboard`.
    """
    warnings = check_comparable(runs, mixed=mixed)
    scored = scores or [run.scores() for run in runs]
    thresholds = {threshold_of(run.info) for run in runs}
    no_expert, no_oracle = thresholds == {None}, "oracle" not in thresholds
    return Table(
        title="Ranking by score, calibration, agreement of reasoning and answer, and cost.",
        columns=(
            Column("model", "Model"),
            Column("threshold", "Threshold", hidden=no_expert),
            Column("score_kind", "Score"),
            Column("auroc", "AUROC", "percent"),
            Column("average_precision", "AP", "percent"),
            Column("pixel_auroc", "Pixel AUROC", "percent", hidden=no_expert),
            Column("aupro", "AUPRO", "percent", hidden=no_expert),
            Column("false_alarms", "False alarms", "percent"),
            Column("alpha", "Alpha", "percent", hidden=no_expert),
            Column("shared_accuracy", "Loc. accuracy, one threshold", "percent", hidden=no_oracle),
            Column("brier", "Brier", "share"),
            Column("ece", "ECE", "share"),
            Column("boxes_named", "Boxes named", "percent"),
            Column("boxes_answered", "Named answered", "percent"),
            Column("labels_named", "Labels named", "percent"),
            Column("verdict_agrees", "Verdict agrees", "percent"),
            Column("input_tokens", "Tokens in", "count"),
            Column("output_tokens", "Tokens out", "count"),
            Column("dollars", "US $", "amount"),
            Column("unpriced", "Tokens untold", "count"),
            Column("seconds", "Seconds, median", "amount"),
        ),
        rows=tuple(_detail(run, one) for run, one in zip(runs, scored, strict=True)),
        notes=(*warnings, *threshold_notes([run.info for run in runs]), scorer_note()),
    )


def pixels(
    runs: Sequence[Run], *, mixed: bool = False, progress: Callable[[Progress], None] | None = None
) -> Table:
    """How well the maps of experts mark the anomalous pixels: a section for each source.

    A run under the paper's thresholds has the maps of the one it is derived from, and no row of its own.

    Args:
        runs: The runs; those without maps are left out.
        mixed: As for `leaderboard`.
        progress: Told how many maps are done, where the figures are not kept yet.

    Raises:
        UsageError: As for `leaderboard`, or when no run has maps of images with true masks.
    """
    warnings = check_comparable(runs, mixed=mixed)
    sections: dict[str, list[Row]] = {}
    for run in runs:
        if threshold_of(run.info) == "oracle" or (found := pixel_figures(run, progress)) is None:
            continue
        for group in found.sources:
            cells = (
                Cell(run.info.name),
                Cell(group.samples),
                Cell(group.categories),
                *(figure_cell(group.figures[name]) for name in MAP_FIGURES),
                Cell(group.unanswered),
            )
            sections.setdefault(str(group.source), []).append(Row(str(group.source), cells))
    if not sections:
        raise UsageError(
            "no run has maps of images with true masks; make one with  mmrad bench --model patchcore"
        )
    return Table(
        title="Pixel figures of maps by source, in percent.",
        columns=(
            Column("model", "Model"),
            Column("queries", "Queries", "count"),
            Column("categories", "Categories", "count"),
            Column("pixel_auroc", "Pixel AUROC", "percent"),
            Column("aupro", "AUPRO", "percent"),
            Column("unanswered", "Unanswered", "count"),
        ),
        rows=tuple(row for rows in sections.values() for row in with_best(rows)),
        notes=(
            *warnings,
            "Of the categories with true masks; AUPRO up to a false positive rate of 0.3.",
            scorer_note(),
        ),
    )


def comparison(
    runs: Sequence[Run], baseline: Run, *, iou: float = PUBLISHED_IOU, mixed: bool = False
) -> Table:
    """How much better runs are than a baseline, query by query: a section for each run.

    Args:
        runs: The runs; the baseline may be among them.
        baseline: The run that the others are compared with.
        iou: As for `leaderboard`.
        mixed: As for `leaderboard`; what is compared is the queries that both were given.

    Raises:
        UsageError: As for `leaderboard`, or when a run has no query in common with the baseline.
    """
    others = [run for run in runs if run.path.resolve() != baseline.path.resolve()]
    if not others:
        raise UsageError(
            f"there is no other run to compare with {baseline.info.name!r}; give the folder of several runs"
        )
    warnings = check_comparable([baseline, *others], mixed=mixed)
    found = adjusted({run.info.name: _compared(run, baseline) for run in others})
    names = (*SHOWN, *(f"iou{iou}_{name}" for name in SHOWN))
    return Table(
        title=f"Differences from {baseline.info.name}, in percentage points.",
        columns=(
            Column("figure", "Figure"),
            Column("difference", "Difference", "points"),
            Column("p", "p", "p"),
            Column("p_adjusted", "p (Holm)", "p"),
            Column("categories", "Categories", "count"),
        ),
        rows=tuple(
            Row(run, _difference_cells(name, differences[name]))
            for run, differences in found.items()
            for name in names
        ),
        notes=(
            *warnings,
            f"Two-sided p-values of a paired permutation test; Holm's are adjusted for {len(others)} "
            f"comparison{'s' if len(others) > 1 else ''} of a figure.",
            *threshold_notes([run.info for run in (baseline, *others)]),
            scorer_note(),
        ),
    )


def _detail(run: Run, scores: Scores) -> Row:
    verdicts = list(run.verdicts.values())
    calibrated = calibration(run.samples, run.verdicts)
    faithful = faithfulness_rates(run.samples, run.verdicts).figures
    spent = cost(verdicts, price_of(run.info))
    threshold, marked = threshold_of(run.info), kept_pixel_figures(run)
    return Row(
        "",
        (
            Cell(run.info.name),
            Cell(threshold_text(run.info)),
            Cell(scores.score_kind),
            *(figure_cell(scores.overall.figures[name]) for name in RANKING_FIGURES),
            *(Cell(marked.overall.figures[name].value if marked else None) for name in MAP_FIGURES),
            Cell(_false_alarms(scores)),
            Cell(run.info.inspector.get("alpha")),
            Cell(read_sweep(run).shared["accuracy"] if threshold == "oracle" else None),
            Cell(calibrated.brier),
            Cell(calibrated.ece),
            *(figure_cell(faithful[name]) for name in FAITHFULNESS_FIGURES),
            Cell(spent.input_tokens),
            Cell(spent.output_tokens),
            Cell(spent.dollars),
            Cell(None if threshold else spent.unpriced),  # an expert reads and writes no tokens
            Cell(spent.seconds_median),
        ),
    )


def _false_alarms(scores: Scores) -> float | None:
    """Share of the normal queries with a judgement that are called anomalous, mean over categories."""
    counts = [group.counts for group in scores.categories]
    rates = [one["fp"] / (one["fp"] + one["tn"]) for one in counts if one["fp"] + one["tn"]]
    return sum(rates) / len(rates) if rates else None


def _compared(run: Run, baseline: Run) -> dict[str, Difference]:
    asked = set(baseline.info.sample_ids)
    common = [sample for sample in run.samples if sample.id in asked]
    if not common:
        raise UsageError(
            f"{run.info.name!r} and {baseline.info.name!r} have no query in common; "
            "bench them on the same ones"
        )
    return compare(common, run.verdicts, baseline.verdicts)


def _difference_cells(name: str, difference: Difference) -> tuple[Cell, ...]:
    return (
        Cell(_figure_title(name)),
        Cell(difference.value, difference.low, difference.high),
        Cell(difference.p),
        Cell(difference.p_adjusted),
        Cell(difference.categories),
    )


def _figure_title(name: str) -> str:
    threshold, _, figure = name.rpartition("_")
    return f"Det. {figure}" if not threshold else f"Loc. {figure}, IoU ≥ {threshold.removeprefix('iou')}"
