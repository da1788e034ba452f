"""`mmrad stats` as a user types it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mmrad.box import Box
from mmrad.cli import app
from mmrad.corpus import SourceInfo, write_corpus
from mmrad.errors import DataError, UsageError
from mmrad.sample import Region, Sample


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(
        app, ["stats", *map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "80"}
    )


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two sources, one of them of the paper, with two texts that are verified and one that is not."""
    dent = (Region(Box(0, 0, 10, 10), "dent"),)
    samples = [
        Sample(f"{source}/nut/test/{n}", source, "nut", "test", f"{n}.png", (40, 40), dent * n, "CC0")
        for source in ("mvtec", "[red]mine")
        for n in (0, 1, 2)
    ]
    sources = {
        name: SourceInfo(adapter=adapter, root="raw", licence="CC0")
        for name, adapter in (("mvtec", "mvtec"), ("[red]mine", "folder"))
    }
    write_corpus(tmp_path / "corpus", sources, samples)
    lines = [
        ("mvtec/nut/test/0", "replaced by the next line", True),
        ("mvtec/nut/test/0", "7 7 7", True),
        ("mvtec/nut/test/1", "not verified", False),
        ("[red]mine/nut/test/1", "7", True),
    ]
    (tmp_path / "corpus" / "texts").mkdir()
    (tmp_path / "corpus" / "texts" / "somebody.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "sample_id": sample_id,
                    "key": str(number),
                    "teacher": "somebody",
                    "view_wh": [28, 28],
                    "text": text,
                    "verified": verified,
                    "checks": {},
                }
            )
            + "\n"
            for number, (sample_id, text, verified) in enumerate(lines)
        )
    )
    return tmp_path / "corpus"


def test_the_table_names_the_tokenizer_and_counts_verified_texts(corpus: Path) -> None:
    pytest.importorskip("tokenizers")
    shown = run(corpus).output
    assert "anomaly-r1-nano" in shown
    assert "2 samples have a verified text" in shown
    assert "[red]mine" in shown
    assert "paper" not in shown
    found = json.loads(run(corpus, "--json").stdout)
    # Three numbers are three tokens and the spaces between them at most two more.
    assert [3 <= row["text_tokens"] <= 5 for row in found["sources"]] == [True, False]
    assert found["sources"][1]["text_tokens"] == 1


def test_compare_paper_shows_the_papers_figures_at_eighty_columns(corpus: Path) -> None:
    shown = run(corpus, "--compare-paper").output
    for figure in ("503,306", "26,381,426", "0.58M", "124,913", "MVTecAD", "published", "counted"):
        assert figure in shown
    found = json.loads(run(corpus, "--compare-paper", "--json").stdout)
    assert [row["paper"] and row["paper"]["name"] for row in found["sources"]] == ["MVTecAD", None]
    assert len(found["datasets"]) == 4


def test_without_the_local_extra_tokens_are_not_counted(corpus: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    shown = run(corpus).output
    assert shown.count("not counted") == 4
    assert "mmrad[local]" in shown
    found = json.loads(run(corpus, "--json").stdout)
    assert found["tokenizer"] is None
    assert found["sum"]["text_tokens"] is None


def test_text_sets_and_the_page(corpus: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"image": "a.png", "conversations": [{"from": "gpt", "value": "7 7"}]}]))
    shown = run(corpus, "--text-set", f"[red]other={path}", "--out", tmp_path / "out").output
    assert "[red]other" in shown
    assert "MMR-AD" not in shown
    assert "[red]other" in (tmp_path / "out" / "stats.html").read_text()
    assert (tmp_path / "out" / "box_size.png").exists()


def test_no_texts_are_shown_as_none(corpus: Path) -> None:
    (corpus / "texts" / "somebody.jsonl").unlink()
    shown = run(corpus).output
    assert "0 samples have a verified text" in shown
    assert "mmrad teach" in shown


def test_bad_arguments_and_files_are_explained(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'nonsense' is not NAME=FILE"):
        run(corpus, "--text-set", "nonsense")
    with pytest.raises(DataError, match=r"none\.json"):
        run(corpus, "--text-set", f"other={tmp_path / 'none.json'}")
    (corpus / "texts" / "somebody.jsonl").write_text('{"sample_id": "mvtec/nut/test/0", "verified": true}\n')
    with pytest.raises(DataError, match=r"somebody\.jsonl.*is no teacher's text"):
        run(corpus)
