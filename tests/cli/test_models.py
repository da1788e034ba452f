import json
from datetime import date
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from mmrad.catalogue import catalogue
from mmrad.catalogue.load import VARIABLE
from mmrad.cli import models
from mmrad.errors import DataError, UsageError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(models, "_today", lambda: date(2026, 11, 25))
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(models.models)

    def call(*arguments: str):
        return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "160"})

    return call


def test_the_table_shows_a_model_a_line_with_its_dated_price(run) -> None:
    shown = run()
    assert shown.exit_code == 0
    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line.strip()}
    assert set(catalogue()) <= lines.keys()
    assert lines["gpt-5"].split() == (
        ["gpt-5", "GPT-5", "thousand", "??", "always", "1.25", "10", "2026-11-25", "2026-12-11"]
    )
    assert lines["internvl3-8b"].split() == ["internvl3-8b", "InternVL3-8B", "thousand", "none"]


def test_retirements_are_warned_of_apart_from_the_table(run) -> None:
    shown = run()
    assert "o4-mini was retired on 2026-10-23; its successor is gpt-5.6-terra" in shown.stderr
    assert "gemini-2.5-pro retires in 6 days" in shown.stderr
    assert "gpt-5.1 " not in shown.stderr
    assert "successor" not in shown.stdout


def test_one_model_is_shown_with_its_sources_and_what_nobody_checked(run) -> None:
    shown = run("qvq-max")
    said = " ".join(shown.stdout.split())
    assert "stream yes" in said and "system no" in said
    assert "price unknown" in said
    assert "source of system alibabacloud.com" in said
    assert "unverified its box convention" in said
    assert shown.stderr.startswith("qvq-max was retired")


def test_a_hosts_price_is_shown_with_the_host(run) -> None:
    said = " ".join(run("gemma-3-27b").stdout.split())
    assert (
        "price 0.08 in, 0.16 out (dollars per million tokens) at api.deepinfra.com; as of 2026-11-25" in said
    )


def test_json_is_all_that_is_known_and_nothing_else(run) -> None:
    everything = run("--json")
    described = {entry["name"]: entry for entry in json.loads(everything.stdout)}
    assert set(described) == set(catalogue())
    assert described["gpt-5"]["price"]["as_of"] == "2026-11-25"
    assert described["gpt-5"]["space"] == "thousand"
    assert described["gpt-5"]["warning"].startswith("gpt-5 retires in 16 days")
    assert described["internvl3-8b"]["price"] is None and described["internvl3-8b"]["warning"] is None
    assert everything.stderr == ""
    assert json.loads(run("gpt-5", "--json").stdout) == described["gpt-5"]


def test_a_vendors_models_alone(run) -> None:
    shown = {entry["vendor"] for entry in json.loads(run("--vendor", "anthropic", "--json").stdout)}
    assert shown == {"Anthropic"}
    error = run("--vendor", "Acme").exception
    assert isinstance(error, UsageError) and "Anthropic" in str(error)


def test_an_unknown_model_is_a_wrong_call(run) -> None:
    error = run("gpt-99").exception
    assert isinstance(error, UsageError)
    assert "'gpt-99'" in str(error) and "--models FILE" in str(error)


def test_the_users_file_is_read(run, tmp_path: Path, monkeypatch) -> None:
    own = tmp_path / "own.toml"
    own.write_text("[mine]\napi_model = '[m]'\nspace = 'unit'\n", "utf-8")
    assert "[m]" in run("mine", "--models", str(own)).stdout
    monkeypatch.setenv(VARIABLE, str(own))
    assert json.loads(run("mine", "--json").stdout)["space"] == "unit"
    error = run("--models", str(tmp_path / "none.toml")).exception
    assert isinstance(error, DataError) and "none.toml" in str(error)
