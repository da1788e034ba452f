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
