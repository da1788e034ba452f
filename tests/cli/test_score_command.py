"""`mmrad score`, called in process as the command line calls it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from benched import NO, SMALL_VIEWS, Writer, right, run_of
from builders import make_corpus
from mmrad.cli.score import score
from mmrad.errors import DataError, UsageError

app = typer.Typer()
app.command()(score)


def _score(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    corpus = make_corpus(tmp_path / "corpus", 10)
    run_of(corpus, Writer(right, "good"), tmp_path / "runs")
    run_of(corpus, Writer(lambda _: NO, "always_no"), tmp_path / "runs")
    return tmp_path / "runs"


def test_a_table_is_printed(runs: Path) -> None:
    done = _score(runs)
    assert done.exit_code == 0
    assert "good" in done.stdout and "always_no" in done.stdout and "Scorer" in done.stdout


@pytest.mark.parametrize("by", ["source", "category", "size", "type", "run"])
def test_every_table_in_every_format(runs: Path, by: str) -> None:
    for format_ in ("text", "markdown", "latex", "csv", "json"):
        done = _score(runs, "--by", by, "--format", format_)
        assert done.exit_code == 0, done.output
        name = r"always\_no" if format_ in ("markdown", "latex") else "always_no"
        assert name in done.stdout


def test_one_run_is_scored_alone(runs: Path) -> None:
    done = _score(runs / "good", "--format", "csv")
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["model"], row["det_accuracy"], row["loc_accuracy"]) == ("good", "100.0", "100.0")


def test_json_has_everything_of_each_run(runs: Path) -> None:
    content = json.loads(_score(runs, "--json").stdout)
    assert content == json.loads(_score(runs, "--format", "json").stdout)
    run = next(run for run in content["runs"] if run["name"] == "good")
    assert run["scores"]["overall"]["figures"]["iou0.5_recall"]["value"] == 1
    assert run["faithfulness"]["figures"]["boxes_named"]["value"] == 1
    assert set(run["identity"]) == {"scorer", "prompts", "tasks"}
    assert run["cost"]["input_tokens"] == 1000
    assert run["reparsed_changed"] is None


def test_a_file_is_written(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.tex"
    assert _score(runs, "--format", "latex", "--out", out).exit_code == 0
    assert r"\toprule" in out.read_text("utf-8")


def test_comparison_with_a_run_by_name_and_by_folder(runs: Path) -> None:
    by_name = _score(runs, "--compare", "good", "--format", "csv")
    assert by_name.exit_code == 0
    assert by_name.stdout == _score(runs, "--compare", runs / "good", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(by_name.stdout)))
    assert {row["section"] for row in rows} == {"always_no"}
    assert rows[0]["difference"] == "-50.0" and 0 < float(rows[0]["p"]) < 0.2


def test_a_run_elsewhere_can_be_compared_with(runs: Path, tmp_path: Path) -> None:
    run_of(make_corpus(tmp_path / "corpus", 10), Writer(right, "older"), tmp_path / "old")
    done = _score(runs, "--compare", tmp_path / "old" / "older", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["section"] for row in rows} == {"good", "always_no"}


def test_reparse_tells_and_writes_only_when_asked(runs: Path) -> None:
    path = runs / "good" / "verdicts.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines[:2]:
        line["verdict"] |= {"status": "unparsed", "anomalous": None, "regions": []}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    before = path.read_bytes()
    done = _score(runs / "good", "--reparse", "--json")
    content = json.loads(done.stdout)
    assert content["runs"][0]["reparsed_changed"] == 2
    assert content["runs"][0]["scores"]["overall"]["figures"]["accuracy"]["value"] == 1
    assert "2 of 10 verdicts changed (not written" in done.stderr
    assert path.read_bytes() == before
    assert "2 of 10 verdicts changed (written)" in _score(runs / "good", "--reparse", "--write").stderr
    assert path.read_bytes().startswith(before)
    assert "0 of 10" in _score(runs / "good", "--reparse").stderr


def test_runs_without_texts_are_left_as_they_are_and_said_so(runs: Path) -> None:
    path = runs / "good" / "run.json"
    content = json.loads(path.read_text("utf-8"))
    del content["inspector"]["space"]
    path.write_text(json.dumps(content), "utf-8")
    done = _score(runs, "--reparse", "--format", "csv")
    assert done.exit_code == 0
    assert "left as stored" in done.stderr and "always_no: 0 of 10" in done.stderr
    alone = _score(runs / "good", "--reparse")
    assert isinstance(alone.exception, DataError)


def test_runs_that_are_not_comparable_are_refused_unless_mixed(runs: Path, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 10)
    run_of(corpus, Writer(right, "few"), runs, corpus.samples[:4])
    assert isinstance(_score(runs).exception, UsageError)
    done = _score(runs, "--mixed")
    assert done.exit_code == 0
    assert "Not comparable: 'always_no'" in done.stdout


def test_knowledge_is_a_column(runs: Path, tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 10)
    settings = replace(SMALL_VIEWS, domain_knowledge={"part": ("scratch",)})
    run_of(corpus, Writer(right, "good+knowledge", settings=settings), runs)
    rows = {row["model"]: row for row in csv.DictReader(io.StringIO(_score(runs, "--format", "csv").stdout))}
    assert (rows["good"]["knowledge"], rows["good+knowledge"]["knowledge"]) == ("no", "yes")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--write"],
        ["--published", "--iou", "0.3"],
        ["--published", "--by", "size"],
        ["--compare", "good", "--by", "type"],
        ["--by", "size", "--iou", "0.5"],
        ["--compare", "nobody"],
    ],
)
def test_what_would_be_left_unheard_is_refused(runs: Path, arguments: list[str]) -> None:
    assert isinstance(_score(runs, *arguments).exception, UsageError)


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    assert isinstance(_score(tmp_path).exception, DataError)
