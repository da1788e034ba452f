"""`mmrad bench` as a stranger calls it, against a real local server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from builders import make_corpus
from commands import run
from mmrad.bench import Run
from mmrad.cli import app
from mmrad.corpus import Corpus
from mmrad.errors import DataError, ProviderError, UsageError
from servers import NO, YES, FaultServer, fails, says

PRICED = """
["lab-1"]
api_model = "lab-1"
space = "thousand"
max_tokens = 100
logprobs = false
sources = { space = "made up" }
price = { input = 1.0, output = 1000.0, as_of = 2026-11-25, source = "made up", host = "HOST" }
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("MMRAD_MODELS", raising=False)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 6)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(PRICED, "utf-8")
    return path


def bench(corpus: Corpus, server: FaultServer, *arguments: object) -> str:
    return run(
        "bench", corpus.path, "--out", corpus.path.parent / "runs", "--base-url", server.base_url, *arguments
    )


def runs_of(corpus: Corpus) -> dict[str, Run]:
    folders = (corpus.path.parent / "runs").glob("*/run.json")
    return {run.info.name: run for run in map(Run.load, (path.parent for path in folders))}


def priced(models: Path, server: FaultServer) -> None:
    """Let the price hold at a server."""
    host = server.base_url.removeprefix("http://").removesuffix("/v1")
    models.write_text(PRICED.replace("HOST", host), "utf-8")


def recipe(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "recipe.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_recipe_asks_every_model_in_its_way(corpus: Corpus, tmp_path: Path) -> None:
    path = recipe(
        tmp_path,
        """
        [[runs]]
        model = "a"
        [[runs]]
        model = "b"
        references = 0
        reasoning = false
        repeats = 2
        temperature = 0.7
        """,
    )
    with FaultServer() as server:
        said = bench(corpus, server, "--recipe", path)
        again = bench(corpus, server, "--recipe", path)
        asked = len(server.calls)
        bodies = [call.body for call in server.calls]
    assert said == again and "b-no-reference-no-reasoning#2: detection accuracy 50.0%" in said
    assert asked == 18, "nothing answered is asked twice"
    found = runs_of(corpus)
    assert set(found) == {"a", "b-no-reference-no-reasoning", "b-no-reference-no-reasoning#2"}
    assert found["a"].info.references == 1 and found["b-no-reference-no-reasoning"].info.references == 0
    assert found["b-no-reference-no-reasoning#2"].info.about["repeat"] == 2
    assert found["b-no-reference-no-reasoning#2"].info.inspector["seed"] == 1
    images = [sum(part["type"] == "image_url" for part in body["messages"][-1]["content"]) for body in bodies]
    assert [(body["model"], count) for body, count in zip(bodies, images, strict=True)].count(("a", 2)) == 6


def test_a_model_that_cannot_be_reached_does_not_stop_the_others(
    corpus: Corpus, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer(default=fails(404)) as dead, FaultServer() as alive:
        path = recipe(
            tmp_path,
            f"""
            [[runs]]
            model = "gone"
            base_urls = ["{dead.base_url}"]
            [[runs]]
            model = "there"
            base_urls = ["{alive.base_url}"]
            """,
        )
        with pytest.raises(ProviderError, match="not complete: gone"):
            run("bench", corpus.path, "--recipe", path, "--out", tmp_path / "runs")
    assert len(runs_of(corpus)["there"].verdicts) == 6
    assert runs_of(corpus)["gone"].verdicts == {}


def test_the_cap_holds_over_runs_and_calls_and_loses_nothing(
    corpus: Corpus, models: Path, tmp_path: Path
) -> None:
    options = ("--model", "lab-1", "--models", models, "--concurrency", "1")
    with FaultServer(default=says(NO, tokens=(0, 50))) as server:  # five cents each
        priced(models, server)
        with pytest.raises(ProviderError, match="not complete: lab-1"):
            bench(corpus, server, *options, "--max-cost", "0.22")
        first = len(server.calls)
        with pytest.raises(ProviderError, match="not complete"):
            bench(corpus, server, *options, "--max-cost", "0.22")
        assert len(server.calls) == first, "money spent before counts"
        bench(corpus, server, *options, "--max-cost", "1")
        assert len(server.calls) == 6
    assert 0 < first < 5
    assert {verdict.status for verdict in runs_of(corpus)["lab-1"].verdicts.values()} == {"ok"}


def test_a_dry_run_asks_nobody_and_tells_what_is_left(corpus: Corpus, models: Path) -> None:
    with FaultServer() as server:
        priced(models, server)
        bench(corpus, server, "--model", "lab-1", "--models", models, "--limit", "2")
        asked = len(server.calls)
        told = bench(corpus, server, "--model", "lab-1", "--models", models, "--dry-run", "--json")
        assert len(server.calls) == asked == 2
    [intent] = json.loads(told)
    assert (intent["name"], intent["samples"], intent["plan"]["requests"]) == ("lab-1", 6, 4)
    assert 0 < intent["plan"]["dollars"] <= intent["plan"]["most_dollars"]


def test_a_response_cache_spares_a_second_run(corpus: Corpus, tmp_path: Path, models: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    with FaultServer() as server:
        common = ("--model", "lab-1", "--models", models, "--cache", cache)
        bench(corpus, server, *common)
        first = runs_of(corpus)["lab-1"]
        run("bench", corpus.path, "--out", tmp_path / "other", "--base-url", server.base_url, *common)
        assert len(server.calls) == 6
    second = Run.load(tmp_path / "other" / "lab-1")
    assert {k: v.regions for k, v in first.verdicts.items()} == {
        k: v.regions for k, v in second.verdicts.items()
    }
    assert all(verdict.usage.cached for verdict in second.verdicts.values())


def test_json_has_the_figures(corpus: Corpus) -> None:
    with FaultServer(default=says(YES)) as server:
        [record] = json.loads(bench(corpus, server, "--model", "a", "--json"))
    assert record["problem"] == "" and record["overall"]["samples"] == 6
    assert record["overall"]["figures"]["recall"]["value"] == 1.0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((), UsageError, "--model, once or more, or --recipe"),
        (("--model", "a", "--split", "nowhere"), (UsageError, DataError), "nowhere"),
        (("--model", "a", "--score", "probability", "--provider", "inspect"), UsageError, "base-url"),
    ],
)
def test_wrong_usage_is_told(corpus: Corpus, arguments: tuple[str, ...], error: Any, message: str) -> None:
    with FaultServer() as server, pytest.raises(error, match=message):
        bench(corpus, server, *arguments)
    assert not (corpus.path.parent / "runs").exists()


def test_retired_models_are_told(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "models.toml"
    path.write_text(PRICED.replace("sources", 'retires_on = 2020-01-01\nreplacement = "lab-2"\nsources'))
    with FaultServer() as server:
        arguments = ["--base-url", server.base_url, "--model", "lab-1", "--models", str(path)]
        result = CliRunner().invoke(
            app, ["bench", str(corpus.path), "--out", str(tmp_path / "runs"), *arguments]
        )
    assert "lab-1 was retired on 2020-01-01; its successor is lab-2" in result.stderr
