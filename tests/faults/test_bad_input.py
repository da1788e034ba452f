"""Bad files of a dataset become listed rejections, and a bad dataset one clear error; never a traceback."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmrad.errors import DataError
from mmrad.sources import ADAPTERS, Rejection, build_corpus

IMAGE, MASK = "nut/test/bent/000.png", "nut/ground_truth/bent/000_mask.png"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    for path in ("nut/train/good/000.png", IMAGE):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(root / path)
    marked = np.zeros((60, 80), np.uint8)
    marked[5:20, 10:30] = 255
    (root / MASK).parent.mkdir(parents=True)
    Image.fromarray(marked).save(root / MASK)
    return root


def only_rejection(root: Path) -> Rejection:
    result = build_corpus({"m": ("mvtec", root)}, root.parent / "corpus")
    assert [sample.image for sample in result.corpus.samples] == ["nut/train/good/000.png"]
    (rejection,) = result.rejections
    assert rejection.path == IMAGE
    return rejection


def damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        path.write_bytes(data[:40] + bytes(255 - byte for byte in data[40:-40]) + data[-40:])
    elif how == "text":
        path.write_text("<html>not found</html>")
    elif how == "git-lfs":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    elif how == "dangling":
        path.unlink()
        path.symlink_to(path.parent / "nowhere.png")


DAMAGES = ["empty", "truncated", "flipped", "text", "git-lfs", "dangling"]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_image_is_rejected_by_name(root: Path, how: str) -> None:
    damage(root / IMAGE, how)
    assert IMAGE in only_rejection(root).reason


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_mask_rejects_its_image_and_names_the_mask(root: Path, how: str) -> None:
    damage(root / MASK, how)
    assert MASK in only_rejection(root).reason


def test_a_mask_of_another_size_names_both_files_and_sizes(root: Path) -> None:
    Image.new("L", (40, 30), 255).save(root / MASK)
    reason = only_rejection(root).reason
    assert all(part in reason for part in (MASK, "40x30", IMAGE, "80x60"))


def test_an_empty_mask_never_makes_an_anomalous_image_normal(root: Path) -> None:
    Image.new("L", (80, 60), 0).save(root / MASK)
    assert "marks nothing" in only_rejection(root).reason


def test_a_mask_of_zeros_and_ones_is_not_guessed_at(root: Path) -> None:
    Image.new("L", (80, 60), 1).save(root / MASK)
    reason = only_rejection(root).reason
    assert "largest value is 1" in reason and "over 127" in reason


def test_a_decompression_bomb_is_rejected(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrad.image.MAX_PIXELS", 80 * 60)
    Image.new("L", (81, 60)).save(root / IMAGE)
    assert "81x60" in only_rejection(root).reason


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_missing_root_is_one_clear_error(tmp_path: Path, adapter: str) -> None:
    with pytest.raises(DataError, match="no such folder"):
        build_corpus({"x": (adapter, tmp_path / "nowhere")}, tmp_path / "corpus")


def test_a_file_as_root_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="no such folder"):
        build_corpus({"x": ("mvtec", tmp_path / "file")}, tmp_path / "corpus")


def test_when_nothing_is_left_the_error_says_why(root: Path) -> None:
    damage(root / IMAGE, "empty")
    damage(root / "nut/train/good/000.png", "empty")
    with pytest.raises(DataError, match=r"2 files were rejected.*good/000\.png"):
        build_corpus({"m": ("mvtec", root)}, root.parent / "corpus")
    assert (root.parent / "corpus" / "rejections.jsonl").read_text().count("\n") == 2
