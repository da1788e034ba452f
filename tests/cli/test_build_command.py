"""`mmrad build` and `mmrad export` as typed."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from decisions import decision, write_reviews
from mmrad.cli import app
from mmrad.corpus import Corpus
from mmrad.errors import UsageError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(4):
        path = tmp_path / "raw" / "part" / "train" / "good" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (120, 160, 3), np.uint8)).save(path)
    Image.new("RGB", (160, 120)).save(tmp_path / "raw/part/train/good/black.png")
    return tmp_path / "raw"


def build(raw: Path, *options: str):  # type: ignore[no-untyped-def]
    out = raw.parent / "corpus"
    return CliRunner().invoke(app, ["build", f"m:mvtec={raw}", "--out", str(out), *options]), out


def test_it_says_what_is_published_and_what_the_licence_asks_for(raw: Path) -> None:
    result, _ = build(raw)
    assert result.exit_code == 0
    assert "m: 5 images, 0 anomalous, licence CC BY-NC-SA 4.0" in result.output
    assert "use it for no commercial purpose" in result.output
    assert "published: 15 categories, 5354 images" in result.output  # a half-unpacked archive shows


def test_what_is_left_out_is_counted_and_the_policy_kept(raw: Path) -> None:
    result, out = build(raw, "--drop", "dark, blurry", "--per-category", "3", "--seed", "4")
    assert "2 files left out" in result.output
    policy = {"drop": ["blurry", "dark"], "per_category": 3, "seed": 4}
    assert json.loads((out / "corpus.json").read_text())["selection"] == policy


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--drop", "ugly"), "ugly.*blurry"), (("--licence", "commercial"), "commercial use")],
)
def test_what_cannot_be_done_is_wrong_usage(raw: Path, options: tuple[str, ...], message: str) -> None:
    result, out = build(raw, *options)
    assert isinstance(result.exception, UsageError)
    assert re.search(message, str(result.exception))
    assert not (out / "corpus.json").exists()


def test_reviews_are_counted_by_build_and_by_audit(raw: Path) -> None:
    _, out = build(raw)
    good, other, *_ = Corpus(out).samples
    write_reviews(out, decision(good, outcome="drop"), decision(other))
    audited = CliRunner().invoke(app, ["audit", str(out)])
    assert "reviewed: 2 of 5 samples: 1 drop, 1 keep" in audited.output
    result, _ = build(raw)
    assert "m: 4 images, 0 anomalous" in result.output
    assert "reviews: 1 samples kept as they were, 0 edited, 1 dropped, 0 not decided" in result.output
    assert "1 files left out" in result.output
    audited = CliRunner().invoke(app, ["audit", str(out), "--json"])
    assert json.loads(audited.output)["reviewed"] == {"keep": 1}
    assert json.loads(audited.output)["sources"][0]["left_out"] == 1


def test_export_writes_the_published_tree(raw: Path, tmp_path: Path) -> None:
    _, out = build(raw)
    command = ["export", str(out), "--to", "mmr-ad", "--out", str(tmp_path / "release")]
    result = CliRunner().invoke(app, command)
    assert "wrote 5 samples" in result.output
    assert (tmp_path / "release/m/part/bbox_annos.json").is_file()
