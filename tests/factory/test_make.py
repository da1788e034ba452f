from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmrad.errors import DataError, UsageError
from mmrad.factory import CATALOGUE, SOURCES, FactorySummary, make_factory
from mmrad.factory.plan import snake
from mmrad.factory.render import PRODUCTS
from mmrad.sources.build import build_corpus


def _hashes(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> FactorySummary:
    return make_factory(tmp_path_factory.mktemp("factory"), seed=3, train=8, good=2, per_anomaly=2)


def test_same_arguments_same_bytes_whatever_the_workers(tmp_path: Path) -> None:
    for name, workers, seed in (("a", 1, 1), ("b", 2, 1), ("c", 1, 2)):
        make_factory(
            tmp_path / name, seed=seed, train=1, good=1, per_anomaly=1, sources=["visa"], workers=workers
        )
    a, b, c = (_hashes(tmp_path / name) for name in "abc")
    assert a == b
    assert a.keys() == c.keys()
    assert all(a[f] != c[f] for f in a if f.endswith(".JPG"))


def test_counts_and_progress(made: FactorySummary, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    out = make_factory(
        tmp_path, train=1, good=1, per_anomaly=0, sources=["loco"], progress=lambda d, n: steps.append((d, n))
    )
    assert out.images == 8
    assert out.anomalous == {"loco": 0}
    assert steps[-1] == (8, 8)
    assert made.normal["mvtec"] == 4 * 10
    assert made.anomalous["mvtec"] == 2 * sum(map(len, CATALOGUE["mvtec"].values()))


def test_mvtec_layout(made: FactorySummary) -> None:
    root = made.sources["mvtec"]
    for category, labels in CATALOGUE["mvtec"].items():
        w, h = PRODUCTS[category].size_wh
        shape = (h, w) if PRODUCTS[category].grey else (h, w, 3)
        assert sorted(p.name for p in (root / category / "train/good").iterdir())[-1] == "007.png"
        assert {p.name for p in (root / category / "test").iterdir()} == {"good", *map(snake, labels)}
        assert not (root / category / "ground_truth/good").exists()
        for label in labels:
            for k in range(2):
                image = _read(root / category / "test" / snake(label) / f"{k:03d}.png")
                mask = _read(root / category / "ground_truth" / snake(label) / f"{k:03d}_mask.png")
                assert image.shape == shape
                assert mask.shape == (h, w)
                assert set(np.unique(mask)) == {0, 255}
    assert sum(PRODUCTS[c].grey for c in CATALOGUE["mvtec"]) == 1


def test_visa_layout(made: FactorySummary) -> None:
    root = made.sources["visa"]
    with (root / "split_csv/1cls.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["object", "split", "label", "image", "mask"]
    assert {(r["split"], r["label"]) for r in rows} == {
        ("train", "normal"),
        ("test", "normal"),
        ("test", "anomaly"),
    }
    assert all((root / r["image"]).read_bytes()[:2] == b"\xff\xd8" for r in rows)
    assert all(bool(r["mask"]) == (r["label"] == "anomaly") for r in rows)
    for category, labels in CATALOGUE["visa"].items():
        with (root / category / "image_anno.csv").open(newline="") as file:
            notes = list(csv.DictReader(file))
        assert list(notes[0]) == ["image", "label", "mask"]
        for note in notes:
            if note["label"] == "normal":
                assert note["image"].startswith(f"{category}/Data/Images/Normal/")
                continue
            values = set(np.unique(_read(root / note["mask"])))
            assert values == {0, labels.index(note["label"]) + 1}


def test_loco_layout(made: FactorySummary) -> None:
    root = made.sources["loco"]
    for category in CATALOGUE["loco"]:
        config = json.loads((root / category / "defects_config.json").read_text())
        names = {d["pixel_value"]: d["defect_name"] for d in config}
        assert set(config[0]) == {"defect_name", "pixel_value", "saturation_threshold", "relative_saturation"}
        assert len(list((root / category / "train/good").iterdir())) == 7
        assert len(list((root / category / "validation/good").iterdir())) == 1
        kinds = {snake(label): a.kind for label, a in PRODUCTS[category].anomalies.items()}
        assert set(kinds.values()) == {"logical", "structural"}
        for kind in ("logical", "structural"):
            images = {p.stem for p in (root / category / f"test/{kind}_anomalies").iterdir()}
            folders = list((root / category / f"ground_truth/{kind}_anomalies").iterdir())
            assert images == {f.name for f in folders}
            for mask in (m for f in folders for m in f.iterdir()):
                (value,) = set(np.unique(_read(mask))) - {0}
                assert kinds[names[value]] == kind


def test_realiad_layout(tmp_path: Path) -> None:
    make_factory(tmp_path, train=7, good=5, per_anomaly=10, sources=["realiad"])
    root, hidden = tmp_path / "realiad", 0
    samples: dict[str, set[str]] = {"train": set(), "test": set()}
    for category in CATALOGUE["realiad"]:
        index = json.loads((root / "realiad_jsons" / f"{category}.json").read_text())
        assert index["meta"] == {"prefix": f"{category}/", "normal_class": "OK"}
        base = root / "realiad_1024" / category
        assert len(index["train"]) == 7
        for split in samples:
            for row in index[split]:
                assert set(row) == {"category", "anomaly_class", "image_path", "mask_path"}
                assert (base / row["image_path"]).read_bytes()[:2] == b"\xff\xd8"
                assert (row["mask_path"] is None) == (row["anomaly_class"] == "OK")
                hidden += row["image_path"].startswith("NG/") and row["mask_path"] is None
                samples[split].add(f"{category}/{Path(row['image_path']).parent.as_posix()}")
                if row["mask_path"]:
                    assert row["image_path"].split("/")[1] == row["anomaly_class"]
                    assert set(np.unique(_read(base / row["mask_path"]))) == {0, 255}
    assert hidden > 0
    assert not samples["train"] & samples["test"]


def test_the_real_adapters_read_everything_back(made: FactorySummary, tmp_path: Path) -> None:
    result = build_corpus({s: (s, root) for s, root in made.sources.items()}, tmp_path / "corpus")
    assert result.rejections == ()
    samples = list(result.corpus.samples)
    assert len(samples) == made.images
    for source in SOURCES:
        own = [s for s in samples if s.source == source]
        assert sum(bool(s.regions) for s in own) == made.anomalous[source]
        assert {s.category for s in own} == set(CATALOGUE[source])


def test_wrong_arguments_are_explained(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no source 'mpdd'"):
        make_factory(tmp_path, sources=["mpdd"])
    with pytest.raises(UsageError, match="at least"):
        make_factory(tmp_path, train=-1)
    (tmp_path / "visa").mkdir()
    (tmp_path / "visa" / "mine.txt").write_text("x")
    with pytest.raises(DataError, match="exists already"):
        make_factory(tmp_path, sources=["mvtec", "visa"])
    assert not (tmp_path / "mvtec").exists()


def test_names() -> None:
    assert snake("wrong colour") == "wrong_colour"
    assert set(SOURCES) == set(CATALOGUE)
