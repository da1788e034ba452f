"""The dataset for TRL: typed Parquet beside images, and what datasets makes of it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.conversations import conversations
from mmrad.export.trl import export_trl
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from taught import BOXES, BUDGET, GOOD, TALL, WIDE, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


def test_the_tree_has_a_folder_for_each_split(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_trl(corpus, out, settings=SETTINGS) == 4
    assert {path.relative_to(out).as_posix() for path in out.glob("*/*")} == {
        "test/images", "test/metadata.parquet", "train/images", "train/metadata.parquet",
    }  # fmt: skip
    assert len(list((out / "train/images").iterdir())) == 5
    assert len(list((out / "test/images").iterdir())) == 2


def test_rows_are_conversations_with_their_truth(corpus: Corpus, tmp_path: Path) -> None:
    export_trl(corpus, tmp_path / "out", settings=SETTINGS)
    rows = {
        row["sample_id"]: (row, split)
        for split in ("train", "test")
        for row in pq.read_table(tmp_path / "out" / split / "metadata.parquet").to_pylist()
    }
    assert set(rows) == set(BOXES)
    for asked in conversations(corpus, SETTINGS):
        row, split = rows[asked.sample.id]
        assert row["boxes"] == BOXES[asked.sample.id]
        assert row["labels"] == asked.labels
        assert row["anomalous"] == asked.sample.anomalous
        system, user = row["prompt"]
        assert [part["type"] for part in system["content"]] == ["text"]
        assert [part["type"] for part in user["content"]] == ["image", "image", "text"]
        (answer,) = row["completion"]
        assert answer["role"] == "assistant"
        assert answer["content"] == [{"type": "text", "text": asked.completion}]
        for name, view in zip(row["images_file_names"], asked.views, strict=True):
            assert (read_image(tmp_path / "out" / split / name) == view.image).all()


def test_datasets_loads_both_splits_with_equal_columns(corpus: Corpus, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    export_trl(corpus, tmp_path / "out", settings=SETTINGS, references=2)
    data = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")
    )
    assert data["train"].features == data["test"].features
    found = {row["sample_id"]: row for split in data.values() for row in split}
    assert {name: row["boxes"] for name, row in found.items()} == BOXES
    assert [image.size for image in found[WIDE]["images"]] == [(196, 56), (84, 56), (196, 56)]
    assert [image.size for image in found[TALL]["images"]] == [(84, 56), (84, 140)]
    assert [image.size for image in found[GOOD]["images"]] == [(84, 56), (84, 56)]


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not empty"):
        export_trl(corpus, tmp_path, settings=SETTINGS)
