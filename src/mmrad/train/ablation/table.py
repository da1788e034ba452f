"""The table of the ablations, beside the paper's Table 5, and whether the order of the paper holds."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mmrad.errors import DataError
from mmrad.metrics.scores import COUNTED_FIGURES, COUNTS
from mmrad.sample import Sample
from mmrad.train.ablation.figures import Counts, Estimate, estimate, figure_draws
from mmrad.train.ablation.rows import ROWS, AblationRecipe, Row, judged_file

DATASETS = {"mvtec": "MVTecAD", "visa": "VisA"}
"""The datasets of the paper's Table 5, by what a source of their layout is called."""

MEASURES = {"detection": ("", "det"), "localization (IoU 0.1)": ("iou0.1_", "loc")}
"""By title, what names of figures begin with, here and in `table5.csv`."""

KINDS = ("accuracy", "recall", "precision")

UNREADABLE = [COUNTS.index(f"unanswered_{truth}") for truth in ("anomalous", "normal")]

Holds = Literal["holds", "reversed", "not told apart"]


@dataclass(frozen=True, slots=True)
class Judged:
    """How the models did that are judged so far.

    Attributes:
        counts: By row and seed, the counts of each query.
    """

    counts: Mapping[tuple[str, int], Counts]

    @classmethod
    def read(cls, out: Path) -> Judged:
        """Read what lies in the folder of the ablations.

        Raises:
            DataError: When a file is damaged or from another mmrad.
        """
        names = (path.name.removeprefix("seed-") for path in out.glob("seed-*"))
        seeds = sorted(int(name) for name in names if name.isdecimal())
        files = {(row.key, seed): judged_file(row, seed, out) for row in ROWS for seed in seeds}
        return cls({key: _read(path) for key, path in files.items() if path.exists()})

    def seeds(self, *rows: Row) -> list[int]:
        """The seeds with which all these rows are judged."""
        seeds = {seed for _, seed in self.counts}
        return sorted(seed for seed in seeds if all((row.key, seed) in self.counts for row in rows))

    def of(self, row: Row, seeds: Sequence[int]) -> list[Counts]:
        """The counts of a row with these seeds."""
        return [self.counts[row.key, seed] for seed in seeds]


def _read(path: Path) -> Counts:
    try:
        content = json.loads(path.read_text("utf-8"))
        columns, counts = content["columns"], content["counts"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: unreadable ({error!r}); delete it, and the row is judged again") from error
    if columns != list(COUNTS):
        raise DataError(f"{path}: counts of another mmrad; delete it, and the row is judged again")
    return dict(counts)


@dataclass(frozen=True, slots=True)
class Line:
    """A row on one group of queries.

    Attributes:
        row: Key of the row.
        title: That of the row.
        seeds: With which it is judged.
        unreadable: Share of answers without a readable verdict, mean over seeds.
        figures: By name, such as `accuracy` or `iou0.1_recall`.
        paper: The paper's figures by the same names, in percent; empty where it has none.
    """

    row: str
    title: str
    seeds: tuple[int, ...]
    unreadable: float
    figures: dict[str, Estimate]
    paper: dict[str, float]


@dataclass(frozen=True, slots=True)
class Order:
    """Two rows that are neighbours in the paper's order of accuracy, and how they compare here.

    Attributes:
        group: The queries.
        measure: Detection or localization.
        better: Title of the row that is better in the paper.
        worse: Title of the other.
        paper: Difference of their accuracies in the paper, in points of percent.
        here: Difference here, over the seeds that both have.
        verdict: Whether the whole interval is above zero, below it, or neither.
    """

    group: str
    measure: str
    better: str
    worse: str
    paper: float
    here: Estimate
    verdict: Holds

    def __str__(self) -> str:
        """One line."""
        difference = self.here.percent("+")
        side = "" if self.verdict != "not told apart" else f", {self._leaning()}"
        return (
            f"{self.measure}: {self.better} above {self.worse} by {self.paper:.1f} in the paper, "
            f"{difference} here: {self.verdict}{side}"
        )

    def _leaning(self) -> str:
        if not self.here.value:
            return "equal"
        return "the paper's way round" if self.here.value > 0 else "the other way round"


@dataclass(frozen=True, slots=True)
class AblationTable:
    """All that is known of the rows so far.

    Attributes:
        name: Of the recipe.
        queries: How many queries each group has.
        groups: Lines by group, rows in the order of the paper.
        orders: Neighbours in the paper's order, of groups that the paper has.
    """

    name: str
    queries: dict[str, int]
    groups: dict[str, list[Line]]
    orders: list[Order]

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values."""
        return asdict(self)

    def to_markdown(self) -> str:
        """Tables of detection and localization for each group, and the lines about the order."""
        parts = [f"# Ablations: {self.name}", _HEAD]
        for group, lines in self.groups.items():
            for measure in MEASURES:
                parts.append(f"## {measure[0].upper() + measure[1:]}: {group}, {self.queries[group]} queries")
                parts.append("\n".join(_table(lines, measure)))
            orders = [f"- {order}" for order in self.orders if order.group == group]
            if orders:
                parts.append(f"## Order of accuracies: {group}")
                parts.append("\n".join(orders))
        return "\n\n".join(parts) + "\n"


_HEAD = """\
Percent; means over categories and seeds, with 95 % intervals for seeds and base images together. The
paper's figures are of a model of 7 billion parameters on photographs of other
products: their order compares, not their height."""


def tabulate(recipe: AblationRecipe, groups: Mapping[str, Sequence[Sample]], judged: Judged) -> AblationTable:
    """Make the table of what is judged so far.

    Args:
        recipe: The recipe.
        groups: The queries by what they are called; those of a held-out source begin with its name.
        judged: How the models did on them.
    """
    lines: dict[str, list[Line]] = {}
    orders: list[Order] = []
    for group, samples in groups.items():
        published = published_rows(DATASETS.get(group.partition(", held out")[0], ""))
        rows = [row for row in ROWS if judged.seeds(row)]
        lines[group] = [_line(row, samples, judged, published.get(row.title, {})) for row in rows]
        orders += _orders(group, rows, samples, judged, published)
    return AblationTable(recipe.name, {group: len(some) for group, some in groups.items()}, lines, orders)


def published_rows(dataset: str) -> dict[str, dict[str, float]]:
    """The paper's Table 5 on a dataset, in percent: by title of the row, then by our names of figures."""
    rows: dict[str, dict[str, float]] = {}
    with Path(__file__).with_name("table5.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["dataset"] == dataset:
                rows[line["variant"]] = {
                    here + kind: float(line[f"{there}_{kind}"])
                    for here, there in MEASURES.values()
                    for kind in KINDS
                }
    return rows


def _line(row: Row, samples: Sequence[Sample], judged: Judged, paper: dict[str, float]) -> Line:
    seeds = judged.seeds(row)
    models = judged.of(row, seeds)
    draws = figure_draws(samples, models)
    counts = np.array([[one[sample.id] for sample in samples] for one in models])
    return Line(
        row=row.key,
        title=row.title,
        seeds=tuple(seeds),
        unreadable=float(counts[..., UNREADABLE].sum(axis=-1).mean()),
        figures={name: estimate(draws[..., place]) for place, name in enumerate(COUNTED_FIGURES)},
        paper=paper,
    )


def _orders(
    group: str,
    rows: Sequence[Row],
    samples: Sequence[Sample],
    judged: Judged,
    published: Mapping[str, Mapping[str, float]],
) -> Iterator[Order]:
    for measure, (prefix, _) in MEASURES.items():
        name = f"{prefix}accuracy"
        known = [row for row in rows if row.title in published]
        ranked = sorted(known, key=lambda row: -published[row.title][name])
        for better, worse in pairwise(ranked):
            if seeds := judged.seeds(better, worse):
                first, second = (figure_draws(samples, judged.of(row, seeds)) for row in (better, worse))
                place = COUNTED_FIGURES.index(name)
                here = estimate((first - second)[..., place], least=-1.0)
                paper = published[better.title][name] - published[worse.title][name]
                yield Order(group, measure, better.title, worse.title, paper, here, _verdict(here))


def _verdict(difference: Estimate) -> Holds:
    if difference.low is not None and difference.low > 0:
        return "holds"
    if difference.high is not None and difference.high < 0:
        return "reversed"
    return "not told apart"


def _table(lines: Sequence[Line], measure: str) -> Iterator[str]:
    prefix, _ = MEASURES[measure]
    with_paper = any(line.paper for line in lines)
    columns = [title for kind in KINDS for title in (kind, "paper")[: 1 + with_paper]]
    yield f"| row | seeds | unreadable | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * (2 + len(columns))
    for line in lines:
        cells = [line.title, str(len(line.seeds)), f"{100 * line.unreadable:.1f}"]
        for kind in KINDS:
            cells.append(line.figures[prefix + kind].percent())
            if with_paper:
                cells.append(f"{line.paper[prefix + kind]:.1f}" if line.paper else "-")
        yield f"| {' | '.join(cells)} |"
