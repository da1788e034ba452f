"""Tiny raw datasets for tests, each in the layout of a real one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (40, 30)
BOX = (5, 6, 12, 20)


def image(path: Path, size: tuple[int, int] = SIZE, grey: int = 90, mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    # ".JPG" and ".png" alike are written in the format of their suffix.
    Image.new("L", size, grey).convert(mode).save(path)
    return path


def mask(path: Path, *boxes: tuple[int, int, int, int, int], size: tuple[int, int] = SIZE) -> Path:
    """A mask with `(x1, y1, x2, y2, value)` rectangles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros(size[::-1], np.uint8)
    for x1, y1, x2, y2, value in boxes or [(*BOX, 255)]:
        values[y1:y2, x1:x2] = value
    Image.fromarray(values).save(path)
    return path


def text(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def table(path: Path, *rows: tuple[str, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def mvtec(root: Path) -> Path:
    """Two categories; stems repeat between folders; stray files as archives leave them."""
    for category, defect in (("bottle", "broken_large"), ("metal_nut", "bent")):
        for place in ("train/good/000", "train/good/001", "test/good/000", f"test/{defect}/000"):
            image(root / category / f"{place}.png")
        mask(root / category / "ground_truth" / defect / "000_mask.png")
        text(root / category / "readme.txt", "about")
        text(root / category / "test" / "good" / "Thumbs.db", "x")
        text(root / category / "test" / "good" / ".DS_Store", "x")
        text(root / category / "test" / "good" / "._000.png", "a resource fork, not an image")
    return root


def visa(root: Path, category: str = "candle") -> Path:
    """Normal and anomalous stems overlap; masks hold class ids."""
    rows = [("object", "split", "label", "image", "mask")]
    for stem, split in (("000", "train"), ("001", "test")):
        path = f"{category}/Data/Images/Normal/{stem}.JPG"
        image(root / path)
        rows.append((category, split, "normal", path, ""))
    for stem in ("000", "001"):
        path = f"{category}/Data/Images/Anomaly/{stem}.JPG"
        image(root / path)
        rows.append((category, "test", "anomaly", path, f"{category}/Data/Masks/Anomaly/{stem}.png"))
    mask(root / category / "Data/Masks/Anomaly/000.png", (*BOX, 3))
    mask(root / category / "Data/Masks/Anomaly/001.png", (*BOX, 1), (30, 2, 36, 8, 4))
    table(root / "split_csv" / "1cls.csv", *rows)
    table(
        root / category / "image_anno.csv",
        ("image", "label", "mask"),
        (f"{category}/Data/Images/Normal/000.JPG", "normal", ""),
        (f"{category}/Data/Images/Anomaly/000.JPG", "Weird Candle Wick", "x"),
        (f"{category}/Data/Images/Anomaly/001.JPG", "chunk of wax missing,different colour spot", "x"),
    )
    return root


def loco(root: Path) -> Path:
    """One image with two mask files, whose values name the defects."""
    base = root / "pushpins"
    for place in ("train/good", "validation/good", "test/good", "test/logical_anomalies"):
        image(base / place / "000.png")
    image(base / "test/structural_anomalies/000.png")
    mask(base / "ground_truth/logical_anomalies/000/000.png", (*BOX, 255))
    mask(base / "ground_truth/logical_anomalies/000/001.png", (30, 2, 36, 8, 253))
    mask(base / "ground_truth/structural_anomalies/000/000.png", (*BOX, 250))
    entry = {"saturation_threshold": 1, "relative_saturation": False}
    names = {255: "1_additional_pushpin", 253: "missing_pushpin", 250: "broken"}
    config = [{"defect_name": name, "pixel_value": value, **entry} for value, name in names.items()]
    text(base / "defects_config.json", json.dumps(config))
    return root


def realiad_entry(name: str, kind: str, mask_name: str | None = None) -> dict[str, str | None]:
    return {"category": "audiojack", "anomaly_class": kind, "image_path": name, "mask_path": mask_name}


REALIAD_OK = "OK/S0001/audiojack_0001_OK_C1_20231021130235.jpg"
REALIAD_BAD = "NG/BX/S0002/audiojack__0002_NG_BX_C1_20231023111538.jpg"
REALIAD_HIDDEN = "NG/BX/S0002/audiojack__0002_NG_BX_C2_20231023111538.jpg"


def realiad(root: Path, jsons: str = "realiad_jsons", size: str = "realiad_1024") -> Path:
    """A good image, a bad one, and one in a bad folder that the JSON calls good."""
    base = root / size / "audiojack"
    for name in (REALIAD_OK, REALIAD_BAD, REALIAD_HIDDEN):
        image(base / name)
    mask_name = REALIAD_BAD.replace(".jpg", ".png")
    mask(base / mask_name)
    realiad_json(
        root / jsons,
        [realiad_entry(REALIAD_OK, "OK")],
        [realiad_entry(REALIAD_BAD, "BX", mask_name), realiad_entry(REALIAD_HIDDEN, "OK")],
    )
    return root


def realiad_json(folder: Path, train: list[object], test: list[object]) -> Path:
    meta = {"prefix": "audiojack/", "normal_class": "OK"}
    return text(folder / "audiojack.json", json.dumps({"meta": meta, "train": train, "test": test}))


def deeppcb(root: Path) -> Path:
    """Two pairs, one a split."""
    base = root / "PCBData"
    for stem, list_name in (("00041000", "trainval.txt"), ("00041001", "test.txt")):
        image(base / f"group00041/00041/{stem}_temp.jpg", mode="L")
        image(base / f"group00041/00041/{stem}_test.jpg", mode="L")
        text(base / f"group00041/00041_not/{stem}.txt", "5 6 12 20 3\n30 2 36 8 6\n")
        text(base / list_name, f"group00041/00041/{stem}.jpg group00041/00041_not/{stem}.txt\n")
    return root


def folder(root: Path) -> Path:
    """A user's own images: good, scratch and masks in a folder of their own."""
    image(root / "good" / "a part.jpg")
    image(root / "scratch" / "Überlauf.jpg")
    mask(root / "masks" / "scratch" / "Überlauf_mask.png")
    return root


def mvtec_like(
    root: Path, category: str, defect: str, suffix: str = ".png", mask_end: str = "_mask.png"
) -> Path:
    """One category in MVTec AD's layout, two good images and an anomalous one."""
    for place in ("train/good", "test/good", f"test/{defect}"):
        image(root / category / place / f"000{suffix}")
    mask(root / category / "ground_truth" / defect / f"000{mask_end}")
    return root


def mvtec3d(root: Path) -> Path:
    """Colour images beside point clouds; good test images have masks that mark nothing."""
    base = root / "bagel"
    for place in ("train/good", "validation/good", "test/good", "test/crack"):
        image(base / place / "rgb" / "000.png")
        text(base / place / "xyz" / "000.tiff", "not read")
    mask(base / "test/good/gt/000.png", (0, 0, 0, 0, 0))
    mask(base / "test/crack/gt/000.png")
    text(base / "calibration" / "camera_parameters.json", "{}")
    return root


def goodsad(root: Path) -> Path:
    return mvtec_like(root / "GoodsAD", "drink_can", "straw_missing", ".jpg", ".png")


def wfdd(root: Path) -> Path:
    """The mask has smooth edges: half-bright pixels around the defect."""
    mvtec_like(root, "grey_cloth", "block", mask_end=".png")
    mask(root / "grey_cloth/ground_truth/block/000.png", (3, 4, 14, 22, 90), (*BOX, 255))
    return root


def texture_ad(root: Path) -> Path:
    """Categories in folders of groups; products of the test have no train folder."""
    image(root / "Cloth/c01/train/good/1.png")
    image(root / "Cloth/c02/test/bad/1.png")
    mask(root / "Cloth/c02/ground_truth/bad/1.png")
    return root


def three_cad(root: Path) -> Path:
    """The pinyin release, whose names mean something in Chinese."""
    return mvtec_like(root / "3CAD-Pinyin", "Copper_Stator", "huahen", mask_end=".png")


def btad(root: Path) -> Path:
    """Good is called ok; masks are png or bmp whatever the images are."""
    for place in ("train/ok/0000", "test/ok/0000", "test/ko/0000", "test/ko/0001"):
        image(root / "BTech_Dataset_transformed/01" / f"{place}.bmp")
    mask(root / "BTech_Dataset_transformed/01/ground_truth/ko/0000.png")
    mask(root / "BTech_Dataset_transformed/01/ground_truth/ko/0001.bmp")
    return root


def visa_converted(root: Path) -> Path:
    return mvtec_like(root / "1cls", "candle", "bad", ".JPG", ".png")


def mvtec_ad_2(root: Path) -> Path:
    """The truth lies in the public test folder; the private folders have none."""
    base = root / "can"
    for place in ("train/good", "validation/good", "test_public/good", "test_public/bad"):
        image(base / place / "000_regular.png")
    image(base / "test_private" / "000.png")
    mask(base / "test_public/ground_truth/bad/000_regular_mask.png")
    return root


def manta(root: Path) -> Path:
    """A good strip, and one whose second and fifth views are anomalous."""
    size = (200, 30)
    name = "agriculture_maize_0000"
    base = root / "agriculture" / "maize"
    image(base / "train/good" / f"{name}1.png", size)
    image(base / "test/mold" / f"{name}2.png", size)
    mask(base / "ground_truth/mold" / f"{name}2.png", (45, 6, 52, 20, 255), (165, 2, 170, 8, 200), size=size)
    image(base / "test/good" / f"{name}3.png", (201, 30))
    return root


def kolektor(root: Path) -> Path:
    image(root / "kos01" / "Part0.jpg", mode="L")
    mask(root / "kos01" / "Part0_label.bmp")
    image(root / "kos01" / "Part1.jpg", mode="L")
    mask(root / "kos01" / "Part1_label.bmp", (0, 0, 0, 0, 0))
    image(root / "kos02" / "Part0.jpg", mode="L")
    return root


def kolektor2(root: Path) -> Path:
    for split, stem, box in (("train", "10000", BOX), ("test", "20000", (0, 0, 0, 0))):
        image(root / split / f"{stem}.png")
        mask(root / split / f"{stem}_GT.png", (*box, 255))
    return root


def dagm(root: Path) -> Path:
    """Upper-case suffixes; only defective images have a mask, some of them for training."""
    image(root / "Class1/Train/0576.PNG", mode="L")
    mask(root / "Class1/Train/Label/0576_label.PNG")
    image(root / "Class1/Test/0001.PNG", mode="L")
    text(root / "Class1/Train/Label/Labels.txt", "1\n")
    return root


def magnetic_tile(root: Path) -> Path:
    for kind, boxes in (("Blowhole", BOX), ("Free", (0, 0, 0, 0))):
        image(root / f"MT_{kind}/Imgs/exp1_num_1.jpg", mode="L")
        mask(root / f"MT_{kind}/Imgs/exp1_num_1.png", (*boxes, 255))
    return root


def realiad_d3(root: Path) -> Path:
    """Images of three kinds in folders; codes that no table explains."""
    base = root / "realiad_d3_raw" / "fuse_holder"
    entries = []
    for sample, code in (("OK/S0001", "OK"), ("NG/QS/S0002", "QS"), ("NG/XX/S0003", "XX_1")):
        image(base / sample / "L05_RGB.jpg")
        entry = {
            "anomaly_class": code,
            "image_path": f"{sample}/L05_RGB.jpg",
            "ps_path": "x",
            "xyz_path": "x",
        }
        if code != "OK":
            mask(base / sample / "L05_RGB.png")
            entry["mask_path"] = f"{sample}/L05_RGB.png"
        entries.append(entry)
    content = {
        "meta": {"prefix": "fuse_holder/"},
        "train": entries[:1],
        "validation": [],
        "test": entries[1:],
    }
    text(root / "realiad_d3_jsons" / "fuse_holder.json", json.dumps(content))
    return root


def cableinspect(root: Path) -> Path:
    """Pass 01 has an outline, pass 02 a box turned by 90 degrees, pass 03 nothing."""
    files = [f"Cable_1/images/0{number}/C01_A{number}_000123.png" for number in (1, 2, 3)]
    for name in files:
        image(root / name)
    categories = [{"id": 7, "name": "Deposit"}, {"id": 1, "name": "bent strand"}]

    def annotation(image_id: int, kind: int, bbox: list[float], rotation: float = 0) -> dict[str, object]:
        attributes = {"rotation": rotation, "anomaly_id": "003_01", "gradation": "light"}
        return {
            "id": image_id,
            "image_id": image_id,
            "category_id": kind,
            "bbox": bbox,
            "attributes": attributes,
        }

    def coco(boxes: list[dict[str, object]]) -> str:
        listed = [{"id": i, "file_name": f, "width": 40, "height": 30} for i, f in enumerate(files)]
        return json.dumps({"images": listed, "annotations": boxes, "categories": categories})

    boxes = [annotation(0, 7, [4, 5, 10, 16], 12), annotation(1, 1, [10, 12, 20, 4], 90)]
    text(root / "cable_1.json", coco(boxes))
    text(root / "cable_1_seg.json", coco([annotation(0, 7, [5, 6, 7, 14])]))
    return root


def bsdata(root: Path) -> Path:
    """Three photographs of one position: before the wear, with it, and later but not outlined."""
    for day in (1, 2, 3):
        image(root / "data" / f"01_20090{day}000000_277500_315_crop_2.jpg")
    shape = {"label": "Pitting", "points": [[5, 6.2], [11.5, 6], [12, 20]], "shape_type": "polygon"}
    text(root / "label" / "01_200902000000_277500_315_crop_2.json", json.dumps({"shapes": [shape]}))
    return root


def mmad(root: Path) -> Path:
    good, bad = "DS-MVTec/bottle/image/good/000.png", "DS-MVTec/bottle/image/broken_large/000.png"
    template = "MVTec-AD/bottle/train/good/001.png"
    for name in (good, bad, template):
        image(root / name)
    mask(root / "DS-MVTec/bottle/mask/broken_large/000_mask.png")
    entry = {"similar_templates": [template], "conversation": []}
    content = {
        good: {**entry, "mask_path": ""},
        bad: {**entry, "mask_path": "mask/broken_large/000_mask.png"},
    }
    text(root / "mmad.json", json.dumps(content))
    return root


def release(root: Path) -> Path:
    base = root / "mvtec" / "bottle"
    for place in ("train_good/000", "test_good/001", "test/broken_large/000"):
        image(base / f"{place}.png")
    mask(base / "ground_truth/broken_large/000.png")
    boxes = {"test/broken_large/000.png": [{"bbox_2d": list(BOX), "label": "broken"}]}
    text(base / "bbox_annos.json", json.dumps(boxes))
    text(base / "reference.json", json.dumps({"test/broken_large/000.png": ["train_good/000.png"]}))
    return root
