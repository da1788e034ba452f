"""CVAT for images 1.1: corners in pixels, images by their names."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from annotated import annotated_corpus, boxes_of, same_image

from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.cvat import export_cvat


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return annotated_corpus(tmp_path / "corpus")


def test_every_image_is_listed_with_its_boxes(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export_cvat(corpus, out) == 5
    root = ElementTree.parse(out / "annotations.xml").getroot()
    assert root.findtext("version") == "1.1"
    images = root.findall("image")
    assert [image.get("id") for image in images] == ["0", "1", "2", "3", "4"]
    for image, sample in zip(images, corpus.samples, strict=True):
        assert (int(image.attrib["width"]), int(image.attrib["height"])) == sample.size_wh
        found = [
            (box.get("label"), tuple(float(box.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr")))
            for box in image.findall("box")
        ]
        assert found == boxes_of(sample)
        assert same_image(corpus, sample, out / "images" / image.attrib["name"])
    assert len({image.get("name") for image in images}) == 5


def test_the_labels_stand_in_the_description_of_the_task(corpus: Corpus, tmp_path: Path) -> None:
    export_cvat(corpus, tmp_path / "out")
    task = ElementTree.parse(tmp_path / "out" / "annotations.xml").getroot().find("meta/task")
    assert task is not None
    assert task.findtext("size") == "5"
    names = [name.text for name in task.findall("labels/label/name")]
    assert names == ["bent <pin>", "scratch", "mmrad review"]
    tag = task.findall("labels/label")[-1]
    assert tag.findtext("type") == "tag"
    assert [name.text for name in tag.findall("attributes/attribute/name")] == ["outcome", "reason"]
    assert tag.findtext("attributes/attribute/values") == "keep\ndrop\nunsure"
    pasted = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert [(label["name"], label["type"]) for label in pasted] == [
        ("bent <pin>", "rectangle"),
        ("scratch", "rectangle"),
        ("mmrad review", "tag"),
    ]


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not empty"):
        export_cvat(corpus, tmp_path)
