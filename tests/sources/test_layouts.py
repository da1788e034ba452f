"""Every layout, read from a tree as its archive unpacks: ids, truth, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import trees

from mmrad.errors import DataError
from mmrad.image import image_size, read_image, read_mask
from mmrad.sources import ADAPTERS, BuildResult, build_corpus

B = trees.BOX
Truth = dict[str, list[tuple[tuple[float, ...], str]]]


def build(adapter: str, root: Path) -> BuildResult:
    return build_corpus({"s": (adapter, root)}, root.parent / "corpus")


def truths(result: BuildResult) -> Truth:
    return {
        sample.id.removeprefix("s/"): [(region.box.xyxy, region.label) for region in sample.regions]
        for sample in result.corpus.samples
    }


def refused(result: BuildResult) -> dict[str, str]:
    return {item.path: item.reason for item in result.rejections}


LAYOUTS: list[tuple[str, Callable[[Path], Path], Truth, set[str]]] = [
    (
        "mpdd",
        lambda root: trees.mvtec_like(root / "MPDD", "tubes", "anomalous"),
        {
            "tubes/train/good-000": [],
            "tubes/test/good-000": [],
            "tubes/test/anomalous-000": [(B, "flattening")],
        },
        set(),
    ),
    (
        "goodsad",
        trees.goodsad,
        {
            "drink_can/train/good-000": [],
            "drink_can/test/good-000": [],
            "drink_can/test/straw_missing-000": [(B, "straw missing")],
        },
        set(),
    ),
    (
        "miad",
        lambda root: trees.mvtec_like(root, "wind_turbine", "crack", ".jpg", "_mask.png"),
        {
            "wind_turbine/train/good-000": [],
            "wind_turbine/test/good-000": [],
            "wind_turbine/test/crack-000": [(B, "crack")],
        },
        set(),
    ),
    (
        "wfdd",
        trees.wfdd,
        {
            "grey_cloth/train/good-000": [],
            "grey_cloth/test/good-000": [],
            "grey_cloth/test/block-000": [(B, "block")],
        },
        set(),
    ),
    (
        "texture-ad",
        trees.texture_ad,
        {"Cloth_c01/train/good-1": [], "Cloth_c02/test/bad-1": [(B, "defect")]},
        set(),
    ),
    (
        "3cad",
        trees.three_cad,
        {
            "Copper_Stator/train/good-000": [],
            "Copper_Stator/test/good-000": [],
            "Copper_Stator/test/huahen-000": [(B, "scratch")],
        },
        set(),
    ),
    (
        "btad",
        trees.btad,
        {
            "01/train/ok-0000": [],
            "01/test/ok-0000": [],
            "01/test/ko-0000": [(B, "defect")],
            "01/test/ko-0001": [(B, "defect")],
        },
        set(),
    ),
    (
        "visa-converted",
        trees.visa_converted,
        {"candle/train/good-000": [], "candle/test/good-000": [], "candle/test/bad-000": [(B, "defect")]},
        set(),
    ),
    (
        "mvtec-ad-2",
        trees.mvtec_ad_2,
        {
            "can/train/good-000_regular": [],
            "can/validation/good-000_regular": [],
            "can/test/good-000_regular": [],
            "can/test/bad-000_regular": [(B, "defect")],
        },
        set(),
    ),
    (
        "mvtec3d",
        trees.mvtec3d,
        {
            "bagel/train/good-000": [],
            "bagel/validation/good-000": [],
            "bagel/test/good-000": [],
            "bagel/test/crack-000": [(B, "crack")],
        },
        set(),
    ),
    (
        "manta",
        trees.manta,
        {
            **{f"agriculture_maize/train/good-agriculture_maize_00001-view{n}": [] for n in range(1, 6)},
            **{f"agriculture_maize/test/mold-agriculture_maize_00002-view{n}": [] for n in (1, 3, 4)},
            "agriculture_maize/test/mold-agriculture_maize_00002-view2": [((5, 6, 12, 20), "mold")],
            "agriculture_maize/test/mold-agriculture_maize_00002-view5": [((5, 2, 10, 8), "mold")],
        },
        {"agriculture/maize/test/good/agriculture_maize_00003.png"},
    ),
    (
        "kolektor",
        trees.kolektor,
        {"commutator/test/kos01-Part0": [(B, "crack")], "commutator/test/kos01-Part1": []},
        {"kos02/Part0.jpg"},
    ),
    (
        "kolektor2",
        trees.kolektor2,
        {"surface/train/10000": [(B, "defect")], "surface/test/20000": []},
        set(),
    ),
    (
        "dagm",
        trees.dagm,
        {"Class1/train/0576": [(B, "defect")], "Class1/test/0001": []},
        set(),
    ),
    (
        "magnetic-tile",
        trees.magnetic_tile,
        {
            "magnetic_tile/test/Blowhole-exp1_num_1": [(B, "blowhole")],
            "magnetic_tile/test/Free-exp1_num_1": [],
        },
        set(),
    ),
    (
        "realiad-d3",
        trees.realiad_d3,
        {
            "fuse_holder/train/OK-S0001-L05_RGB": [],
            "fuse_holder/test/NG-QS-S0002-L05_RGB": [(B, "missing part")],
            "fuse_holder/test/NG-XX-S0003-L05_RGB": [(B, "xx 1")],
        },
        set(),
    ),
    (
        "cableinspect",
        trees.cableinspect,
        {
            # The outline of pass 01 is tighter than its turned box; that of pass 02 is 20 wide and 4 high,
            # turned upright about (20, 14).
            "Cable_1/test/01-C01_A1_000123": [((5, 6, 12, 20), "deposit")],
            "Cable_1/test/02-C01_A2_000123": [((18, 4, 22, 24), "bent strand")],
            "Cable_1/test/03-C01_A3_000123": [],
        },
        {"cable_2.json", "cable_3.json"},
    ),
    (
        "bsdata",
        trees.bsdata,
        {
            "position_277500/train/01_200901000000_277500_315_crop_2": [],
            "position_277500/test/01_200902000000_277500_315_crop_2": [(B, "pitting")],
        },
        {"data/01_200903000000_277500_315_crop_2.jpg"},
    ),
    (
        "mmad",
        trees.mmad,
        {
            "DS-MVTec_bottle/test/image-good-000": [],
            "DS-MVTec_bottle/test/image-broken_large-000": [(B, "broken large")],
        },
        set(),
    ),
    (
        "mmr-ad",
        trees.release,
        {
            "mvtec_bottle/train/train_good-000": [],
            "mvtec_bottle/test/test_good-001": [],
            "mvtec_bottle/test/test-broken_large-000": [(B, "broken")],
        },
        set(),
    ),
]


@pytest.mark.parametrize(
    ("adapter", "tree", "expected", "rejected"), LAYOUTS, ids=[row[0] for row in LAYOUTS]
)
def test_layout(
    adapter: str, tree: Callable[[Path], Path], expected: Truth, rejected: set[str], tmp_path: Path
) -> None:
    result = build(adapter, tree(tmp_path / "raw"))
    assert truths(result) == expected
    assert set(refused(result)) == rejected


def test_every_adapter_has_a_fixture() -> None:
    here = {row[0] for row in LAYOUTS}
    elsewhere = {"mvtec", "visa", "loco", "realiad", "deeppcb", "folder"}  # test_adapters.py, test_folder.py
    assert here | elsewhere == set(ADAPTERS)


def test_a_view_of_a_strip_opens_like_an_image_of_its_own(tmp_path: Path) -> None:
    result = build("manta", trees.manta(tmp_path / "raw"))
    bad = next(sample for sample in result.corpus.samples if sample.id.endswith("00002-view2"))
    path = result.corpus.resolve("s", bad.image)
    assert bad.size_wh == image_size(path) == (40, 30)
    assert read_image(path).shape == (30, 40, 3)
    assert bad.regions[0].mask
    x1, y1, x2, y2 = (int(value) for value in bad.regions[0].box.xyxy)
    mask = read_mask(result.corpus.resolve("s", bad.regions[0].mask))
    assert mask.shape == (30, 40)
    assert mask[y1:y2, x1:x2].min() == 255


def test_a_part_outside_its_image_is_an_error(tmp_path: Path) -> None:
    path = trees.image(tmp_path / "a.png")
    with pytest.raises(DataError, match="outside"):
        read_image(path.with_name("a.png#xywh=30,0,11,10"))


def test_given_references_come_with_mmad_and_the_release(tmp_path: Path) -> None:
    for adapter, tree, given in (
        ("mmad", trees.mmad, "MVTec-AD/bottle/train/good/001.png"),
        ("mmr-ad", trees.release, "mvtec/bottle/train_good/000.png"),
    ):
        result = build(adapter, tree(tmp_path / adapter / "raw"))
        bad = next(sample for sample in result.corpus.samples if sample.anomalous)
        assert bad.given_references == (given,)


def test_a_normal_image_whose_mask_marks_something_is_reported(tmp_path: Path) -> None:
    raw = trees.mvtec3d(tmp_path / "raw")
    trees.mask(raw / "bagel/test/good/gt/000.png")
    result = build("mvtec3d", raw)
    assert "bagel/test/good-000" not in truths(result)
    assert "marks 1" in refused(result)["bagel/test/good/rgb/000.png"]


def test_an_anomalous_image_whose_mask_is_empty_is_reported(tmp_path: Path) -> None:
    raw = trees.magnetic_tile(tmp_path / "raw")
    trees.mask(raw / "MT_Blowhole/Imgs/exp1_num_1.png", (0, 0, 0, 0, 0))
    result = build("magnetic-tile", raw)
    assert "marks nothing" in refused(result)["MT_Blowhole/Imgs/exp1_num_1.jpg"]


def test_release_boxes_of_another_form_say_what_was_found_and_expected(tmp_path: Path) -> None:
    raw = trees.release(tmp_path / "raw")
    trees.text(raw / "mvtec/bottle/bbox_annos.json", '{"test/broken_large/000.png": {"boxes": 3}}')
    reason = refused(build("mmr-ad", raw))["mvtec/bottle/test/broken_large/000.png"]
    assert "'boxes'" in reason
    assert "bbox_2d" in reason


def test_paths_out_of_the_dataset_are_refused(tmp_path: Path) -> None:
    raw = trees.mmad(tmp_path / "raw")
    content = (raw / "mmad.json").read_text().replace("mask/broken_large", "../../../../etc")
    trees.text(raw / "mmad.json", content)
    result = build("mmad", raw)
    assert "leaves the dataset" in refused(result)["mmad.json"]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    raw = trees.kolektor2(tmp_path / "raw")
    (raw / "train" / "again").symlink_to(raw, target_is_directory=True)
    assert len(truths(build("kolektor2", raw))) == 2
    raw = trees.texture_ad(tmp_path / "grouped" / "raw")
    (raw / "Cloth" / "again").symlink_to(raw, target_is_directory=True)
    assert set(truths(build("texture-ad", raw))) >= {"Cloth_c01/train/good-1"}


def test_own_labels_go_before_those_of_the_source(tmp_path: Path) -> None:
    raw = trees.mvtec_like(tmp_path / "raw", "tubes", "anomalous")
    trees.text(raw / "mmrad.toml", '[labels]\n"tubes/anomalous" = "squashed tube"\n')
    assert truths(build("mpdd", raw))["tubes/test/anomalous-000"] == [(B, "squashed tube")]


def test_own_words_that_are_not_understood_name_their_file(tmp_path: Path) -> None:
    raw = trees.mvtec_like(tmp_path / "raw", "tubes", "anomalous")
    trees.text(raw / "mmrad.toml", '[lables]\n"a" = "b"\n')
    with pytest.raises(DataError, match=r"mmrad\.toml.*lables"):
        build("mpdd", raw)
