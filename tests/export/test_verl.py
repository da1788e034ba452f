"""The Parquet files for verl: its columns, with the images in them."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mmrad.answer import parse
from mmrad.box import Box
from mmrad.errors import UsageError
from mmrad.export.conversations import conversations
from mmrad.export.verl import export_verl
from mmrad.inspectors.base import InspectionSettings
from mmrad.teach import read_negatives, write_scripted_negatives
from mmrad.teach.negatives import Negative, NegativeJournal
from mmrad.train.reinforcement.rewards import judge
from taught import BOXES, BUDGET, GOOD, PLAIN, TALL, WIDE, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


@pytest.mark.parametrize("references", [0, 2])
def test_rows_have_the_columns_of_verl(tmp_path: Path, references: int) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    out = tmp_path / "out"
    assert export_verl(corpus, out, settings=SETTINGS, references=references) == 4
    assert {path.name for path in out.glob("*.parquet")} == {"train.parquet", "test.parquet"}
    train, test = (pq.read_table(out / f"{split}.parquet") for split in ("train", "test"))
    assert train.schema.equals(test.schema), "verl joins files of one schema"
    rows = {row["extra_info"]["sample_id"]: row for table in (train, test) for row in table.to_pylist()}
    assert set(rows) == set(BOXES)
    for asked in conversations(corpus, SETTINGS, references=references):
        row = rows[asked.sample.id]
        assert row["data_source"] == "mmrad/made"
        assert row["ability"] == "anomaly_detection"
        assert row["prompt"] == asked.prompt()
        assert row["prompt"][-1]["content"].count("<image>") == len(row["images"])
        assert row["reward_model"]["style"] == "rule"
        for image, view in zip(row["images"], asked.views, strict=True):
            assert (np.asarray(Image.open(io.BytesIO(image["bytes"]))) == view.image).all()


def test_the_ground_truth_is_that_of_the_verified_answer(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    export_verl(corpus, tmp_path / "out", settings=SETTINGS)
    places = {}
    for split in ("train", "test"):
        for row in pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist():
            about = row["extra_info"]
            truth = json.loads(row["reward_model"]["ground_truth"])
            assert truth["boxes"] == BOXES[about["sample_id"]]
            assert truth["anomalous"] == bool(truth["boxes"])
            answer = parse(about["answer"], strict=True)
            assert [list(place.box.rounded()) for place in answer.instances] == truth["boxes"]
            assert [place.label for place in answer.instances] == truth["labels"]
            places[about["sample_id"]] = (about["split"], about["index"])
    assert places == {WIDE: ("train", 0), TALL: ("train", 1), PLAIN: ("train", 2), GOOD: ("test", 0)}


def test_negatives_are_those_that_earn_less_in_the_view_of_the_query(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    write_scripted_negatives(corpus, budget=BUDGET, samples=corpus.samples)
    (other,) = (sample for sample in corpus.samples if sample.id == TALL)
    with NegativeJournal(corpus, "elsewhere", lambda first, second: float(first == second)) as journal:
        kept = journal.keep("key", other, (28, 28), "<think>Fine.</think><answer>No.</answer>")
        assert isinstance(kept, Negative)
    export_verl(corpus, tmp_path / "out", settings=SETTINGS)
    known = read_negatives(corpus)
    for split in ("train", "test"):
        for row in pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist():
            about = row["extra_info"]
            truth = [Box(*box) for box in BOXES[about["sample_id"]]]
            written = {one.text for one in known[about["sample_id"]] if one.origin == "scripted"}
            cheap = {text for text in written if judge(text, truth).reward == 1}
            assert set(about["negatives"]) == written - cheap != set()


def test_without_reasoning_the_negatives_are_answers_alone(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    write_scripted_negatives(corpus, budget=BUDGET, samples=corpus.samples)
    export_verl(corpus, tmp_path / "out", settings=replace(SETTINGS, reasoning=False))
    rows = pq.read_table(tmp_path / "out" / "train.parquet").to_pylist()
    texts = [text for row in rows for text in (row["extra_info"]["answer"], *row["extra_info"]["negatives"])]
    assert all(text.startswith("<answer>") for text in texts)


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    with pytest.raises(UsageError, match="not empty"):
        export_verl(corpus, tmp_path, settings=SETTINGS)
