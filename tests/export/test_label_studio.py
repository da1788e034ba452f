"""Label Studio: tasks in percent, a configuration that fits them, URLs that lead to the images."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import pytest
from annotated import annotated_corpus, boxes_of, same_image

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.label_studio import export_label_studio


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


def test_rectangles_are_in_percent_and_urls_lead_to_the_images(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_label_studio(corpus, out) == 5
    tasks = {task["data"]["sample_id"]: task for task in json.loads((out / "tasks.json").read_text())}
    assert set(tasks) == {sample.id for sample in corpus.samples}
    for sample in corpus.samples:
        task = tasks[sample.id]
        assert "annotations" not in task  # what comes back as one was looked at
        assert len(task["predictions"]) == sample.anomalous
        found = []
        for result in (result for prediction in task["predictions"] for result in prediction["result"]):
            width, height = result["original_width"], result["original_height"]
            assert (width, height) == sample.size_wh
            value = result["value"]
            x1, y1 = value["x"] / 100 * width, value["y"] / 100 * height
            corners = (x1, y1, x1 + value["width"] / 100 * width, y1 + value["height"] / 100 * height)
            found.append((*value["rectanglelabels"], pytest.approx(corners)))
        assert found == boxes_of(sample)
        url = urlsplit(task["data"]["image"])
        assert url.path == "/data/local-files/"
        (place,) = parse_qs(url.query)["d"]
        assert same_image(corpus, sample, out / place)


def test_results_name_the_tags_and_labels_of_the_configuration(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_label_studio(corpus, out)
    view = ElementTree.parse(out / "labeling_config.xml").getroot()
    image, rectangles = view.find("Image"), view.find("RectangleLabels")
    assert image is not None
    assert rectangles is not None
    assert rectangles.get("toName") == image.get("name")
    labels = [label.get("value") for label in rectangles]
    assert labels == ["bent <pin>", "scratch"]
    for task in json.loads((out / "tasks.json").read_text()):
        assert str(image.get("value")).removeprefix("$") in task["data"]
        for result in (result for prediction in task["predictions"] for result in prediction["result"]):
            assert (result["from_name"], result["to_name"]) == (rectangles.get("name"), image.get("name"))
            assert result["type"] == rectangles.tag.lower()


def test_annotators_can_keep_drop_or_be_unsure_and_say_why(corpus: Corpus, tmp_path: Path) -> None:
    export_label_studio(corpus, tmp_path / "out")
    view = ElementTree.parse(tmp_path / "out" / "labeling_config.xml").getroot()
    choices, reason = view.find("Choices"), view.find("View/TextArea")
    assert choices is not None
    assert reason is not None
    assert (choices.get("name"), choices.get("toName")) == ("outcome", "image")
    assert [choice.get("value") for choice in choices] == ["keep", "drop", "unsure"]
    assert (reason.get("name"), reason.get("required")) == ("reason", "true")
    hidden = view.find("View")
    assert hidden is not None
    assert (hidden.get("whenTagName"), hidden.get("whenChoiceValue")) == ("outcome", "drop")


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        export_label_studio(corpus, tmp_path)
