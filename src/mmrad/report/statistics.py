"""The statistics of a corpus as tables, as JSON and as a page."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmrad.curate.statistics import TOTAL, Composition, Dataset, Statistics
from mmrad.files import atomic_path, write_text
from mmrad.report.html import render

FILE_NAME = "stats.html"

NOT_COUNTED = "not counted"
_UNKNOWN = "–"


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything that is shown of a corpus.

    Attributes:
        corpus: Its folder.
        statistics: Its statistics.
        tokenizer: Name of the tokenizer that text tokens are counted with; None when they are not counted.
        notes: What a reader of the tables must know, in sentences.
        paper: The paper's row by name of a source, and that of all its sources under `SUM`; None when the
            corpus is not compared with the paper.
        datasets: The other rows of Table 3.
    """

    corpus: Path
    statistics: Statistics
    tokenizer: str | None
    notes: tuple[str, ...] = ()
    paper: Mapping[str, Composition] | None = None
    datasets: tuple[Dataset, ...] = ()

    @property
    def this_corpus(self) -> Dataset:
        """The corpus as a row of Table 3."""
        counts = replace(self.statistics.total, name=f"this corpus ({self.corpus.name})")
        return Dataset(counts, "think, then answer" if counts.with_text else "none", "precise boxes")

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; an unknown figure is null."""
        edges, counts = self.statistics.box_size_histogram()
        paper = {} if self.paper is None else {name: asdict(row) for name, row in self.paper.items()}
        return {
            "corpus": str(self.corpus),
            "tokenizer": self.tokenizer,
            "notes": list(self.notes),
            "sources": [asdict(row) | {"paper": paper.get(row.name)} for row in self.statistics.sources],
            "sum": asdict(self.statistics.total) | {"paper": paper.get(TOTAL)},
            "datasets": [
                asdict(row) | {"tokens_per_sample": row.counts.tokens_per_sample}
                for row in (*self.datasets, self.this_corpus)
            ],
            "box_size": {"edges": edges.tolist(), "counts": counts.tolist()},
            "boxes_per_image": self.statistics.boxes_per_image_histogram(),
            "categories": [asdict(row) for row in self.statistics.categories],
        }


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table as text, for the terminal and the page.

    Attributes:
        title: Its title.
        caption: How its figures came about.
        columns: Its headings; the first column holds names.
        rows: Whether a row is published elsewhere, not counted here, and its cells.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[bool, tuple[str, ...]], ...]


def composition_table(summary: Summary) -> TextTable:
    """The columns of Table 1 by source, each above the paper's row where there is one."""
    rows: list[tuple[bool, tuple[str, ...]]] = []
    for row in (*summary.statistics.sources, summary.statistics.total):
        rows.append((False, _composition(row.name, row)))
        published = (summary.paper or {}).get(row.name)
        if published:
            rows.append((True, _composition(f"  {published.name} (paper)", published)))
    columns = (
        "source", "images", "normal", "anomalous", "text tokens",
        "categories", "anomaly types", "anomalies",
    )  # fmt: skip
    caption = f"{summary.statistics.total.with_text:,} samples have a verified text. {_caption(summary)}"
    if summary.paper:
        caption += " The paper sums up all its 14 sources."
    return TextTable("Composition", caption, columns, tuple(rows))


def _composition(name: str, row: Composition) -> tuple[str, ...]:
    return (
        name,
        *map(_number, (row.images, row.normal, row.anomalous)),
        NOT_COUNTED if row.text_tokens is None else _number(row.text_tokens),
        *map(_number, (row.categories, row.anomaly_types, row.anomalies)),
    )


def dataset_table(summary: Summary) -> TextTable:
    """Table 3 with its datasets side by side; tokens in two digits, as there."""
    datasets = (*summary.datasets, summary.this_corpus)
    rows = {
        "figures": ["published" if dataset.published else "counted" for dataset in datasets],
        "categories": [_number(dataset.counts.categories) for dataset in datasets],
        "normal": [_number(dataset.counts.normal) for dataset in datasets],
        "anomalous": [_number(dataset.counts.anomalous) for dataset in datasets],
        "images": [_number(dataset.counts.images) for dataset in datasets],
        "anomaly types": [_number(dataset.counts.anomaly_types) for dataset in datasets],
        "reasoning text": [dataset.reasoning_text for dataset in datasets],
        "text tokens": [_rounded(dataset.counts.text_tokens) for dataset in datasets],
        "tokens per sample": [_mean(dataset.counts.tokens_per_sample) for dataset in datasets],
        "location": [dataset.location or _UNKNOWN for dataset in datasets],
    }
    caption = _caption(summary)
    if summary.paper:
        caption += " The paper names no tokenizer for its published figures."
    return TextTable(
        "Datasets with text",
        caption,
        ("", *(dataset.counts.name for dataset in datasets)),
        tuple((False, (name, *cells)) for name, cells in rows.items()),
    )


def _caption(summary: Summary) -> str:
    if summary.tokenizer is None:
        return "Text tokens are not counted."
    return f"Text tokens are counted with the tokenizer of {summary.tokenizer}."


def _number(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _rounded(tokens: int | None) -> str:
    """Two digits of a large number: 0.58M, 26M."""
    if tokens is None:
        return NOT_COUNTED
    return _number(tokens) if tokens < 10_000 else f"{float(f'{tokens / 1e6:.2g}'):g}M"


def _mean(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0f}"


def write_statistics(summary: Summary, out: Path) -> Path:
    """Write the statistics as a folder: `stats.html`, which holds everything it shows, and its plots as PNG.

    Args:
        summary: What to show.
        out: The folder; created when missing.

    Returns:
        The page.
    """
    from mmrad.report.plots import plot_statistics

    plots = plot_statistics(summary.statistics)
    for name, content in plots.items():
        with atomic_path(out / f"{name}.png") as temporary:
            temporary.write_bytes(content)
    page = render(
        "stats.html.j2",
        corpus=summary.corpus.name,
        total=summary.statistics.total,
        tables=shown_tables(summary),
        notes=summary.notes,
        categories=summary.statistics.categories,
        plots={name: base64.b64encode(content).decode("ascii") for name, content in plots.items()},
    )
    write_text(out / FILE_NAME, page)
    return out / FILE_NAME


def shown_tables(summary: Summary) -> Sequence[TextTable]:
    """The composition, and the comparison of datasets where there are others to compare with."""
    return [composition_table(summary), *([dataset_table(summary)] if summary.datasets else [])]
