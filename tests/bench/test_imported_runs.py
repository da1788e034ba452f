"""Predictions in the plain form that anyone can write."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from builders import make_corpus
from mmrad.bench import Run
from mmrad.bench.imported import import_run
from mmrad.bench.reparse import reparse
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import DataError, MissingExtraError, UsageError
from mmrad.view import Budget

YES = "<think>there</think><answer>Yes. {'bbox_2d': [100, 200, 500, 900], 'label': 'dent'}</answer>"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 4)


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def name(number: int) -> str:
    return f"made/part/test/{number:03}"


def test_lines_of_anyone_become_a_run(corpus: Corpus, tmp_path: Path) -> None:
    file = written(
        tmp_path / "mine.jsonl",
        {"sample_id": name(1), "prediction": YES},
        {"id": name(0), "text": "No."},
        {"sample_id": name(2), "prediction": "", "error": "HTTP 500"},
        {"sample_id": name(3), "prediction": None},
    )
    found = import_run(
        corpus, corpus.samples, file, tmp_path / "runs", name="lab/m", space=CoordinateSpace.THOUSAND
    )
    run = Run.load(tmp_path / "runs" / "lab_m")
    assert run.info.name == "lab/m"
    assert run.info.inspector["harness"] == "plain"
    assert run.info.inspector["prompts_hash"] == "unknown"
    verdicts = run.verdicts
    assert [verdicts[name(number)].status for number in range(4)] == ["ok", "ok", "failed", "empty"]
    assert verdicts[name(2)].detail == "HTTP 500"
    assert verdicts[name(1)].regions[0].box.xyxy == pytest.approx((8.4, 11.2, 42, 50.4))  # of 84x56
    assert found.missing == found.unknown == ()


def test_duplicates_unknown_ids_and_missing_samples_are_counted_and_said(
    corpus: Corpus, tmp_path: Path
) -> None:
    file = written(
        tmp_path / "mine.jsonl",
        {"sample_id": name(0), "prediction": YES},
        {"sample_id": "made/part/test/no-such", "prediction": "No."},
        {"sample_id": name(0), "prediction": "No."},
    )
    found = import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.THOUSAND)
    assert found.run.verdicts[name(0)].anomalous is False  # the last counts
    assert [found.run.verdicts[name(number)].status for number in (1, 2, 3)] == ["failed"] * 3
    assert (found.duplicates, found.unknown) == (1, ("made/part/test/no-such",))
    assert found.missing == (name(1), name(2), name(3))
    assert found.describe() == (
        "m: 3 predictions of plain, 1 of no sample of the run (first made/part/test/no-such), "
        f"3 missing (first {name(1)}), 1 superseded by a later one, 3 failed"
    )


ANSWER = "<answer>Yes. {'bbox_2d': [14, 14, 28, 28], 'label': 'dent'}</answer>"
SMALL = Budget(min_pixels=28 * 28, max_pixels=28 * 56)


def test_boxes_in_pixels_of_views_are_read_by_the_sizes_of_the_file(corpus: Corpus, tmp_path: Path) -> None:
    row = {"sample_id": name(0), "prediction": ANSWER, "view_wh": [168, 112]}
    file, space = written(tmp_path / "mine.jsonl", row), CoordinateSpace.VIEW
    run = import_run(corpus, corpus.samples[:1], file, tmp_path, name="m", space=space, budget=SMALL).run
    assert run.verdicts[name(0)].regions[0].box.xyxy == pytest.approx((7, 7, 14, 14))
    assert "max_pixels" not in run.info.inspector


def test_or_else_by_the_budget_and_the_run_can_be_read_again(corpus: Corpus, tmp_path: Path) -> None:
    file, space = written(tmp_path / "mine.jsonl", {"id": name(0), "text": ANSWER}), CoordinateSpace.VIEW
    run = import_run(corpus, corpus.samples[:1], file, tmp_path, name="m", space=space, budget=SMALL).run
    # 84x56 within 1568 pixels is shown as 28x28.
    assert run.verdicts[name(0)].regions[0].box.xyxy == pytest.approx((42, 28, 84, 56))
    assert run.info.inspector["max_pixels"] == 28 * 56
    assert reparse(run).verdicts == run.verdicts


def test_sizes_of_some_views_alone_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    file = written(
        tmp_path / "mine.jsonl",
        {"id": name(0), "text": ANSWER, "view_wh": [168, 112]},
        {"id": name(1), "text": ANSWER},
    )
    with pytest.raises(DataError, match="in all or in none"):
        import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.VIEW)


def test_the_convention_has_to_be_told(corpus: Corpus, tmp_path: Path) -> None:
    file = written(tmp_path / "mine.jsonl", {"sample_id": name(0), "prediction": YES})
    with pytest.raises(UsageError, match=r"give --space, one of view, .*thousand_yx"):
        import_run(corpus, corpus.samples, file, tmp_path, name="m")
    assert not (tmp_path / "m").exists()


def test_another_file_under_the_same_name_is_refused_and_the_same_one_is_not(
    corpus: Corpus, tmp_path: Path
) -> None:
    file = written(tmp_path / "mine.jsonl", {"sample_id": name(0), "prediction": YES})
    for _ in range(2):
        import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.UNIT)
    written(file, {"sample_id": name(0), "prediction": "No."})
    with pytest.raises(UsageError, match="file_sha256"):
        import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.UNIT)


@pytest.mark.parametrize(
    ("file", "content", "what"),
    [
        ("a.jsonl", "", "holds no predictions"),
        ("a.jsonl", "{", "unreadable"),
        ("a.jsonl", "[1]", "rows of named values"),
        ("a.json", '{"made": 1}', "not a list of rows"),
        ("a.jsonl", '{"question": "Yes?"}', "row 1 has"),
        ("a.jsonl", '{"id": 7, "prediction": "No."}', "the id is 7"),
        ("a.jsonl", '{"id": "x", "prediction": {"a": 1}}', "row 1: not a prediction of plain"),
        ("a.jsonl", '{"id": "x", "prediction": "No."}', "none of its 1 predictions is of a sample"),
        ("a.xlsx", "no sheet", "unreadable"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    corpus: Corpus, tmp_path: Path, file: str, content: str, what: str
) -> None:
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=what):
        import_run(corpus, corpus.samples, tmp_path / file, tmp_path, name="m", space=CoordinateSpace.UNIT)


def test_pickles_are_never_read_and_a_missing_file_is_told(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"are read from \.jsonl"):
        import_run(corpus, corpus.samples, tmp_path / "a.pkl", tmp_path, name="m")
    with pytest.raises(DataError, match="no such file"):
        import_run(corpus, corpus.samples, tmp_path / "a.tsv", tmp_path, name="m")


def test_a_table_keeps_every_answer_as_text(corpus: Corpus, tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text(f"id,prediction\n{name(0)},NA\n{name(1)},1\n{name(2)},\n", encoding="utf-8")
    run = import_run(corpus, corpus.samples[:3], file, tmp_path, name="m", space=CoordinateSpace.UNIT).run
    assert [(verdict.status, verdict.raw_text) for verdict in run.verdicts.values()] == [
        ("unparsed", "NA"),
        ("unparsed", "1"),
        ("empty", ""),
    ]


def test_without_openpyxl_a_sheet_says_what_to_install(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openpyxl")
    import pandas as pd

    file = tmp_path / "a.xlsx"
    pd.DataFrame([{"id": name(0), "prediction": "No."}]).to_excel(file)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtraError, match="openpyxl"):
        import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.UNIT)


def test_the_command_says_what_it_found(corpus: Corpus, tmp_path: Path) -> None:
    import typer

    from mmrad.cli.import_runs import import_runs

    app = typer.Typer()
    app.command()(import_runs)
    rows = [{"sample_id": sample.id, "prediction": "No."} for sample in corpus.samples]
    file = written(tmp_path / "mine.jsonl", *rows)
    arguments = [corpus.path, file, "--name", "m", "--out", tmp_path / "runs", "--space", "thousand"]
    result = CliRunner().invoke(app, [str(argument) for argument in [*arguments, "--references", "0"]])
    assert result.exit_code == 0, result.output
    assert result.stdout == "m: 4 predictions of plain\n"
    assert Run.load(tmp_path / "runs" / "m").info.references == 0
