"""What is read of the files of Label Studio, CVAT and COCO tools, and what is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.review.interchange.annotated import Annotation
from mmrad.review.interchange.coco import read_coco
from mmrad.review.interchange.cvat import read_cvat
from mmrad.review.interchange.documents import documents, parse_xml
from mmrad.review.interchange.label_studio import read_label_studio
from mmrad.sample import Region

SIZE_WH = (1000, 400)
GOLDEN = Path(__file__).parents[1] / "golden"


def result(kind: str = "rectanglelabels", label: str = "scratch", **value: Any) -> dict[str, Any]:
    """A result of Label Studio, by default a box from (100, 40) to (350, 160)."""
    place = value or {"x": 10.0, "y": 10.0, "width": 25.0, "height": 30.0, "rotation": 0}
    return {
        "id": "Dx_aB91ISN", "type": kind, "from_name": "label", "to_name": "image", "origin": "manual",
        "original_width": SIZE_WH[0], "original_height": SIZE_WH[1], "image_rotation": 0,
        "value": place | {kind: [label]},
    }  # fmt: skip


def label_studio(*results: dict[str, Any], **annotation: Any) -> Annotation:
    """What is read of one annotation."""
    made = {
        "id": 1001, "completed_by": 10, "was_cancelled": False, "ground_truth": False,
        "created_at": "2021-03-09T22:16:08.728353Z", "updated_at": "2021-03-09T22:16:08.728378Z",
        "lead_time": 4.288, "result": list(results),
    }  # fmt: skip
    task = {"id": 1, "data": {"image": "/data/local-files/?d=images/a.png", "sample_id": "s"}}
    [found] = read_label_studio("x.json", json.dumps([task | {"annotations": [made | annotation]}]).encode())
    return found


def cvat(inner: str, *, width: int = SIZE_WH[0], meta: str = "") -> Annotation:
    text = (
        f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version><meta>{meta}</meta>'
        f'<image id="0" name="sub/a.png" width="{width}" height="{SIZE_WH[1]}">{inner}</image></annotations>'
    )
    [found] = read_cvat("x.xml", text.encode())
    return found


def coco(**annotation: Any) -> Annotation:
    content = {
        "images": [{"id": 7, "file_name": "test\\a.png", "width": SIZE_WH[0], "height": SIZE_WH[1]}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 3, "iscrowd": 0} | annotation],
        "categories": [{"id": 3, "name": "scratch"}],
    }
    [found] = read_coco("x.json", json.dumps(content).encode())
    return found


def test_an_annotation_of_label_studio_tells_who_when_and_how_long() -> None:
    found = label_studio(result())
    assert found.regions == [Region(Box(100, 40, 350, 160), "scratch")]
    assert (found.sample_id, found.person, found.seconds, found.finished) == ("s", "10", 4.288, True)
    assert found.at is not None
    assert found.at.isoformat() == "2021-03-09T22:16:08.728378+00:00"
    assert label_studio(completed_by={"id": 3, "email": "ann@example.org"}).person == "3"


def test_an_export_of_label_studio_1_23_is_read() -> None:
    """Made by hand in its page: submitted as it was, a box drawn, dropped, unsure, skipped, not opened."""
    found = list(read_label_studio("x.json", (GOLDEN / "label_studio.json").read_bytes()))
    assert [one.finished for one in found] == [True, True, True, True, False, False]
    assert all(one.problem == "" for one in found)
    wide, turned, deep, good, _, _ = found
    assert (
        wide.regions
        == wide.shown
        == [
            Region(Box(40, 30, 200, 70), "<script>alert(1)</script>"),
            Region(Box(260, 100, 300, 130), "dent"),
        ]
    )
    assert turned.size_wh == (300, 480)
    assert turned.regions[1:] == [Region(Box(150, 48, 240, 96), "scratch")]
    assert turned.regions[:1] == turned.shown
    assert (deep.outcome, deep.reason) == ("drop", "out of focus")
    assert (good.outcome, good.regions, good.shown, good.size_wh) == ("unsure", [], [], None)


def test_skipped_tasks_and_predictions_are_no_annotations() -> None:
    assert label_studio(result(), was_cancelled=True).finished is False
    task = {"data": {"sample_id": "s"}, "annotations": [], "predictions": [{"result": [result()]}]}
    [found] = read_label_studio("x.json", json.dumps([task]).encode())
    assert (found.finished, found.regions) == (False, [])


def test_a_turned_box_of_label_studio_becomes_the_upright_one_around_it() -> None:
    """It is turned clockwise about its upper left corner: a quarter puts the box to the left of it."""
    found = label_studio(result(x=50.0, y=25.0, width=10.0, height=10.0, rotation=90))
    assert found.regions == [Region(Box(460, 100, 500, 200), "scratch")]
    assert found.outlines == 1


def test_polygons_of_label_studio_become_the_boxes_around_them() -> None:
    found = label_studio(result("polygonlabels", points=[[10.05, 10.1], [20, 10], [15, 50.1]]))
    assert found.regions == [Region(Box(100, 40, 200, 201), "scratch")]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (result("brushlabels", format="rle", rle=[1, 2]), "'brushlabels' are not read"),
        (result("ellipselabels", x=5, y=5, radiusX=1, radiusY=1), "'ellipselabels' are not read"),
        (result() | {"image_rotation": 90}, "turned in Label Studio"),
        (result(label=""), "a label has 1 to 200 letters"),
        (result(label="a\x00b"), "a label has 1 to 200 letters"),
        (result(x=90, y=10, width=25, height=10), "reaches outside the image of 1000x400"),
        (result(x=10, y=10, width=0, height=10), "not a box with an area"),
        (result(x=10, y=None, width=3, height=10), "not as its format has it"),
        (result(x=1e999, y=1, width=3, height=10), "not a box with an area"),
        ({}, "not as its format has it"),
        ({"type": "choices", "from_name": "outcome", "value": {"choices": ["perhaps"]}}, "unknown outcome"),
        ({"type": "choices", "from_name": "outcome", "value": {"choices": ["keep", "drop"]}}, "one value"),
    ],
)
def test_what_label_studio_says_and_cannot_be_taken_is_told(bad: dict[str, Any], said: str) -> None:
    assert said in label_studio(result(), bad).problem


def test_what_somebody_began_with_is_told_or_not() -> None:
    assert label_studio(result()).shown == []  # the task had no prediction
    began = {"id": 3, "result": [result(label="dent")]}
    assert label_studio(result(), prediction=began).shown == [Region(Box(100, 40, 350, 160), "dent")]
    assert "not as its format has it" in label_studio(result(), prediction=3).problem


def test_two_sizes_of_one_image_are_refused() -> None:
    other = result() | {"original_width": 500}
    assert "two sizes" in label_studio(result(), other).problem


@pytest.mark.parametrize(
    "content",
    [
        b"not JSON",
        b"{}",
        b'[{"image": "a.png", "id": 1, "label": [], "annotator": 1, "annotation_id": 2}]',  # JSON-MIN
        b'[{"data": {}, "annotations": [3]}]',
        b"[" * 100_000,
    ],
)
def test_other_files_are_none_of_label_studio(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^x\.json: "):
        list(read_label_studio("x.json", content))


def test_the_shapes_of_cvat() -> None:
    """The export of a task with boxes, a turned box, a polygon and a brush mask."""
    found = cvat(
        '<box label="plate" source="manual" occluded="1" xtl="797.33" ytl="270.92" xbr="965.52" ybr="328.50"'
        ' z_order="4"><attribute name="model">a</attribute></box>'
        '<box label="plate" source="file" occluded="0" xtl="100.00" ytl="100.00" xbr="140.00" ybr="110.00"'
        ' z_order="0" rotation="90.00"></box>'
        '<polygon label="car" source="manual" occluded="0" points="561.30,16.23;561.30,42.77;554.72,61.63"'
        ' z_order="1"></polygon>'
        '<mask label="car" source="manual" occluded="0" rle="3, 5" left="10" top="20" width="4" height="2"'
        ' z_order="0"></mask>'
        '<tag label="good_frame" source="manual"></tag>'
    )
    assert (found.problem, found.image, found.size_wh, found.outlines) == ("", "a.png", SIZE_WH, 3)
    assert found.regions == [
        Region(Box(797, 271, 966, 328), "plate"),
        Region(Box(115, 85, 125, 125), "plate"),
        Region(Box(554, 16, 562, 62), "car"),
        Region(Box(10, 20, 14, 22), "car"),
    ]
    assert (found.finished, found.person, found.at) == (None, "", None)


def test_the_assignee_the_time_and_the_tag_of_cvat() -> None:
    found = cvat(
        '<tag label="mmrad review" source="manual"><attribute name="outcome">drop</attribute>'
        '<attribute name="reason"> blurred </attribute></tag>',
        meta="<task><id>4</id><owner><username>boss</username></owner>"
        "<assignee><username>ann</username><email></email></assignee></task>"
        "<dumped>2018-09-25 11:38:28.799808+03:00</dumped>",
    )
    assert (found.person, found.outcome, found.reason, found.finished) == ("ann", "drop", "blurred", True)
    assert found.at is not None
    assert found.at.isoformat() == "2018-09-25T08:38:28.799808+00:00"


@pytest.mark.parametrize(
    ("inner", "said"),
    [
        ('<points label="wheel" points="574.90,139.48" occluded="0"/>', "'points' are not read"),
        ('<polyline label="wheel" points="1,2;3,4" occluded="0"/>', "'polyline' are not read"),
        ('<cuboid label="a"/>', "'cuboid' are not read"),
        ('<skeleton label="a"/>', "'skeleton' are not read"),
        ('<box label="a" xtl="1" ytl="1" xbr="9"/>', "not as its format has it"),
        ('<box label="a" xtl="1" ytl="1" xbr="nan" ybr="4"/>', "not a box with an area"),
        ('<box label="a" xtl="9" ytl="1" xbr="4" ybr="4"/>', "not a box with an area"),
        ('<box label="a" xtl="9" ytl="1" xbr="14" ybr="500"/>', "reaches outside"),
        ('<polygon label="a" points="1,2;3"/>', "not enough values"),
        ('<tag label="r"><attribute name="outcome">no</attribute></tag>', "unknown outcome 'no'"),
    ],
)
def test_what_cvat_says_and_cannot_be_taken_is_told(inner: str, said: str) -> None:
    assert said in cvat(inner).problem


@pytest.mark.parametrize(
    "content",
    [
        b"not XML",
        b"<html></html>",
        b'<annotations><track id="0" label="car"></track></annotations>',  # for video
    ],
)
def test_other_files_are_none_of_cvat(content: bytes) -> None:
    with pytest.raises(DataError, match=r"^x\.xml: "):
        list(read_cvat("x.xml", content))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize(
    ("doctype", "used"),
    [
        ('<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;&b;">]>', "&c;"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>', "&b;"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd">', ""),
    ],
)
def test_entities_are_not_even_looked_at(doctype: str, used: str, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<annotations>{used}</annotations>'
    with pytest.raises(DataError, match="document type"):
        parse_xml("x.xml", text.encode(encoding))


def test_boxes_of_coco_and_the_turned_ones_of_cvat() -> None:
    assert coco(bbox=[10.4, 20, 30, 40.0]).regions == [Region(Box(10, 20, 40, 60), "scratch")]
    turned = coco(bbox=[100.0, 100.0, 40.0, 10.0], attributes={"occluded": False, "rotation": 90.0})
    assert turned.regions == [Region(Box(115, 85, 125, 125), "scratch")]
    assert (turned.image, turned.sample_id, turned.finished) == ("a.png", None, None)


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"bbox": [1, 2, 3]}, "not enough values"),
        ({}, "not as its format has it"),
        ({"bbox": [1, 2, 3, 4], "category_id": 9}, "not as its format has it"),
        ({"bbox": [1, 2, -3, 4]}, "not a box with an area"),
        ({"bbox": [-2, 2, 3, 4]}, "reaches outside"),
        ({"bbox": [1, 2, 3, math.inf]}, "not a box with an area"),
    ],
)
def test_what_coco_says_and_cannot_be_taken_is_told(annotation: dict[str, Any], said: str) -> None:
    assert said in coco(**annotation).problem


@pytest.mark.parametrize(
    "content",
    [
        "[]",  # results
        '{"images": [], "annotations": []}',
        '{"images": [], "annotations": [{"image_id": 1}], "categories": []}',
        '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [], "categories": []}',
    ],
)
def test_other_files_are_none_of_coco(content: str) -> None:
    with pytest.raises(DataError, match=r"^x\.json: not a COCO file"):
        list(read_coco("x.json", content.encode()))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.xml: cannot be read"):
        list(documents(tmp_path / "none.xml", ".xml"))
    empty = tmp_path / "empty.zip"
    empty.write_bytes(b"PK\x05\x06" + bytes(18))
    with pytest.raises(DataError, match=r"empty\.zip: has no \.xml file"):
        list(documents(empty, ".xml"))


@st.composite
def drawn(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[int, int, int, int], float]:
    """An image, a box in it, and by how much a tool is off."""
    width, height = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    box = (x1, y1, draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height)))
    return (width, height), box, draw(st.floats(-0.49, 0.49))


def readers(
    size_wh: tuple[int, int], box: tuple[int, int, int, int], off: float
) -> Iterator[list[Annotation]]:
    """A box as each tool writes it, off by a part of a pixel."""
    (width, height), (x1, y1, x2, y2) = size_wh, (value + off for value in box)
    percent = {
        "x": 100 * x1 / width, "y": 100 * y1 / height, "width": 100 * (x2 - x1) / width,
        "height": 100 * (y2 - y1) / height, "rotation": 0, "rectanglelabels": ["a"],
    }  # fmt: skip
    one = result() | {"original_width": width, "original_height": height, "value": percent}
    made = {"result": [one], "updated_at": "2021-03-09T22:16:08Z"}
    yield list(read_label_studio("x", json.dumps([{"data": {}, "annotations": [made]}]).encode()))
    yield list(
        read_cvat(
            "x",
            f'<annotations><image name="a" width="{width}" height="{height}"><box label="a" xtl="{x1:.2f}" '
            f'ytl="{y1:.2f}" xbr="{x2:.2f}" ybr="{y2:.2f}"/></image></annotations>'.encode(),
        )
    )
    content = {
        "images": [{"id": 1, "file_name": "a", "width": width, "height": height}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1]}],
        "categories": [{"id": 1, "name": "a"}],
    }
    yield list(read_coco("x", json.dumps(content).encode()))


@given(drawn())
def test_every_conversion_gives_the_whole_pixels_that_were_meant(
    given: tuple[tuple[int, int], tuple[int, int, int, int], float],
) -> None:
    size_wh, box, off = given
    for [found] in readers(size_wh, box, off):
        assert (found.problem, found.size_wh) == ("", size_wh)
        assert [region.box.xyxy for region in found.regions] == [box]
        assert all(isinstance(value, int) for region in found.regions for value in region.box.xyxy)
