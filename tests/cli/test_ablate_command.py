"""`mmrad train ablate`."""

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from mmrad.cli.ablate import ablate
from mmrad.errors import DataError, UsageError

RECIPE = """
name = "tiny"
seeds = [0, 4]
[data]
corpus = "corpus"
hold_out = ["mvtec"]
[asking]
[base]
path = "base"
[sft]
steps = 2
[grpo]
[judging]
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path / "recipe.toml"


def called(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(ablate)
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_dry_run_shows_the_work_and_does_none(recipe, tmp_path):
    out = tmp_path / "out"
    result = called(recipe, "--out", out, "--dry-run", "--json")
    planned = json.loads(result.stdout)
    assert [one["work"] for one in planned].count("sft") == 2 * 4
    assert {one["amount"] for one in planned if one["work"] == "grpo"} == {
        "1 epochs, 4 from each rollout of 32 x 8 responses"
    }
    shown = called(recipe, "--out", out, "--dry-run", "--rows", "full", "--rows", "no-rl", "--seeds", 4)
    assert "to do: 1 x sft, 1 x grpo, 2 x judging" in shown.stdout
    assert not out.exists()


def test_mistakes_are_named(recipe, tmp_path):
    result = called(recipe, "--out", tmp_path / "out", "--rows", "no-vision", "--dry-run")
    assert isinstance(result.exception, UsageError)
    assert "no row 'no-vision'" in str(result.exception)
    recipe.write_text(RECIPE.replace("[grpo]\n", ""))
    result = called(recipe, "--out", tmp_path / "out", "--dry-run")
    assert isinstance(result.exception, DataError)
    assert "need [sft] and [grpo]" in str(result.exception)
