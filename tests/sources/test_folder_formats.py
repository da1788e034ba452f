"""The files of annotation tools in a user's own folder: YOLO, Pascal VOC, labelme, COCO."""

import json
from pathlib import Path

import pytest
import trees

from mmrad.errors import DataError
from mmrad.sources import BuildResult, build_corpus
from mmrad.sources.labelme import labelme_regions
from mmrad.sources.polygons import enclosing, rotated_corners
from mmrad.sources.voc import voc_regions
from mmrad.sources.yolo import class_names, yolo_regions

B = trees.BOX


def build(root: Path) -> BuildResult:
    return build_corpus({"own": ("folder", root)}, root.parent / "corpus")


def truths(result: BuildResult) -> dict[str, list[tuple[tuple[float, ...], str]]]:
    return {
        sample.id: [(region.box.xyxy, region.label) for region in sample.regions]
        for sample in result.corpus.samples
    }


def test_yolo_boxes_outlines_splits_and_backgrounds(tmp_path: Path) -> None:
    root = tmp_path / "gear"
    for name in ("train/a", "train/b", "valid/c"):
        trees.image(root / "images" / f"{name}.jpg")
    x, y, w, h = 8.5 / 40, 13 / 30, 7 / 40, 14 / 30
    trees.text(root / "labels/train/a.txt", f"1 {x:.6f} {y:.6f} {w:.6f} {h:.6f}\n")
    trees.text(root / "labels/train/b.txt", "")
    trees.text(root / "labels/valid/c.txt", "0 0.125 0.2 0.3 0.2 0.3 0.666667 0.125 0.4\n")
    trees.text(root / "data.yaml", "nc: 2\nnames: [Surface_Crack, dent]\n")
    result = build(root)
    assert result.rejections == ()
    assert truths(result) == {
        "own/gear/train/train-a": [(B, "dent")],
        "own/gear/train/train-b": [],
        "own/gear/validation/valid-c": [(B, "surface crack")],
    }


def test_yolo_classes_come_from_either_file(tmp_path: Path) -> None:
    trees.text(tmp_path / "a" / "data.yaml", "names:\n  3: dent\n")
    trees.text(tmp_path / "b" / "classes.txt", "crack\ndent\n")
    assert class_names(tmp_path / "a") == {3: "dent"}
    assert class_names(tmp_path / "b") == {0: "crack", 1: "dent"}
    trees.text(tmp_path / "c" / "data.yaml", "names: 3\n")
    with pytest.raises(DataError, match=r"data\.yaml"):
        class_names(tmp_path / "c")


@pytest.mark.parametrize(
    "line", ["0 0.5 0.5 0.2", "7 0.5 0.5 0.2 0.2", "a 0.5 0.5 0.2 0.2", "0 0.5 0.5 nan 0.2"]
)
def test_yolo_lines_of_another_form_are_errors(line: str, tmp_path: Path) -> None:
    file = trees.text(tmp_path / "a.txt", line)
    with pytest.raises(DataError, match=r"a\.txt line 1"):
        yolo_regions(file, (40, 30), {0: "dent"})


VOC = """<annotation><filename>a.jpg</filename>{}</annotation>"""
OBJECT = (
    "<object><name>{}</name>"
    "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox></object>"
)


def test_voc_counts_from_one_and_includes_the_last_pixel(tmp_path: Path) -> None:
    root = tmp_path / "gear"
    for name in "abc":
        trees.image(root / "JPEGImages" / f"{name}.jpg")
    trees.text(root / "Annotations" / "a.xml", VOC.format(OBJECT.format("Dent", 6, 7, 12, 20)))
    trees.text(root / "Annotations" / "b.xml", VOC.format(""))
    trees.text(root / "Annotations" / "d.xml", VOC.format(""))
    result = build(root)
    assert truths(result) == {"own/gear/test/a": [(B, "dent")], "own/gear/test/b": []}
    assert {item.path for item in result.rejections} == {"JPEGImages/c.jpg", "Annotations/d.xml"}


@pytest.mark.parametrize("content", ["<annotation>", "", VOC.format("<object><name>x</name></object>")])
def test_voc_files_that_cannot_be_used_are_errors(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.xml"):
        voc_regions(trees.text(tmp_path / "a.xml", content))


def shape(kind: str, points: list[list[float]], label: str = "Dent") -> dict[str, object]:
    return {"label": label, "points": points, "shape_type": kind}


def test_labelme_beside_the_image_or_in_labels_and_never_guessed(tmp_path: Path) -> None:
    root = tmp_path / "gear"
    for name in ("pictures/a", "pictures/b", "pictures/c"):
        trees.image(root / f"{name}.jpg")
    outline = shape("polygon", [[5, 6], [12, 7], [8.4, 20]])
    trees.text(root / "pictures/a.json", json.dumps({"shapes": [outline]}))
    trees.text(root / "labels/b.json", json.dumps({"shapes": []}))
    result = build(root)
    assert truths(result) == {"own/gear/test/pictures-a": [(B, "dent")], "own/gear/test/pictures-b": []}
    assert [item.path for item in result.rejections] == ["pictures/c.jpg"]
    assert "without a shape" in result.rejections[0].reason


def test_labelme_files_beside_images_in_the_root_itself(tmp_path: Path) -> None:
    root = tmp_path / "gear"
    trees.image(root / "a.jpg")
    trees.image(root / "b.jpg")
    shape = {"label": "dent", "shape_type": "rectangle", "points": [[5, 6], [12, 20]]}
    trees.text(root / "a.json", json.dumps({"shapes": [shape]}))
    trees.text(root / "b.json", json.dumps({"shapes": []}))
    assert sorted(map(len, truths(build(root)).values())) == [0, 1]


@pytest.mark.parametrize(
    ("drawn", "box"),
    [
        (shape("rectangle", [[12, 20], [5, 6]]), B),
        (shape("circle", [[10, 10], [13, 14]]), (5, 5, 15, 15)),
    ],
)
def test_labelme_shapes(drawn: dict[str, object], box: tuple[int, ...], tmp_path: Path) -> None:
    file = trees.text(tmp_path / "a.json", json.dumps({"shapes": [drawn]}))
    assert [region.box.xyxy for region in labelme_regions(file)] == [box]


@pytest.mark.parametrize(
    "content", [[], {}, {"shapes": [shape("line", [[1, 2], [3, 4]])]}, {"shapes": [shape("polygon", [])]}]
)
def test_labelme_files_that_cannot_be_used_are_errors(content: object, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.json"):
        labelme_regions(trees.text(tmp_path / "a.json", json.dumps(content)))


def test_coco_as_roboflow_writes_it_beside_the_images(tmp_path: Path) -> None:
    root = tmp_path / "gear"
    trees.image(root / "a.jpg")
    trees.image(root / "b.jpg")
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{"image_id": 1, "category_id": 2, "bbox": [5, 6, 7, 14]}],
        "categories": [{"id": 2, "name": "dent"}],
    }
    trees.text(root / "_annotations.coco.json", json.dumps(content))
    result = build(root)
    assert truths(result) == {"own/gear/test/a": [(B, "dent")]}
    assert [item.path for item in result.rejections] == ["b.jpg"]


def test_a_turned_box_keeps_its_centre_and_its_corners_turn() -> None:
    corners = rotated_corners((10, 12, 20, 4), 90)
    assert enclosing([(round(x, 6), round(y, 6)) for x, y in corners]).xyxy == (18, 4, 22, 24)
    assert enclosing(rotated_corners((5, 6, 7, 14), 0)).xyxy == (5, 6, 12, 20)
