"""`mmrad bench` with an expert beside a model, in one command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import run
from expert_parts import MeanDetector, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from servers import NO, FaultServer, says

__all__ = ["mean_detector"]

pytestmark = pytest.mark.usefixtures("mean_detector")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_parts(tmp_path / "corpus")


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.delenv("MMRAD_MODELS", raising=False)


def test_an_expert_and_a_model_in_one_command(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    with FaultServer(default=says(NO)) as server:
        arguments = [
            "bench",
            corpus.path,
            "--model",
            "patchcore",
            "--model",
            "m",
            "--base-url",
            server.base_url,
        ]
        said = run(*arguments, "--out", out, "--alpha", "0.2", "--batch-size", "4")
        asked = len(server.calls)
        again = json.loads(run(*arguments, "--out", out, "--alpha", "0.2", "--json"))
        assert len(server.calls) == asked == 12
    assert [line.partition(":")[0] for line in said.splitlines()] == ["patchcore", "patchcore-oracle", "m"]
    assert [one["name"] for one in again] == ["patchcore", "patchcore-oracle", "m"]
    assert all(one["problem"] == "" and one["overall"]["samples"] == 12 for one in again)
    expert, model = Run.load(out / "patchcore"), Run.load(out / "m")
    assert (expert.info.references, model.info.references) == (0, 1)
    assert expert.info.inspector["alpha"] == 0.2
    assert len(MeanDetector.learned) == 2  # once for each category
    assert "patchcore-oracle" in run("score", out)


def test_a_dry_run_costs_nothing(corpus: Corpus, tmp_path: Path) -> None:
    told = json.loads(
        run("bench", corpus.path, "--model", "padim", "--out", tmp_path / "runs", "--dry-run", "--json")
    )
    assert [(one["name"], one["plan"]["dollars"], one["plan"]["requests"]) for one in told] == [
        ("padim", 0.0, 12)
    ]
    assert not (tmp_path / "runs").exists()


def test_an_expert_trained_otherwise_is_not_mixed_in(corpus: Corpus, tmp_path: Path) -> None:
    run("bench", corpus.path, "--model", "padim", "--out", tmp_path / "runs")
    with pytest.raises(UsageError, match="seed"):
        run("bench", corpus.path, "--model", "padim", "--out", tmp_path / "runs", "--seed", "3")


def test_alpha_is_a_share(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="alpha"):
        run("bench", corpus.path, "--model", "padim", "--out", tmp_path / "runs", "--alpha", "5")
