"""`mmrad inspect` with models behind an endpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mmrad.cli import app
from mmrad.image import encode_png
from servers import FaultServer, says

OWN = """
[tester]
api_model = "maker/tester"
base_url = "{url}"
space = "thousand_yx"
"""
SAID = "<answer>Yes. {'bbox_2d': [250, 100, 750, 500], 'label': 'dent'}</answer><confidence>90</confidence>"


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    for name in ("part", "good"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(np.full((100, 200, 3), 90, np.uint8)))
    return tmp_path / "part.png"


def inspected(part: Path, *options: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(
        app, ["inspect", str(part), "--reference", str(part.with_name("good.png")), *options]
    )
    return done.exit_code, done.stdout, done.stderr


def test_a_model_of_the_catalogue_is_read_in_its_convention(part: Path, tmp_path: Path) -> None:
    with FaultServer(default=says(SAID)) as server:
        (tmp_path / "own.toml").write_text(OWN.format(url=server.base_url))
        options = ("--models", str(tmp_path / "own.toml"), "--model", "tester", "--confidence")
        code, out, _ = inspected(part, *options, "--json")
        _, told, _ = inspected(part, *options)
    assert code == 0
    said = json.loads(out)
    assert said["regions"][0]["box_xyxy"] == pytest.approx([20, 25, 100, 75])
    assert (said["score"], said["score_kind"]) == (0.9, "confidence")
    assert Path(said["picture"]).exists()
    assert "stated confidence in an anomaly: 0.90" in told and "ANOMALOUS" in told
    assert "<confidence>" in json.dumps(server.calls[0].body)
    assert server.calls[0].body["model"] == "maker/tester"


def test_the_convention_of_an_unknown_model_is_the_user_s_word(part: Path) -> None:
    with FaultServer(default=says(SAID)) as server:
        options = ("--model", "m", "--base-url", server.base_url, "--json")
        _, out, _ = inspected(part, *options, "--space", "thousand")
        _, plain, _ = inspected(part, *options)
    assert json.loads(out)["regions"][0]["box_xyxy"] == pytest.approx([50, 10, 150, 50])
    assert json.loads(plain)["regions"] == [], "pixels of the view, outside of which that box lies"
    assert "1000" not in json.dumps(server.calls[1].body["messages"][-1]["content"][-1])


def test_no_judgement_is_no_verdict(part: Path) -> None:
    with FaultServer(default=says("hm")) as server:
        code, out, _ = inspected(part, "--model", "m", "--base-url", server.base_url, "--json")
    assert code != 0
    assert json.loads(out)["status"] == "unparsed"
    assert json.loads(out)["picture"] is None


def test_a_name_nobody_knows_is_refused(part: Path) -> None:
    assert inspected(part, "--model", "nowhere")[0] != 0
