"""Tables as LaTeX, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import Any, Literal

from mmrad.metrics import Figure

Kind = Literal["text", "count", "percent", "points", "share", "p", "amount"]
"""What the values of a column are, and so how they are written.

`text`; `count`, a whole number; `percent`, a share from 0 to 1 written in percent; `points`, a difference of
such shares, written with its sign; `share`, from 0 to 1 and written so; `p`, a p-value; `amount`, any other
number.
"""

_HUNDREDFOLD = ("percent", "points")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: Name for programs.
        title: Name for people.
        kind: What its values are.
        hidden: Whether only CSV and JSON have it.
    """

    key: str
    title: str
    kind: Kind = "text"
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table.

    Attributes:
        value: None where there is none.
        low: Lower end of its interval.
        high: Upper end.
        sd: Standard deviation between repeated runs.
        best: Whether it is the best of those it can be compared with.
    """

    value: str | float | None = None
    low: float | None = None
    high: float | None = None
    sd: float | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Attributes:
        section: What the rows around it have in common, such as a source; empty for none.
        cells: As many as columns.
        published: Whether its figures were taken from a publication.
    """

    section: str
    cells: tuple[Cell, ...]
    published: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table, whatever it is written as.

    Attributes:
        title: One sentence.
        columns: Its columns.
        rows: Its rows, those of a section together.
        notes: Sentences that belong under it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The table as plain JSON values: shares from 0 to 1, and each row's cells by column."""
        keys = [column.key for column in self.columns]
        return {
            "title": self.title,
            "columns": [asdict(column) for column in self.columns],
            "rows": [
                {
                    "section": row.section,
                    "published": row.published,
                    "cells": {key: asdict(cell) for key, cell in zip(keys, row.cells, strict=True)},
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def figure_cell(figure: Figure) -> Cell:
    """A figure with its interval."""
    return Cell(figure.value, figure.low, figure.high)


def with_best(rows: Sequence[Row]) -> list[Row]:
    """The rows with the highest figures marked, where there is something to be better than.

    Only figures are floats: counts and texts are not better or worse.
    """
    columns = []
    for cells in zip(*(row.cells for row in rows), strict=True):
        known = [cell.value for cell in cells if isinstance(cell.value, float)]
        highest = max(known) if len(known) > 1 else None
        columns.append([replace(cell, best=highest is not None and cell.value == highest) for cell in cells])
    return [replace(row, cells=cells) for row, cells in zip(rows, zip(*columns, strict=True), strict=True)]


def shown(column: Column, cell: Cell) -> str:
    """The text of a cell for people, with its interval or its spread, without markup."""
    if cell.value is None:
        return "–"
    if isinstance(cell.value, str):
        return cell.value
    text = _number(column.kind, cell.value)
    if cell.sd is not None:
        return f"{text} ± {_number('percent', cell.sd)}"
    if cell.low is None or cell.high is None:
        return text
    to = " to " if column.kind == "points" else "–"  # no dash before a minus
    return f"{text} ({_number(column.kind, cell.low)}{to}{_number(column.kind, cell.high)})"


def to_csv(table: Table) -> str:
    """CSV with a line of headings: numbers without markup, percentages as such, ends of intervals apart.

    Titles and notes, for which CSV has no place, are left out.
    """
    bounds = {
        column.key: [
            name
            for name in ("low", "high", "sd")
            if any(getattr(row.cells[i], name) is not None for row in table.rows)
        ]
        for i, column in enumerate(table.columns)
    }
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    headings = [[key, *(f"{key}_{name}" for name in names)] for key, names in bounds.items()]
    writer.writerow(["section", *(name for group in headings for name in group), "published"])
    for row in table.rows:
        values = [
            _plain(column.kind, getattr(cell, name))
            for column, cell in zip(table.columns, row.cells, strict=True)
            for name in ("value", *bounds[column.key])
        ]
        writer.writerow([row.section, *values, "yes" if row.published else "no"])
    return file.getvalue()


def to_markdown(table: Table) -> str:
    """A Markdown table, the best values bold, with its notes; sections are its first column."""
    columns = _visible(table)
    sections = any(row.section for row in table.rows)
    first = [""] if sections else []
    lines = [
        _markdown_row([*first, *(markdown_text(column.title) for _, column in columns)]),
        _markdown_row([*("---" for _ in first), *(_ALIGNED[column.kind != "text"] for _, column in columns)]),
    ]
    for section, rows in groupby(table.rows, lambda row: row.section):
        name = markdown_text(section)
        for row in rows:
            cells = _marked(row, columns, markdown_text, "**{}**".format)
            lines.append(_markdown_row([*([name] if sections else []), *cells]))
            name = ""
    notes = "".join(f"\n{markdown_text(note)}\n" for note in table.notes)
    return f"**{markdown_text(table.title)}**\n\n" + "\n".join(lines) + "\n" + notes


def to_latex(table: Table) -> str:
    r"""A LaTeX table with booktabs' rules, the best values bold, the notes in its caption.

    Text is escaped. Letters beyond Latin ones need XeLaTeX or LuaLaTeX.
    """
    columns = _visible(table)
    body: list[str] = []
    for section, rows in groupby(table.rows, lambda row: row.section):
        body.append(r"    \midrule")
        if section:
            heading = rf"\multicolumn{{{len(columns)}}}{{l}}{{\textit{{{latex_text(section)}}}}}"
            body.append(rf"    {heading} \\")
        body += [
            "    " + " & ".join(_marked(row, columns, latex_text, r"\textbf{{{}}}".format)) + r" \\"
            for row in rows
        ]
    headings = " & ".join(latex_text(column.title) for _, column in columns)
    caption = " ".join(map(latex_text, (table.title, *table.notes)))
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            r"\begin{table*}",
            r"  \centering",
            rf"  \caption{{{caption}}}",
            rf"  \begin{{tabular}}{{{''.join('l' if c.kind == 'text' else 'r' for _, c in columns)}}}",
            r"    \toprule",
            rf"    {headings} \\",
            *body,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Text as LaTeX shows it letter by letter."""
    return _LATEX.sub(lambda match: _LATEX_FOR[match[0]], _one_line(text))


def markdown_text(text: str) -> str:
    """Text as Markdown shows it letter by letter, inside a table too."""
    return _MARKDOWN.sub(r"\\\g<0>", _one_line(text))


_ALIGNED = ("---", "---:")
_MARKDOWN = re.compile(r"[\\|*_`~<>\[\]&$]")
_LATEX_FOR = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "≥": r"$\geq$",
    "±": r"$\pm$",
    "–": "--",
    "†": r"\dag{}",
    **{character: f"\\{character}" for character in "_%&#${}"},
}
_LATEX = re.compile("[" + re.escape("".join(_LATEX_FOR)) + "]")


def _one_line(text: str) -> str:
    printable = text.encode("utf-8", "replace").decode()  # models and file names have lone surrogates
    return " ".join("".join(c if c.isprintable() else " " for c in printable).split())


def _visible(table: Table) -> list[tuple[int, Column]]:
    return [(i, column) for i, column in enumerate(table.columns) if not column.hidden]


def _marked(
    row: Row, columns: list[tuple[int, Column]], escape: Callable[[str], str], bold: Callable[[str], str]
) -> Iterator[str]:
    for number, (i, column) in enumerate(columns):
        mark = " (published)" if row.published and not number else ""
        text = escape(shown(column, row.cells[i]) + mark)
        yield bold(text) if row.cells[i].best else text


def _markdown_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(kind: Kind, value: float) -> str:
    match kind:
        case "percent":
            return f"{100 * value:.1f}"
        case "points":
            return f"{100 * value:+.1f}"
        case "share":
            return f"{value:.3f}"
        case "p":
            return "<0.001" if value < 0.001 else f"{value:.3f}"
        case "count":
            return f"{value:,.0f}"
        case _:
            return f"{value:,.4g}"


def _plain(kind: Kind, value: str | float | None) -> str | float | None:
    if isinstance(value, float) and kind in _HUNDREDFOLD:
        return round(100 * value, 4)
    return value
