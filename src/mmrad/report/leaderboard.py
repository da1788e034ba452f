"""The leaderboard: detection and localization of runs by source or category, beside the paper's rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from mmrad.bench import Run
from mmrad.bench.expert_runs import threshold_of
from mmrad.metrics import Group, Repeats, Scores, repeats
from mmrad.report.comparable import SHORT, Identity, check_comparable, identity, scorer_note
from mmrad.report.helpers import helper_notes, helper_text
from mmrad.report.markup import Cell, Column, Row, Table, figure_cell, with_best
from mmrad.report.published import PUBLISHED_IOU, PublishedRow, rows_beside
from mmrad.report.thresholds import ORACLE, threshold_notes, threshold_text

_PUBLISHED_FIGURES = (
    "det_accuracy", "det_recall", "det_precision", "loc_accuracy", "loc_recall", "loc_precision",
)  # fmt: skip
_ASKED: dict[object, str] = {True: "yes", False: "no"}
SHOWN = ("accuracy", "recall", "precision")


_Key = tuple[str, str]
"""Source and category of a section; no category for a whole source."""


@dataclass(frozen=True)
class _Entry:
    """A run, or the repeats of one model."""

    name: str
    runs: tuple[Run, ...]
    scores: tuple[Scores, ...]
    identity: Identity

    @property
    def oracle(self) -> bool:
        """Whether its thresholds were chosen on the test labels, so that it is out of competition."""
        return threshold_of(self.runs[0].info) == "oracle"

    @cached_property
    def repeats(self) -> Repeats:
        return repeats(self.scores)

    def groups(self, *, by_category: bool) -> dict[_Key, list[Group]]:
        """The groups of its runs by section."""
        found: dict[_Key, list[Group]] = {}
        for scores in self.scores:
            for group in scores.categories if by_category else scores.sources:
                found.setdefault((group.source or "", group.category or ""), []).append(group)
        return found

    def figures(self, key: _Key, groups: Sequence[Group], names: Sequence[str]) -> list[Cell]:
        if len(groups) == 1:
            return [figure_cell(groups[0].figures[name]) for name in names]
        spreads = self.repeats.categories[key] if key[1] else self.repeats.sources[key[0]]
        return [Cell(spreads[name].mean, sd=spreads[name].sd) for name in names]


def leaderboard(
    runs: Sequence[Run],
    *,
    published: bool = False,
    scores: Sequence[Scores] | None = None,
    iou: float = PUBLISHED_IOU,
    by_category: bool = False,
    mixed: bool = False,
) -> Table:
    """Detection and localization of runs: a section for each source, or each category.

    Repeats of one model are one row, the mean and the standard deviation between them. Experts under the
    paper's thresholds are marked and out of competition, beside the paper's own experts.

    Args:
        runs: The runs.
        published: Whether the paper's rows stand under one's own in the sections of their sources, marked.
            They are at IoU 0.1, and of sources; beside anything else they are left out.
        scores: The scores of the runs where they are known already.
        iou: From this IoU on, a place is found; one of `mmrad.metrics.IOU_THRESHOLDS`.
        by_category: Whether sections are categories.
        mixed: Whether runs may be put together that are not comparable; the table says so.

    Raises:
        UsageError: When there are no runs, or they are not comparable and `mixed` is not set.
    """
    warnings = check_comparable(runs, mixed=mixed)
    entries = _entries(runs, scores or [run.scores() for run in runs])
    names = (*SHOWN, *(f"iou{iou}_{name}" for name in SHOWN))
    groups = [entry.groups(by_category=by_category) for entry in entries]
    published = published and not by_category and iou == PUBLISHED_IOU
    rows: list[Row] = []
    for key in dict.fromkeys(key for one in groups for key in one):
        own = [
            (entry, _leader(entry, key, one[key], names))
            for entry, one in zip(entries, groups, strict=True)
            if key in one
        ]
        rows += with_best([row for entry, row in own if not entry.oracle])
        known, experts = _published(key[0], _beside(entries, key[0])) if published else ([], [])
        rows += [*known, *_paired([pair for pair in own if pair[0].oracle], experts)]
    return Table(
        title=f"Anomaly detection and localization at IoU ≥ {iou:g} by "
        f"{'category' if by_category else 'source'}, in percent.",
        columns=_leaderboard_columns(
            hashes=bool(warnings),
            thresholds=any(threshold_of(run.info) for run in runs),
            helpers=any(helper_text(run.info) for run in runs),
        ),
        rows=tuple(rows),
        notes=(*warnings, *_notes(entries, rows, shown_hashes=bool(warnings))),
    )


def _entries(runs: Sequence[Run], scores: Sequence[Scores]) -> list[_Entry]:
    """Runs, with the repeats of one model together, in order of first occurrence."""
    together: dict[object, list[tuple[Run, Scores]]] = {}
    for run, scored in zip(runs, scores, strict=True):
        asked = identity(run)
        key = (_variant(run), asked.prompts, *sorted(asked.tasks.items()))
        together.setdefault(key, []).append((run, scored))
    entries = []
    for pairs in together.values():
        members, scored_members = zip(*pairs, strict=True)
        entries.append(_Entry(_variant(members[0]), members, scored_members, identity(members[0])))
    return entries


def _variant(run: Run) -> str:
    return str(run.info.about.get("variant_of") or run.info.name)


def _beside(entries: Sequence[_Entry], source: str) -> list[PublishedRow]:
    """The published rows about a source, under whatever name it was built."""
    run = next(entry.runs[0] for entry in entries if source in entry.identity.tasks)
    return rows_beside(run.corpus, source)


def _leader(entry: _Entry, key: _Key, groups: Sequence[Group], names: Sequence[str]) -> Row:
    """The row of a run, or of repeats."""
    info = entry.runs[0].info
    return Row(
        "/".join(filter(None, key)),
        (
            Cell(entry.name),
            Cell(threshold_text(info)),
            Cell(helper_text(info)),
            Cell(f"{info.references} {info.reference_method}" if info.references else "none"),
            Cell("yes" if info.inspector.get("domain_knowledge") else "no"),
            Cell(_ASKED.get(info.inspector.get("reasoning"))),
            Cell(", ".join(str(run.info.inspector.get("seed", "–")) for run in entry.runs)),
            Cell(groups[0].samples),
            *entry.figures(key, groups, names),
            Cell(sum(sum(group.unanswered.values()) for group in groups)),
            Cell(entry.identity.tasks[key[0]]),
            Cell(entry.identity.prompts),
            Cell(entry.identity.scorer),
        ),
    )


def _published(section: str, rows: Sequence[PublishedRow]) -> tuple[list[Row], list[Row]]:
    """Published rows: those in competition with the best of them bold, and experts trained on the dataset."""
    competing: list[Row] = []
    experts: list[Row] = []
    for row in rows:
        expert = row.group == "expert_full_shot"
        figures = [_hundredth(getattr(row, name)) for name in _PUBLISHED_FIGURES]
        unknown = (Cell(),) * 6
        threshold = Cell(ORACLE if expert else None)
        cells = (Cell(row.model), threshold, *unknown, *map(Cell, figures), *unknown[:4])
        (experts if expert else competing).append(Row(section, cells, published=True))
    return with_best(competing), experts


def _paired(own: Sequence[tuple[_Entry, Row]], experts: Sequence[Row]) -> Iterable[Row]:
    """Rows under the paper's thresholds, each followed by the published row of the same detector."""
    left = {row.cells[0].value: row for row in experts}
    for entry, row in own:
        yield row
        if published := left.pop(entry.runs[0].info.about.get("published"), None):
            yield published
    yield from left.values()


def _hundredth(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _leaderboard_columns(*, hashes: bool, thresholds: bool, helpers: bool) -> tuple[Column, ...]:
    figures = [
        Column(f"{kind}_{name}", f"{title} {name}", "percent")
        for kind, title in (("det", "Det."), ("loc", "Loc."))
        for name in SHOWN
    ]
    return (
        Column("model", "Model"),
        Column("threshold", "Threshold", hidden=not thresholds),
        Column("expert", "Expert", hidden=not helpers),
        Column("reference", "Reference"),
        Column("knowledge", "Knowledge"),
        Column("reasoning", "Reasoning"),
        Column("seeds", "Seed"),
        Column("queries", "Queries", "count"),
        *figures,
        Column("unanswered", "Unanswered", "count"),
        Column("task", "Task", hidden=not hashes),
        Column("prompts", "Prompts", hidden=not hashes),
        Column("scorer", "Scorer", hidden=True),
    )


def _notes(entries: Sequence[_Entry], rows: Sequence[Row], *, shown_hashes: bool) -> Iterable[str]:
    if any(cell.sd is not None for row in rows for cell in row.cells):
        yield "Repeated runs: mean ± standard deviation between the repeats."
    if any(cell.low is not None for row in rows for cell in row.cells):
        yield f"In parentheses: {entries[0].scores[0].level:.0%} bootstrap intervals."
    if any(row.published for row in rows):
        yield (
            "Published rows are from Table 4 of the paper and were not measured here; bold is the best of "
            "the runs and, apart, of the published rows without those trained on the dataset."
        )
    yield from threshold_notes([run.info for entry in entries for run in entry.runs])
    yield from helper_notes([run.info for entry in entries for run in entry.runs])
    yield scorer_note()
    if not shown_hashes:
        prompts = {entry.identity.prompts for entry in entries} - {None}
        tasks = {source: task for entry in entries for source, task in entry.identity.tasks.items()}
        told = [f"prompts {digest[:SHORT]}" for digest in prompts if digest]
        told += [f"task {source} {digest[:SHORT]}" for source, digest in sorted(tasks.items())]
        yield f"Asked: {', '.join(told)}."
