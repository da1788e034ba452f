"""The JSON lines for ms-swift: messages with written coordinates, and objects in the query."""

import json
from pathlib import Path

import pytest

from mmrad.errors import UsageError
from mmrad.export.conversations import conversations
from mmrad.export.ms_swift import export_ms_swift
from mmrad.image import image_size, read_image
from mmrad.inspectors.base import InspectionSettings
from taught import BOXES, BUDGET, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


@pytest.mark.parametrize("references", [0, 1, 2])
def test_boxes_lie_in_the_query(tmp_path: Path, references: int) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    out = tmp_path / "out"
    assert export_ms_swift(corpus, out, settings=SETTINGS, references=references) == 4
    asked = {one.sample.id: one for one in conversations(corpus, SETTINGS, references=references)}
    rows = [json.loads(line) for path in out.glob("*.jsonl") for line in path.read_text("utf-8").splitlines()]
    assert sorted(row["sample_id"] for row in rows) == sorted(BOXES)
    for row in rows:
        one, objects = asked[row["sample_id"]], row["objects"]
        assert row["messages"] == one.dialogue()
        assert objects["bbox"] == BOXES[row["sample_id"]]
        assert objects["ref"] == one.labels
        assert objects["bbox_type"] == "real"
        query = len(row["images"]) - 1
        assert objects["image_id"] == [query] * len(objects["bbox"])
        assert image_size(out / row["images"][query]) == one.query.size_wh
        for name, view in zip(row["images"], one.views, strict=True):
            assert (read_image(out / name) == view.image).all()


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    corpus = taught_corpus(tmp_path / "corpus")
    with pytest.raises(UsageError, match="not empty"):
        export_ms_swift(corpus, tmp_path, settings=SETTINGS)
