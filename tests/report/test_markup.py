from __future__ import annotations

import csv
import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.report.markup import (
    Cell,
    Column,
    Row,
    Table,
    latex_text,
    markdown_text,
    shown,
    to_csv,
    to_latex,
    to_markdown,
    with_best,
)

HOSTILE = r"a_b%c&d#e$f~g^h\i{j}k|l*m`n<o>[p]"
COLUMNS = (
    Column("model", "Model"),
    Column("accuracy", "Acc. | %", "percent"),
    Column("queries", "Queries", "count"),
    Column("hash", "Hash", hidden=True),
)


def _row(name: str, value: float | None, section: str = "visa", **more: bool) -> Row:
    low, high = (None, None) if value is None else (value - 0.1, value + 0.1)
    return Row(section, (Cell(name), Cell(value, low, high), Cell(1234), Cell("ab")), **more)


TABLE = Table(
    "Runs & more.",
    COLUMNS,
    (*with_best([_row(HOSTILE, 0.5), _row("b", 0.25)]), _row("GPT-4o†", 0.576, published=True)),
    ("95% intervals.",),
)


def test_latex_is_escaped_letter_by_letter() -> None:
    assert latex_text(HOSTILE) == (
        r"a\_b\%c\&d\#e\$f\textasciitilde{}g\textasciicircum{}h\textbackslash{}i\{j\}k\textbar{}l*m`n"
        r"\textless{}o\textgreater{}[p]"
    )


@given(st.text())
def test_no_text_can_leave_a_latex_cell(text: str) -> None:
    escaped = latex_text(text)
    for command in (
        "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "dag",
    ):  # fmt: skip
        escaped = escaped.replace(f"\\{command}{{}}", "")
    escaped = escaped.replace(r"$\geq$", "").replace(r"$\pm$", "")
    escaped = re.sub(r"\\[_%&#${}]", "", escaped)
    assert not re.search(r"[\\_%&#$~^{}\n]", escaped)


@given(st.text())
def test_no_text_can_leave_a_markdown_cell(text: str) -> None:
    escaped = markdown_text(text)
    assert "\n" not in escaped
    assert not re.search(r"[|*`<\[]", re.sub(r"\\.", "", escaped))


def test_latex_has_booktabs_rules_sections_and_bold() -> None:
    lines = to_latex(TABLE).splitlines()
    assert r"\usepackage{booktabs}" in lines[0]
    assert r"  \begin{tabular}{lrr}" in lines
    assert r"  \caption{Runs \& more. 95\% intervals.}" in lines
    assert [line.strip() for line in lines if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert r"    \multicolumn{3}{l}{\textit{visa}} \\" in lines
    assert any(r" & \textbf{50.0 (40.0--60.0)} & 1,234 \\" in line for line in lines)
    assert any(r"GPT-4o\dag{} (published) & 57.6" in line for line in lines)
    body = [line for line in lines if line.endswith(r"\\") and "multicolumn" not in line]
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {2}


def test_markdown_has_as_many_cells_in_each_row() -> None:
    text = to_markdown(TABLE)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {5}
    assert rows[1] == "| --- | --- | ---: | ---: |"
    assert rows[2].startswith("| visa | a\\_b%c\\&d#e") and rows[3].startswith("|  | b |")
    assert "**50.0 (40.0–60.0)**" in rows[2]
    assert "GPT-4o† (published)" in rows[4]
    assert text.rstrip().endswith("95% intervals.")


def test_csv_is_plain_and_complete() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert [row["model"] for row in rows] == [HOSTILE, "b", "GPT-4o†"]
    assert rows[0]["accuracy"] == "50.0" and rows[0]["accuracy_low"] == "40.0"
    assert (rows[0]["queries"], rows[0]["hash"], rows[0]["section"]) == ("1234", "ab", "visa")
    assert [row["published"] for row in rows] == ["no", "no", "yes"]


def test_json_has_every_cell_by_column() -> None:
    loaded = json.loads(json.dumps(TABLE.to_dict(), allow_nan=False))
    assert loaded["rows"][1]["cells"]["accuracy"]["value"] == 0.25
    assert loaded["rows"][2]["published"] is True


@pytest.mark.parametrize(
    ("kind", "cell", "text"),
    [
        ("percent", Cell(None), "–"),
        ("percent", Cell(0.5, sd=0.0123), "50.0 ± 1.2"),
        ("points", Cell(-0.03, -0.05, -0.01), "-3.0 (-5.0 to -1.0)"),
        ("p", Cell(0.0005), "<0.001"),
        ("p", Cell(0.0421), "0.042"),
        ("share", Cell(0.12345), "0.123"),
        ("amount", Cell(12.3456), "12.35"),
        ("count", Cell(0), "0"),
    ],
)
def test_values_are_written_by_their_kind(kind: str, cell: Cell, text: str) -> None:
    assert shown(Column("x", "X", kind), cell) == text  # type: ignore[arg-type]


def test_the_best_is_marked_where_there_is_something_to_be_better_than() -> None:
    assert not with_best([_row("a", 0.5)])[0].cells[1].best
    both = with_best([_row("a", 0.5), _row("b", 0.5), _row("c", None)])
    assert [row.cells[1].best for row in both] == [True, True, False]
    assert not with_best([_row("a", 0.5), _row("b", None)])[0].cells[1].best
    assert not any(row.cells[2].best for row in both)  # counts are not better or worse
