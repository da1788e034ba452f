"""YOLO: the layout of Ultralytics, read back by the adapter for folders."""

from pathlib import Path

import pytest
import yaml
from annotated import annotated_corpus, boxes_of, same_image

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.errors import DataError, UsageError
from mmrad.export.yolo import export_yolo
from mmrad.sources import build_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


def test_every_image_has_its_label_file_and_normal_ones_an_empty_one(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_yolo(corpus, out) == 5
    images = {path.relative_to(out / "images").with_suffix("") for path in (out / "images").rglob("*.*")}
    labels = {path.relative_to(out / "labels").with_suffix("") for path in (out / "labels").rglob("*.*")}
    assert images == labels
    assert {path.parent.name for path in images} == {"train", "val", "test"}
    assert (out / "labels/train/own-nut_bolt-train-good.txt").read_text() == ""
    # The mask's box, 30 10 50 20, in an image of 80 x 60.
    assert (out / "labels/test/own-nut_bolt-test-turned.txt").read_text() == (
        "0 0.50000000 0.25000000 0.25000000 0.16666667\n"
    )
    assert yaml.safe_load((out / "data.yaml").read_text()) == {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "names": {0: "bent <pin>", 1: "scratch"},
    }


def test_the_folder_adapter_reads_it_back(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_yolo(corpus, out)
    result = build_corpus({"again": ("folder", out)}, tmp_path / "again")
    assert result.rejections == ()
    again = sorted((sample.split, boxes_of(sample)) for sample in result.corpus.samples)
    assert again == sorted((sample.split, boxes_of(sample)) for sample in corpus.samples)
    for sample in corpus.samples:
        (file,) = (out / "images").rglob(f"{file_stems(corpus.samples)[sample.id]}.*")
        assert same_image(corpus, sample, file)


def test_a_missing_image_ends_it_with_its_name(corpus: Corpus, tmp_path: Path) -> None:
    corpus.resolve("own", "bad.png").unlink()
    with pytest.raises(DataError, match=r"bad\.png"):
        export_yolo(corpus, tmp_path / "out")
    assert not (tmp_path / "out" / "data.yaml").exists()


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        export_yolo(corpus, tmp_path)
