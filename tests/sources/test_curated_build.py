"""Quality, duplicates, leaks, selection and resuming, through `build_corpus`."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import trees
from PIL import Image

from mmrad.curate.selection import Selection
from mmrad.errors import DataError, UsageError
from mmrad.sources import build_corpus, pipeline
from mmrad.sources.examine import examine


def picture(path: Path, seed: int, quality: int = 95) -> Path:
    """Blocks of random grey, which no two seeds share."""
    rng = np.random.default_rng(seed)
    blocks = np.kron(rng.integers(20, 235, (12, 16)), np.ones((12, 12))).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(blocks).convert("RGB").save(path, quality=quality)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """One category: a good image that is in train and test, one stored twice, one only alike."""
    root = tmp_path / "raw"
    for seed in range(3):
        picture(root / "nut/train/good" / f"{seed}.png", seed)
    picture(root / "nut/train/good/copy-of-1.png", 1)
    picture(root / "nut/train/good/jpeg-of-2.jpg", 2, quality=85)
    shutil.copy(root / "nut/train/good/0.png", picture(root / "nut/test/good/again.png", 0))
    for seed in (7, 8):
        picture(root / "nut/test/bent" / f"{seed}.png", seed)
        trees.mask(root / "nut/ground_truth/bent" / f"{seed}.png", size=(192, 144))
    return root


def found(corpus_of: Path) -> dict[str, tuple[list[str], str | None]]:
    from mmrad.corpus import Corpus

    rows = Corpus(corpus_of).quality("m").to_pylist()
    return {row["id"].split("/")[-1]: (row["findings"], row["duplicate_of"]) for row in rows}


def test_duplicates_are_found_and_a_copy_for_training_is_the_leak(raw: Path, tmp_path: Path) -> None:
    build_corpus({"m": ("mvtec", raw)}, tmp_path / "c")
    quality = found(tmp_path / "c")
    assert {key: value for key, value in quality.items() if value[0]} == {
        "good-0": (["exact_duplicate", "leak"], "m/nut/test/good-again"),
        "good-copy-of-1": (["exact_duplicate"], "m/nut/train/good-1"),
        "good-jpeg-of-2": (["near_duplicate"], "m/nut/train/good-2"),
    }


def test_a_leak_between_sources_is_found(raw: Path, tmp_path: Path) -> None:
    corpus = build_corpus({"a": ("mvtec", raw), "b": ("mvtec", raw)}, tmp_path / "c").corpus
    assert all("leak" in row["findings"] for row in corpus.quality("b").to_pylist())


def test_dropped_images_are_listed_and_the_policy_is_in_the_corpus(raw: Path, tmp_path: Path) -> None:
    policy = Selection(drop=("leak", "near_duplicate"))
    result = build_corpus({"m": ("mvtec", raw)}, tmp_path / "c", selection=policy)
    assert {item.path: item.reason for item in result.rejections} == {
        "nut/train/good/0.png": "leak",
        "nut/train/good/jpeg-of-2.jpg": "near_duplicate",
    }
    assert len(result.corpus.samples) == 6
    assert json.loads((tmp_path / "c/corpus.json").read_text())["selection"]["drop"] == [
        "leak",
        "near_duplicate",
    ]


def test_another_selection_opens_no_image(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_corpus({"m": ("mvtec", raw)}, tmp_path / "c")
    monkeypatch.setattr(pipeline, "examine", lambda *_: pytest.fail("an image was read again"))
    again = build_corpus({"m": ("mvtec", raw)}, tmp_path / "c", selection=Selection(per_category=2)).corpus
    assert len(again.samples) == 2


def test_only_what_changed_is_read(raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_corpus({"m": ("mvtec", raw)}, tmp_path / "c")
    trees.mask(raw / "nut/ground_truth/bent/7.png", (1, 2, 30, 40, 255), size=(192, 144))
    picture(raw / "nut/test/good/new.png", 99)
    read: list[str] = []

    def watched(context, raw_sample):  # type: ignore[no-untyped-def]
        read.append(raw_sample.image)
        return examine(context, raw_sample)

    monkeypatch.setattr(pipeline, "examine", watched)
    samples = build_corpus({"m": ("mvtec", raw)}, tmp_path / "c").corpus.samples
    assert sorted(read) == ["nut/test/bent/7.png", "nut/test/good/new.png"]
    bent = next(sample for sample in samples if sample.id.endswith("bent-7"))
    assert bent.regions[0].box.xyxy == (1, 2, 30, 40)


def test_a_torn_line_is_done_again_and_nothing_else(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = build_corpus({"m": ("mvtec", raw)}, tmp_path / "c").corpus.manifest
    journal = tmp_path / "c" / pipeline.JOURNAL
    journal.write_bytes(journal.read_bytes()[:-20])
    read: list[str] = []
    monkeypatch.setattr(
        pipeline, "examine", lambda context, item: (read.append(item.image), examine(context, item))[1]
    )
    assert build_corpus({"m": ("mvtec", raw)}, tmp_path / "c").corpus.manifest == whole
    assert len(read) == 1


def test_a_damaged_journal_names_its_line(raw: Path, tmp_path: Path) -> None:
    build_corpus({"m": ("mvtec", raw)}, tmp_path / "c")
    journal = tmp_path / "c" / pipeline.JOURNAL
    journal.write_text("nonsense\n" + journal.read_text())
    with pytest.raises(DataError, match=r"examined\.jsonl, line 1"):
        build_corpus({"m": ("mvtec", raw)}, tmp_path / "c")


def test_commercial_use_refuses_licences_that_forbid_it(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CC BY-NC-SA"):
        build_corpus({"m": ("mvtec", raw)}, tmp_path / "c", commercial=True)
    (raw / "mmrad.toml").write_text('licence = "CC0-1.0"\n')
    assert build_corpus({"m": ("mvtec", raw)}, tmp_path / "c", commercial=True).corpus.samples
