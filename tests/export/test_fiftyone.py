"""FiftyOne: the files that `Dataset.from_dir` reads. It needs a MongoDB server, so it is not asked here."""

import json
from pathlib import Path

import pytest
from annotated import MARKED, annotated_corpus, boxes_of, same_image

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.fiftyone import export_fiftyone
from mmrad.image import read_mask


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


def test_detections_are_shares_of_the_image(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_fiftyone(corpus, out) == 5
    rows = {row["sample_id"]: row for row in json.loads((out / "samples.json").read_text())["samples"]}
    assert set(rows) == {sample.id for sample in corpus.samples}
    for sample in corpus.samples:
        row = rows[sample.id]
        width, height = row["metadata"]["width"], row["metadata"]["height"]
        assert (width, height) == sample.size_wh
        found = []
        for detection in row["ground_truth"]["detections"]:
            x, y, w, h = detection["bounding_box"]
            corners = (x * width, y * height, (x + w) * width, (y + h) * height)
            found.append((detection["label"], pytest.approx(corners)))
        assert found == boxes_of(sample)
        assert (row["tags"], row["category"], row["licence"]) == ([sample.split], "nut & bolt", "CC BY 4.0")
        assert same_image(corpus, sample, out / row["filepath"])


def test_a_mask_is_that_of_its_box(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_fiftyone(corpus, out)
    rows = json.loads((out / "samples.json").read_text())["samples"]
    detections = [detection for row in rows for detection in row["ground_truth"]["detections"]]
    (masked,) = (detection for detection in detections if "mask_path" in detection)
    mask = read_mask(out / masked["mask_path"])
    assert mask.shape == (10, 20)
    assert int((mask > 0).sum()) == MARKED
    assert len({detection["_id"]["$oid"] for detection in detections}) == len(detections) == 5


def test_every_field_of_the_samples_is_declared(corpus: Corpus, tmp_path: Path) -> None:
    export_fiftyone(corpus, tmp_path / "out")
    metadata = json.loads((tmp_path / "out" / "metadata.json").read_text())
    (row, *_) = json.loads((tmp_path / "out" / "samples.json").read_text())["samples"]
    assert set(row) <= {field["db_field"] for field in metadata["sample_fields"]}
    assert metadata["default_classes"] == ["bent <pin>", "scratch"]


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        export_fiftyone(corpus, tmp_path)
