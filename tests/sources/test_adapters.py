import json
from pathlib import Path

import pytest
import trees

from mmrad.box import Box
from mmrad.errors import DataError
from mmrad.sample import Sample
from mmrad.sources import ADAPTERS, BuildResult, build_corpus, describe_sources

B = trees.BOX


def build(adapter: str, root: Path) -> BuildResult:
    return build_corpus({adapter: (adapter, root)}, root.parent / "corpus")


def by_id(result: BuildResult) -> dict[str, Sample]:
    return {sample.id: sample for sample in result.corpus.samples}


def truth(sample: Sample) -> list[tuple[tuple[float, ...], str]]:
    return [(region.box.xyxy, region.label) for region in sample.regions]


def test_mvtec_ids_splits_labels_and_boxes(tmp_path: Path) -> None:
    result = build("mvtec", trees.mvtec(tmp_path / "raw"))
    samples = by_id(result)
    assert result.rejections == ()
    assert sorted(key for key in samples if "/bottle/" in key) == [
        "mvtec/bottle/test/broken_large-000",
        "mvtec/bottle/test/good-000",
        "mvtec/bottle/train/good-000",
        "mvtec/bottle/train/good-001",
    ]
    bad = samples["mvtec/bottle/test/broken_large-000"]
    assert truth(bad) == [(B, "broken large")]
    assert bad.regions[0].mask == bad.provenance == "bottle/ground_truth/broken_large/000_mask.png"
    assert bad.size_wh == trees.SIZE
    assert [key for key, sample in samples.items() if sample.anomalous] == [
        "mvtec/bottle/test/broken_large-000",
        "mvtec/metal_nut/test/bent-000",
    ]


def test_mvtec_reads_other_letter_case_and_plain_mask_names(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    trees.image(raw / "01" / "Train" / "Good" / "a.JPG")
    trees.image(raw / "01" / "TEST" / "bad one" / "ß.PNG")
    trees.mask(raw / "01" / "Ground_Truth" / "bad one" / "ß.png")
    samples = by_id(build("mvtec", raw))
    assert samples["mvtec/01/train/Good-a"].regions == ()
    assert truth(samples["mvtec/01/test/bad one-ß"]) == [(B, "bad one")]


def test_mvtec_pairs_masks_by_name_and_reports_the_missing_one(tmp_path: Path) -> None:
    raw = trees.mvtec(tmp_path / "raw")
    trees.image(raw / "bottle/test/broken_large/001.png")
    trees.image(raw / "bottle/test/broken_large/002.png")
    trees.mask(raw / "bottle/ground_truth/broken_large/002_mask.png", (1, 2, 9, 9, 255))
    result = build("mvtec", raw)
    assert [(item.source, item.path) for item in result.rejections] == [
        ("mvtec", "bottle/test/broken_large/001.png")
    ]
    assert "001_mask" in result.rejections[0].reason
    assert truth(by_id(result)["mvtec/bottle/test/broken_large-002"]) == [((1, 2, 9, 9), "broken large")]


def test_unknown_files_and_folders_are_reported_not_read(tmp_path: Path) -> None:
    raw = trees.mvtec(tmp_path / "raw")
    trees.text(raw / "bottle/train/good/002.heic", "x")
    (raw / "notes").mkdir()
    result = build("mvtec", raw)
    assert {item.path for item in result.rejections} == {"bottle/train/good/002.heic", "notes"}


def test_two_images_with_one_id_keep_the_first(tmp_path: Path) -> None:
    raw = trees.mvtec(tmp_path / "raw")
    trees.image(raw / "bottle/train/good/000.jpg")
    result = build("mvtec", raw)
    assert [item.path for item in result.rejections] == ["bottle/train/good/000.png"]
    assert "bottle/train/good/000.jpg" in result.rejections[0].reason


@pytest.mark.parametrize("wrapped", [False, True])
def test_visa_names_classes_and_keeps_overlapping_stems_apart(tmp_path: Path, wrapped: bool) -> None:
    raw = tmp_path / "raw"
    trees.visa(raw / "VisA" if wrapped else raw)
    result = build("visa", raw)
    samples = by_id(result)
    assert result.rejections == ()
    assert sorted(samples) == [
        "visa/candle/test/Anomaly-000",
        "visa/candle/test/Anomaly-001",
        "visa/candle/test/Normal-001",
        "visa/candle/train/Normal-000",
    ]
    assert truth(samples["visa/candle/test/Anomaly-000"]) == [(B, "weird candle wick")]
    assert truth(samples["visa/candle/test/Anomaly-001"]) == [
        ((30, 2, 36, 8), "different color spot"),
        (B, "chunk of wax missing"),
    ]


def test_visa_reports_a_mask_value_without_a_name(tmp_path: Path) -> None:
    raw = trees.visa(tmp_path / "raw")
    trees.mask(raw / "candle/Data/Masks/Anomaly/001.png", (*B, 77))
    result = build("visa", raw)
    assert [item.path for item in result.rejections] == ["candle/Data/Images/Anomaly/001.JPG"]
    assert "77" in result.rejections[0].reason


def test_visa_reports_unlisted_and_missing_images_and_unsafe_rows(tmp_path: Path) -> None:
    raw = trees.visa(tmp_path / "raw")
    trees.image(raw / "candle/Data/Images/Normal/009.JPG")
    (raw / "candle/Data/Images/Normal/001.JPG").unlink()
    with (raw / "split_csv/1cls.csv").open("a") as file:
        file.write(
            "candle,train,normal,/etc/passwd,\ncandle,train,normal,../x.JPG,\ncandle,val,normal,a.JPG,\n"
        )
        file.write("ghost,train,normal,ghost/a.JPG,\n")
    reasons = {(item.path, item.reason) for item in build("visa", raw).rejections}
    assert {path for path, _ in reasons} == {
        "candle/Data/Images/Normal/009.JPG",
        "candle/Data/Images/Normal/001.JPG",
        "split_csv/1cls.csv",
    }
    text = "\n".join(reason for _, reason in reasons)
    assert "1cls.csv line 6" in text and "1cls.csv line 7" in text and "1cls.csv line 8" in text
    assert "'ghost'" in text


def test_visa_without_its_split_file_is_refused(tmp_path: Path) -> None:
    raw = trees.visa(tmp_path / "raw")
    (raw / "split_csv/1cls.csv").unlink()
    with pytest.raises(DataError, match=r"1cls\.csv: missing"):
        build("visa", raw)


def test_loco_decodes_every_mask_file_of_an_image(tmp_path: Path) -> None:
    result = build("loco", trees.loco(tmp_path / "raw"))
    samples = by_id(result)
    assert result.rejections == ()
    assert truth(samples["loco/pushpins/test/logical_anomalies-000"]) == [
        (B, "1 additional pushpin"),
        ((30, 2, 36, 8), "missing pushpin"),
    ]
    assert truth(samples["loco/pushpins/test/structural_anomalies-000"]) == [(B, "broken")]
    assert {sample.split for sample in samples.values()} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    "content", ["{", "{}", "[1]", '[{"defect_name": "a"}]', '[{"pixel_value": 255, "defect_name": 3}]']
)
def test_loco_names_a_broken_config(tmp_path: Path, content: str) -> None:
    raw = trees.loco(tmp_path / "raw")
    trees.text(raw / "pushpins/defects_config.json", content)
    if content == "{}":  # readable, but then no mask value has a name
        assert all("no name" in item.reason for item in build("loco", raw).rejections)
    else:
        with pytest.raises(DataError, match=r"defects_config\.json"):
            build("loco", raw)


@pytest.mark.parametrize("jsons", ["realiad_jsons", "realiad_jsons/realiad_jsons", "realiad_jsons_sv"])
def test_realiad_believes_the_json_and_not_the_path(tmp_path: Path, jsons: str) -> None:
    result = build("realiad", trees.realiad(tmp_path / "raw", jsons))
    samples = by_id(result)
    assert result.rejections == ()
    assert samples["realiad/audiojack/train/audiojack_0001_OK_C1_20231021130235"].regions == ()
    assert samples["realiad/audiojack/test/audiojack__0002_NG_BX_C2_20231023111538"].regions == ()
    bad = samples["realiad/audiojack/test/audiojack__0002_NG_BX_C1_20231023111538"]
    assert truth(bad) == [(B, "deformation")]
    assert bad.provenance == f"{jsons}/audiojack.json test[0], images of realiad_1024"


def test_realiad_takes_the_largest_images(tmp_path: Path) -> None:
    raw = trees.realiad(tmp_path / "raw", size="realiad_256")
    trees.realiad(raw, size="realiad_512")
    assert {sample.image.split("/")[0] for sample in build("realiad", raw).corpus.samples} == {"realiad_512"}


def test_realiad_a_mask_of_a_normal_class_stays_normal(tmp_path: Path) -> None:
    raw = trees.realiad(tmp_path / "raw")
    entry = trees.realiad_entry(trees.REALIAD_BAD, "OK", trees.REALIAD_BAD.replace(".jpg", ".png"))
    trees.realiad_json(raw / "realiad_jsons", [entry], [])
    assert [sample.anomalous for sample in build("realiad", raw).corpus.samples] == [False]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.jpg",
        "../secret.jpg",
        "OK/../../x.jpg",
        "C:\\x.jpg",
        "..\\x.jpg",
        "\\\\host\\x.jpg",
        "",
        None,
        3,
    ],
)
def test_realiad_refuses_paths_that_leave_the_dataset(tmp_path: Path, path: object) -> None:
    raw = trees.realiad(tmp_path / "raw")
    good = trees.realiad_entry(trees.REALIAD_OK, "OK")
    trees.realiad_json(raw / "realiad_jsons", [good], [{**good, "image_path": path}])
    result = build("realiad", raw)
    assert len(result.corpus.samples) == 1
    assert [item.path for item in result.rejections] == ["realiad_jsons/audiojack.json"]
    assert "test[0]" in result.rejections[0].reason


@pytest.mark.parametrize(
    "row", [3, "text", {}, {"anomaly_class": ["BX"], "image_path": "a.jpg", "mask_path": "b.png"}]
)
def test_realiad_reports_malformed_rows(tmp_path: Path, row: object) -> None:
    raw = trees.realiad(tmp_path / "raw")
    trees.realiad_json(raw / "realiad_jsons", [trees.realiad_entry(trees.REALIAD_OK, "OK")], [row])
    assert len(build("realiad", raw).rejections) == 1


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"meta": {"prefix": "audiojack/"}}', '{"meta": 1}', "[" * 100_000]
)
def test_realiad_names_a_broken_json(tmp_path: Path, content: str) -> None:
    raw = trees.realiad(tmp_path / "raw")
    trees.text(raw / "realiad_jsons/audiojack.json", content)
    with pytest.raises(DataError, match=r"audiojack\.json"):
        build("realiad", raw)


def test_realiad_reports_a_category_without_images(tmp_path: Path) -> None:
    raw = trees.realiad(tmp_path / "raw")
    source = (raw / "realiad_jsons/audiojack.json").read_text()
    trees.text(raw / "realiad_jsons/toy.json", source.replace('"audiojack/"', '"toy/"'))
    result = build("realiad", raw)
    assert [(item.path, "toy" in item.reason) for item in result.rejections] == [
        ("realiad_jsons/toy.json", True)
    ]


@pytest.mark.parametrize("inner", ["", "PCBData"])
def test_deeppcb_gives_pairs_with_their_template(tmp_path: Path, inner: str) -> None:
    result = build("deeppcb", trees.deeppcb(tmp_path / "raw") / inner)
    samples = by_id(result)
    assert result.rejections == ()
    assert sorted(samples) == [
        "deeppcb/group00041/test/00041001_temp",
        "deeppcb/group00041/test/00041001_test",
        "deeppcb/group00041/train/00041000_temp",
        "deeppcb/group00041/train/00041000_test",
    ]
    bad, good = (
        samples["deeppcb/group00041/test/00041001_test"],
        samples["deeppcb/group00041/test/00041001_temp"],
    )
    assert truth(bad) == [(B, "mouse bite"), ((30, 2, 36, 8), "pin hole")]
    assert good.regions == () and bad.given_references == (good.image,) == good.given_references
    assert "its own reference" in good.provenance


@pytest.mark.parametrize(
    "lines",
    ["", "1 2 3 4\n", "5 6 12 20 9\n", "12 6 5 20 1\n", "a b c d 1\n", "5 6 12 2000 1\n", "5 6 12 20 1\n\n9"],
)
def test_deeppcb_rejects_an_image_with_an_unusable_box(tmp_path: Path, lines: str) -> None:
    raw = trees.deeppcb(tmp_path / "raw")
    trees.text(raw / "PCBData/group00041/00041_not/00041000.txt", lines)
    result = build("deeppcb", raw)
    assert [item.path for item in result.rejections] == ["PCBData/group00041/00041/00041000_test.jpg"]
    assert "00041000.txt" in result.rejections[0].reason


def test_deeppcb_reads_commas_and_reports_bad_list_lines_and_unlisted_images(tmp_path: Path) -> None:
    raw = trees.deeppcb(tmp_path / "raw")
    base = raw / "PCBData"
    trees.text(base / "group00041/00041_not/00041000.txt", "5,6,12,20,1")
    trees.image(base / "group00041/00041/00041999_temp.jpg")
    with (base / "test.txt").open("a") as file:
        file.write("one\n../../a.jpg b.txt\n")
    result = build("deeppcb", raw)
    assert truth(by_id(result)["deeppcb/group00041/train/00041000_test"]) == [(B, "open circuit")]
    assert [item.path for item in result.rejections] == [
        "PCBData/test.txt",
        "PCBData/test.txt",
        "PCBData/group00041/00041/00041999_temp.jpg",
    ]
    assert "line 2" in result.rejections[0].reason and "line 3" in result.rejections[1].reason


def test_folder_with_good_and_defect_folders(tmp_path: Path) -> None:
    result = build("folder", trees.folder(tmp_path / "bracket"))
    samples = by_id(result)
    assert result.rejections == ()
    assert sorted(samples) == ["folder/bracket/test/good-a part", "folder/bracket/test/scratch-Überlauf"]
    assert truth(samples["folder/bracket/test/scratch-Überlauf"]) == [(B, "scratch")]


def test_folder_takes_flat_masks_only_where_they_are_unambiguous(tmp_path: Path) -> None:
    root = trees.folder(tmp_path / "bracket")
    (root / "masks" / "scratch" / "Überlauf_mask.png").rename(root / "masks" / "Überlauf.png")
    assert truth(by_id(build("folder", root))["folder/bracket/test/scratch-Überlauf"]) == [(B, "scratch")]
    trees.image(root / "dent" / "Überlauf.jpg")
    assert {item.path for item in build("folder", root).rejections} == {
        "dent/Überlauf.jpg",
        "scratch/Überlauf.jpg",
    }


def test_folder_like_mvtec_without_the_category(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "raw") / "bottle"
    samples = by_id(build("folder", root))
    assert len(samples) == 4
    assert truth(samples["folder/bottle/test/broken_large-000"]) == [(B, "broken large")]


def coco(root: Path, *annotations: object) -> Path:
    for name in ("a", "b"):
        trees.image(root / "images" / f"{name}.png")
    content = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 7, "name": "Bent_Pin"}],
        "annotations": list(annotations),
    }
    trees.text(root / "annotations.json", json.dumps(content))
    return root


def test_folder_reads_coco_boxes(tmp_path: Path) -> None:
    root = coco(tmp_path / "bracket", {"image_id": 1, "category_id": 7, "bbox": [5.4, 6, 6.2, 14]})
    samples = by_id(build("folder", root))
    assert samples["folder/bracket/test/a"].regions[0].box == Box(5, 6, 12, 20)
    assert samples["folder/bracket/test/a"].regions[0].label == "bent pin"
    assert samples["folder/bracket/test/b"].regions == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"image_id": 1, "category_id": 7, "bbox": [5, 6, 0, 14]},
        {"image_id": 1, "category_id": 7, "bbox": [5, 6, float("nan"), 14]},
        {"image_id": 1, "category_id": 7, "bbox": [5, 6, 1e400, 14]},
        {"image_id": 1, "category_id": 8, "bbox": [5, 6, 7, 14]},
        {"image_id": 1, "category_id": [7], "bbox": [5, 6, 7, 14]},
        {"image_id": 1, "category_id": 7},
        {"image_id": 1, "category_id": 7, "bbox": [500, 6, 7, 14]},
    ],
)
def test_coco_an_image_with_an_unusable_box_is_never_normal(tmp_path: Path, broken: object) -> None:
    result = build("folder", coco(tmp_path / "bracket", broken))
    assert [item.path for item in result.rejections] == ["images/a.png"]
    assert list(by_id(result)) == ["folder/bracket/test/b"]


def test_coco_reports_annotations_and_images_that_do_not_meet(tmp_path: Path) -> None:
    root = coco(tmp_path / "bracket", {"image_id": 9}, {"image_id": [1]}, 5)
    trees.image(root / "images" / "c.png")
    rejected = build("folder", root).rejections
    assert [item.path for item in rejected] == ["annotations.json"] * 3 + ["images/c.png"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_folder_without_the_layout_is_refused_with_the_layout(tmp_path: Path, adapter: str) -> None:
    (tmp_path / "raw" / "unrelated").mkdir(parents=True)
    with pytest.raises(DataError, match="should look like") as caught:
        build(adapter, tmp_path / "raw")
    assert ADAPTERS[adapter].layout in str(caught.value)


def test_every_adapter_describes_itself() -> None:
    described = describe_sources()
    assert [entry["name"] for entry in described] == list(ADAPTERS)
    assert all(entry["licence"] and entry["layout"] and entry["title"] for entry in described)
