"""The commands as a user types them, in a process of their own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmrad.image import encode_png


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "mmrad.cli", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A small factory, built into a corpus with references and texts by the commands."""
    root = tmp_path_factory.mktemp("made")
    out = str(root / "corpus")
    steps = [
        ["factory", str(root / "raw"), "--train", "3", "--good", "1", "--per-anomaly", "1"],
        ["build", f"mvtec={root}/raw/mvtec", f"mine:visa={root}/raw/visa", "--out", out],
        ["reference", out, "--method", "random"],
        ["teach", out],
    ]
    for step in steps:
        done = run(*step)
        assert done.returncode == 0, done.stderr
    return root


def test_the_loop_from_raw_data_to_a_report(made):
    corpus, runs = str(made / "corpus"), str(made / "runs")
    counted = json.loads(run("stats", corpus, "--json").stdout)
    assert [row["name"] for row in counted["sources"]] == ["mvtec", "mine"]
    assert all(row["anomalies"] > 0 and row["text_tokens"] > 0 for row in counted["sources"])
    assert "100.0 %" in run("verify", corpus).stdout
    done = run("bench", corpus, "--model", "anomaly-r1-nano", "--limit", "6", "--out", runs)
    assert done.returncode == 0, done.stderr
    lines = (made / "runs" / "anomaly-r1-nano" / "verdicts.jsonl").read_text().splitlines()
    assert len(lines) == 6
    again = run("bench", corpus, "--model", "anomaly-r1-nano", "--limit", "6", "--out", runs)
    assert again.returncode == 0, again.stderr
    assert len((made / "runs" / "anomaly-r1-nano" / "verdicts.jsonl").read_text().splitlines()) == 6
    assert run("report", runs).returncode == 0
    assert "anomaly-r1-nano" in (made / "runs" / "report.html").read_text()


def test_inspect_judges_a_part_and_draws_it(tmp_path):
    grey = np.full((96, 128, 3), 120, np.uint8)
    marked = grey.copy()
    marked[30:60, 40:90] = (200, 30, 30)
    (tmp_path / "good.png").write_bytes(encode_png(grey))
    (tmp_path / "part.png").write_bytes(encode_png(marked))
    done = run("inspect", str(tmp_path / "part.png"), "--reference", str(tmp_path / "good.png"), "--json")
    assert "caution" in done.stderr
    said = json.loads(done.stdout)
    if said["status"] == "ok":
        assert done.returncode == 0
        assert Path(said["picture"]).exists()
        assert 0 <= said["score"] <= 1
    else:
        assert done.returncode == 1
        assert said["picture"] is None
        assert said["anomalous"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["build", "mvtec=/nowhere/at/all", "--out", "OUT"], 1, "/nowhere/at/all"),
        (["build", "nonsense", "--out", "OUT"], 2, "NAME=ROOT"),
        (["stats", "OUT"], 1, "not a corpus"),
        (["report", "OUT"], 1, "no runs"),
        (["sources", "unheard"], 2, "no source"),
        (["inspect", "OUT/part.png", "--reference", "OUT/good.png"], 1, "no such image"),
        (["train", "sft", "OUT/none.toml", "--out", "OUT"], 1, "none.toml"),
        (["teach"], 2, "corpus"),
    ],
)
def test_bad_input_is_a_clear_error_without_a_traceback(arguments, code, said, tmp_path):
    done = run(*[argument.replace("OUT", str(tmp_path)) for argument in arguments])
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_every_command_has_help_with_an_example():
    commands = ["demo", "inspect", "sources", "factory", "build", "stats", "reference", "teach", "verify",
                "bench", "report", "doctor"]  # fmt: skip
    for command in commands:
        shown = run(command, "--help")
        assert shown.returncode == 0
        assert "Example" in shown.stdout
    assert "Example" in run("train", "sft", "--help").stdout
