"""The audit of a corpus: counts, cases, and its page."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mmrad.cli import app
from mmrad.corpus import Corpus
from mmrad.curate.audit import audit
from mmrad.errors import DataError
from mmrad.report.audit import write_audit
from mmrad.sources import build_corpus

HOSTILE = "<img src=x onerror=alert(1)>"


def photograph(path: Path, seed: int, size_wh: tuple[int, int] = (192, 144)) -> None:
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(20, 235, (12, 16)), np.ones((12, 12))).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(cv2.resize(blocks, size_wh)).convert("RGB").save(path)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A dark image, a copy, a box over everything, one of a pixel's width, and a broken file."""
    root = tmp_path / "raw"
    for seed in range(3):
        photograph(root / HOSTILE / "train/good" / f"{seed}.png", seed)
    photograph(root / HOSTILE / "train/good/copy.png", 2)
    photograph(root / HOSTILE / "train/good/other-size.png", 9, (384, 288))
    Image.new("RGB", (192, 144), (3, 3, 3)).save(root / HOSTILE / "train/good/dark.png")
    for stem, box in (("all", (0, 0, 192, 144)), ("line", (10, 10, 12, 100))):
        photograph(root / HOSTILE / "test/bad" / f"{stem}.png", len(stem) + 20)
        mask = np.zeros((144, 192), np.uint8)
        x1, y1, x2, y2 = box
        mask[y1:y2, x1:x2] = 255
        path = root / HOSTILE / "ground_truth/bad" / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    (root / HOSTILE / "train/good/broken.png").write_text("no image")
    return build_corpus({"m": ("mvtec", root)}, tmp_path / "corpus").corpus


def test_findings_are_counted_and_shown_by_example(corpus: Corpus) -> None:
    found = audit(corpus)
    (source,) = found.sources
    assert {name: count for name, count in source.findings.items() if count} == {
        "dark": 1,
        "low_information": 1,
        "blurry": 1,
        "exact_duplicate": 1,
        "odd_size": 1,
        "covering_box": 1,
        "tiny_box": 1,
    }
    assert (source.images, source.left_out) == (8, 1)
    assert source.mixed_sizes == {HOSTILE: {"192x144": 7, "384x288": 1}}
    (copy,) = found.cases["exact_duplicate"]
    assert copy.original
    assert {copy.sample.id.split("-")[-1], copy.original.id.split("-")[-1]} == {"2", "copy"}
    assert found.cases["tiny_box"][0].sample.id.endswith("bad-line")
    assert found.rejections[0]["path"].endswith("broken.png")


def test_no_more_cases_than_asked_for(corpus: Corpus) -> None:
    assert audit(corpus, examples=0).cases == {}


def test_the_page_shows_names_as_text_and_needs_no_network(corpus: Corpus, tmp_path: Path) -> None:
    page = write_audit(corpus, audit(corpus), tmp_path / "audit").read_text("utf-8")
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<figure>") == 8  # seven cases, one of them beside its original
    assert str(tmp_path) not in page


def test_the_command_prints_counts_or_json(corpus: Corpus, tmp_path: Path) -> None:
    plain = CliRunner().invoke(app, ["audit", str(corpus.path), "--out", str(tmp_path / "audit")])
    assert plain.exit_code == 0
    assert "exact_duplicate" in plain.output
    assert (tmp_path / "audit" / "audit.html").exists()
    content = json.loads(CliRunner().invoke(app, ["audit", str(corpus.path), "--json"]).output)
    assert content["sources"][0]["findings"]["dark"] == 1
    assert content["cases"]["exact_duplicate"][0]["duplicate_of"]


def test_a_corpus_without_an_examination_says_what_to_do(corpus: Corpus) -> None:
    (corpus.path / "quality" / "m.parquet").unlink()
    with pytest.raises(DataError, match="build the corpus again"):
        audit(Corpus(corpus.path))
