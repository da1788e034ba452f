"""The published tree: written, and read back by its adapter."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad.corpus import Corpus, Reference, write_corpus
from mmrad.errors import UsageError
from mmrad.export.release import export_release
from mmrad.image import part_of, read_image, read_mask
from mmrad.sources import build_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Non-square images: good ones, one that EXIF turns, one anomalous with a mask."""
    root = tmp_path / "raw" / "nut"
    rng = np.random.default_rng(0)
    for place in ("train/good/0.png", "validation/good/0.png", "test/good/0.png", "test/bent pin/0.png"):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (60, 80, 3), np.uint8)).save(root / place)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rng.integers(0, 255, (80, 60, 3), np.uint8)).save(root / "train/good/1.jpg", exif=exif)
    mask = np.zeros((60, 80), np.uint8)
    mask[10:20, 30:50] = 255
    (root / "ground_truth/bent pin").mkdir(parents=True)
    Image.fromarray(mask).save(root / "ground_truth/bent pin/0.png")
    made = build_corpus({"own": ("mvtec", tmp_path / "raw")}, tmp_path / "corpus").corpus
    bad = next(sample for sample in made.samples if sample.anomalous)
    made.write_references([Reference(bad.id, 0, "nut/train/good/1.jpg", "aligned", 0.5)])
    return made


def test_the_tree_is_the_published_one(corpus: Corpus, tmp_path: Path) -> None:
    assert export_release(corpus, tmp_path / "out") == 5
    files = {
        path.relative_to(tmp_path / "out/own/nut").as_posix() for path in (tmp_path / "out").rglob("*.*")
    }
    assert files == {
        "train_good/train-good-0.png",
        "train_good/train-good-1.png",
        "train_good/validation-good-0.png",
        "test_good/test-good-0.png",
        "test/bent pin/test-bent pin-0.png",
        "ground_truth/bent pin/test-bent pin-0.png",
        "bbox_annos.json",
        "text_annos.json",
        "reference.json",
    }
    boxes = json.loads((tmp_path / "out/own/nut/bbox_annos.json").read_text())
    assert boxes == {
        "test/bent pin/test-bent pin-0.png": [{"bbox_2d": [30, 10, 50, 20], "label": "bent pin"}]
    }


def test_it_reads_back_with_the_same_images_boxes_and_references(corpus: Corpus, tmp_path: Path) -> None:
    export_release(corpus, tmp_path / "out")
    again = build_corpus({"r": ("mmr-ad", tmp_path / "out")}, tmp_path / "again").corpus
    assert len(again.samples) == len(corpus.samples)
    old = next(sample for sample in corpus.samples if sample.anomalous)
    new = next(sample for sample in again.samples if sample.anomalous)
    assert [(r.box, r.label) for r in new.regions] == [(r.box, r.label) for r in old.regions]
    assert new.given_references == ("own/nut/train_good/train-good-1.png",)
    turned = read_image(again.resolve("r", new.given_references[0]))
    assert (turned == read_image(corpus.resolve("own", "nut/train/good/1.jpg"))).all()
    mask = read_mask(tmp_path / "out/own/nut/ground_truth/bent pin/test-bent pin-0.png")
    assert mask[10:20, 30:50].min() == 255
    assert int((mask > 0).sum()) == 200


def test_a_part_of_an_image_becomes_a_file(corpus: Corpus, tmp_path: Path) -> None:
    sample = next(sample for sample in corpus.samples if not sample.anomalous)
    part = replace(sample, image=part_of(sample.image, (8, 4, 40, 30)), size_wh=(40, 30))
    made = write_corpus(tmp_path / "parts", corpus.manifest.sources, [part])
    whole = read_image(corpus.resolve("own", sample.image))
    export_release(made, tmp_path / "out")
    (written,) = (tmp_path / "out").rglob("*.png")
    assert (read_image(written) == whole[4:34, 8:48]).all()


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not empty"):
        export_release(corpus, tmp_path / "out")
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep me"
