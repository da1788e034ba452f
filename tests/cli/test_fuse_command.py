"""Experts that help models, as a stranger calls them: `mmrad bench --expert`, `mmrad fuse`, the tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import run
from expert_parts import MeanDetector, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.cli import app
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from servers import NO, FaultServer, says

__all__ = ["mean_detector"]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mean_detector: type[MeanDetector]) -> Corpus:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    corpus = make_parts(tmp_path / "corpus")
    run("bench", corpus.path, "--model", "patchcore", "--out", tmp_path / "runs")
    return corpus


def test_hints_and_fusing_side_by_side_in_one_table(corpus: Corpus, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with FaultServer(default=says(NO)) as server:
        common = ("bench", corpus.path, "--model", "m", "--base-url", server.base_url, "--out", runs)
        run(*common)
        [plan] = json.loads(
            run(*common, "--expert", runs / "patchcore", "--hints", "crops", "--dry-run", "--json")
        )
        assert len(server.calls) == 12 and plan["name"] == "m+patchcore-crops"
        run(*common, "--expert", runs / "patchcore", "--hints", "crops")
        run(*common, "--expert", runs / "patchcore")
        assert len(server.calls) == 36
    said = run("fuse", runs / "m", runs / "patchcore", "--out", runs)
    assert said == run("fuse", runs / "m", runs / "patchcore", "--out", runs)
    assert said.startswith("m+patchcore-fused: detection accuracy 100.0%")
    table = json.loads(run("score", runs, "--json"))["table"]
    helpers = {row["cells"]["model"]["value"]: row["cells"]["expert"]["value"] for row in table["rows"]}
    assert helpers == {
        "m": None,
        "m+patchcore-crops": "patchcore, crops",
        "m+patchcore-text": "patchcore, text",
        "m+patchcore-fused": "patchcore, fused",
        "patchcore": None,
        "patchcore-oracle": None,
    }
    [column] = [column for column in table["columns"] if column["key"] == "expert"]
    assert not column["hidden"]
    run("report", runs)
    page = (runs / "report.html").read_text("utf-8")
    assert '"helper":"patchcore, fused"' in page.replace('": "', '":"')


def test_a_hinted_model_can_be_fused_too_under_a_name_of_one_s_own(corpus: Corpus, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with FaultServer(default=says(NO)) as server:
        common = ("bench", corpus.path, "--model", "m", "--base-url", server.base_url, "--out", runs)
        run(*common, "--expert", runs / "patchcore")
    (runs / "experts" / "patchcore").rename(tmp_path / "mine")
    common = ("fuse", runs / "m_patchcore-text", runs / "patchcore", "--out", runs, "--name", "both")
    with pytest.raises(DataError, match="--expert"):
        run(*common)
    run(*common, "--expert", tmp_path / "mine")
    assert Run.load(runs / "both").info.about["hints"]["as"] == "text"
    [row] = [
        row["cells"]
        for row in json.loads(run("score", runs / "both", "--json"))["table"]["rows"]
        if row["cells"]["model"]["value"] == "both"
    ]
    assert row["expert"]["value"] == "patchcore, text; patchcore, fused"


def test_wrong_usage_is_told(corpus: Corpus, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with FaultServer() as server:
        common = (
            "bench",
            corpus.path,
            "--model",
            "m",
            "--base-url",
            server.base_url,
            "--out",
            tmp_path / "x",
        )
        with pytest.raises(UsageError, match="labels of these very queries"):
            run(*common, "--expert", runs / "patchcore-oracle")
        with pytest.raises(DataError, match="not a run"):
            run(*common, "--expert", tmp_path / "nowhere")
        with pytest.raises(UsageError, match="hints need an expert"):
            run(*common, "--hints", "crops")
        assert not server.calls
    assert "fuse" in {command.name for command in app.registered_commands}
