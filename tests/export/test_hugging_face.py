"""Hugging Face: loaded by datasets, described to mlcroissant."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from annotated import TEXT, annotated_corpus, boxes_of

from mmrad.corpus import Corpus, write_corpus
from mmrad.errors import MissingExtraError, UsageError
from mmrad.export import hugging_face
from mmrad.export.hugging_face import export_hugging_face
from mmrad.image import read_image

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


@pytest.fixture
def rows(corpus: Corpus, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What `load_dataset` gives, by id."""
    from datasets import load_dataset

    assert export_hugging_face(corpus, tmp_path / "out") == 5
    data = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in data.items()} == {"train": 1, "validation": 2, "test": 2}
    assert all(row["split"] == split for split, part in data.items() for row in part)
    return {row["id"]: row for part in data.values() for row in part}


def test_datasets_loads_the_same_boxes_and_pixels(corpus: Corpus, rows: dict[str, Any]) -> None:
    assert set(rows) == {sample.id for sample in corpus.samples}
    for sample in corpus.samples:
        row = rows[sample.id]
        objects = row["objects"]
        corners = [(x, y, x + width, y + height) for x, y, width, height in objects["bbox"]]
        assert list(zip(objects["categories"], corners, strict=True)) == boxes_of(sample)
        pixels = np.asarray(row["query"].convert("RGB"))
        assert (pixels == read_image(corpus.resolve(sample.source, sample.image))).all()
        assert row["label"] == sample.anomalous
        assert (row["source"], row["category"], row["licence"]) == ("own", "nut & bolt", "CC BY 4.0")


def test_the_best_reference_and_the_verified_text_go_along(corpus: Corpus, rows: dict[str, Any]) -> None:
    good, _, turned, *_ = (rows[sample.id] for sample in corpus.samples)
    assert good["reference"] is None
    expected = read_image(corpus.resolve("own", "good.png"))
    assert (np.asarray(turned["reference"]) == expected).all()
    assert (turned["text"], turned["view_width"], turned["view_height"]) == (TEXT, 84, 56)
    assert (good["text"], good["view_width"], good["view_height"]) == (None, None, None)


def test_mlcroissant_validates_and_reads_it(corpus: Corpus, tmp_path: Path) -> None:
    from mlcroissant import Dataset

    export_hugging_face(corpus, tmp_path / "out")
    dataset = Dataset(str(tmp_path / "out" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    found = {record["samples/id"].decode(): record for record in dataset.records("samples")}
    assert set(found) == {sample.id for sample in corpus.samples}
    for sample in corpus.samples:
        record = found[sample.id]
        assert record["samples/query"].size == sample.size_wh
        boxes = [(x, y, x + w, y + h) for x, y, w, h in record["samples/objects"]["samples/objects/bbox"]]
        assert boxes == [box for _, box in boxes_of(sample)]


def test_the_card_says_what_it_is(corpus: Corpus, tmp_path: Path) -> None:
    export_hugging_face(corpus, tmp_path / "out")
    _, data, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(data)
    assert card["license"] == ["cc-by-4.0"]
    assert card["size_categories"] == ["n<1K"]
    assert [files["split"] for files in card["configs"][0]["data_files"]] == ["train", "validation", "test"]
    assert "| own | test | 0 | 2 | CC BY 4.0 |" in text
    assert "5 images of 1 products. 4 of them are anomalous, with 5 marked regions. 1 have" in text
    assert "name the authors of the data" in text
    assert str(tmp_path) not in data + text + (tmp_path / "out" / "croissant.json").read_text()


def test_images_are_written_in_groups_and_files(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "_GROUP_BYTES", 1)
    monkeypatch.setattr(hugging_face, "_GROUPS_PER_FILE", 1)
    told: list[tuple[int, int]] = []
    export_hugging_face(corpus, tmp_path / "out", progress=lambda done, total: told.append((done, total)))
    assert told == [(number, 5) for number in range(1, 6)]
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [file.name for file in files] == [
        "test-00000.parquet",
        "test-00001.parquet",
        "train-00000.parquet",
        "validation-00000.parquet",
        "validation-00001.parquet",
    ]
    ids = [pq.read_table(file, columns=["id"])["id"][0].as_py() for file in files]
    assert sorted(ids) == sorted(sample.id for sample in corpus.samples)


def test_a_corpus_without_labels_and_references_loads(corpus: Corpus, tmp_path: Path) -> None:
    from datasets import load_dataset

    good = [sample for sample in corpus.samples if not sample.anomalous]
    info = corpus.manifest.sources["own"].model_copy(update={"root": str(corpus.root("own"))})
    bare = write_corpus(tmp_path / "bare", {"own": info}, good)
    export_hugging_face(bare, tmp_path / "out")
    data = load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert data["train"][0]["objects"] == {"bbox": [], "categories": []}
    assert data["train"].features["label"].names == ["normal", "anomalous"]


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        export_hugging_face(corpus, tmp_path)


def test_a_missing_package_is_named_before_anything_is_written(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmrad.export.images.find_spec", lambda name: None if name == "mlcroissant" else name)
    with pytest.raises(MissingExtraError, match=r"mlcroissant.*mmrad\[export\]"):
        export_hugging_face(corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()
