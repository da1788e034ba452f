import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import trees
from PIL import Image

from mmrad.corpus import Corpus
from mmrad.curate.selection import Selection
from mmrad.errors import DataError, UsageError
from mmrad.sources import build_corpus


def many(root: Path, good: int, bad: int) -> Path:
    for number in range(good):
        trees.image(root / "nut" / "train" / "good" / f"{number:03}.png")
    for number in range(bad):
        trees.image(root / "nut" / "test" / "bent" / f"{number:03}.png")
        trees.mask(root / "nut" / "ground_truth" / "bent" / f"{number:03}_mask.png")
    return root


def test_images_resolve_from_the_written_corpus_and_roots_nearby_are_relative(tmp_path: Path) -> None:
    trees.mvtec(tmp_path / "raw" / "mvtec")
    build_corpus({"mine": ("mvtec", tmp_path / "raw" / "mvtec")}, tmp_path / "corpus")
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "raw").rename(moved / "raw")
    (tmp_path / "corpus").rename(moved / "corpus")
    corpus = Corpus(moved / "corpus")
    assert corpus.manifest.sources["mine"].root == "../raw/mvtec"
    assert all(corpus.resolve("mine", sample.image).is_file() for sample in corpus.samples)


def test_a_root_far_away_is_absolute(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "raw")
    corpus = build_corpus({"mvtec": ("mvtec", root)}, tmp_path / "some" / "where" / "corpus").corpus
    assert corpus.manifest.sources["mvtec"].root == root.resolve().as_posix()


def test_several_sources_have_their_own_counts_and_progress_runs_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    result = build_corpus(
        {"a": ("mvtec", trees.mvtec(tmp_path / "m")), "b": ("visa", trees.visa(tmp_path / "v"))},
        tmp_path / "corpus",
        progress=lambda done, total: seen.append((done, total)),
    )
    infos = result.corpus.manifest.sources
    assert (infos["a"].images, infos["a"].anomalous, infos["b"].images, infos["b"].anomalous) == (8, 2, 4, 2)
    assert seen == [(done, 12) for done in range(1, 13)]


def test_the_result_does_not_depend_on_what_was_done_before(tmp_path: Path) -> None:
    root = many(tmp_path / "raw", 9, 5)
    whole = build_corpus({"m": ("mvtec", root)}, tmp_path / "one").corpus
    hidden = (root / "nut").rename(root / ".nut")
    many(root, 3, 1)
    build_corpus({"m": ("mvtec", root)}, tmp_path / "two")
    shutil.rmtree(root / "nut")
    hidden.rename(root / "nut")
    again = build_corpus({"m": ("mvtec", root)}, tmp_path / "two").corpus
    assert again.manifest.sources == whole.manifest.sources


@pytest.mark.parametrize(
    ("good", "bad", "limit", "expected"),
    [(20, 10, 6, (3, 3)), (20, 1, 6, (5, 1)), (2, 10, 6, (2, 4)), (2, 2, 6, (2, 2)), (5, 5, 1, (1, 0))],
)
def test_sampling_keeps_both_kinds(
    tmp_path: Path, good: int, bad: int, limit: int, expected: tuple[int, int]
) -> None:
    root = many(tmp_path / "raw", good, bad)
    result = build_corpus({"m": ("mvtec", root)}, tmp_path / "c", selection=Selection(per_category=limit))
    samples = result.corpus.samples
    assert (sum(not s.anomalous for s in samples), sum(s.anomalous for s in samples)) == expected
    assert len(result.rejections) == good + bad - len(samples)
    assert result.corpus.manifest.selection == {"drop": [], "per_category": limit, "seed": 0}


def test_rejections_are_written_beside_the_corpus_without_machine_paths(tmp_path: Path) -> None:
    root = many(tmp_path / "raw", 2, 1)
    trees.text(root / "nut/train/good/bad.png", "no image")
    result = build_corpus({"m": ("mvtec", root)}, tmp_path / "c")
    lines = [json.loads(line) for line in (tmp_path / "c" / "rejections.jsonl").read_text().splitlines()]
    assert lines == [{"source": "m", "path": "nut/train/good/bad.png", "reason": result.rejections[0].reason}]
    assert str(tmp_path) not in json.dumps(lines)


def test_where_everything_is_rejected_the_error_says_the_first_reason(tmp_path: Path) -> None:
    trees.image(tmp_path / "raw" / "a.jpg")
    trees.image(tmp_path / "raw" / "b.jpg")
    trees.text(tmp_path / "raw" / "a.json", "no JSON")
    with pytest.raises(DataError, match=r"nothing to write: 2 files were rejected; the first is a\.jpg"):
        build_corpus({"own": ("folder", tmp_path / "raw")}, tmp_path / "c")
    assert "a.jpg" in (tmp_path / "c" / "rejections.jsonl").read_text()


def test_boxes_are_in_upright_pixels_of_an_exif_rotated_image(tmp_path: Path) -> None:
    root = many(tmp_path / "raw", 1, 0)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = root / "nut/test/bent/000.jpg"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (30, 40)).save(path, exif=exif)  # stored 30x40, upright 40x30
    trees.mask(root / "nut/ground_truth/bent/000_mask.png")
    bad = next(s for s in build_corpus({"m": ("mvtec", root)}, tmp_path / "c").corpus.samples if s.anomalous)
    assert bad.size_wh == (40, 30)
    assert bad.regions[0].box.xyxy == trees.BOX


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "CMYK", "I;16", "1"])
def test_every_image_mode_is_read(tmp_path: Path, mode: str) -> None:
    root = many(tmp_path / "raw", 0, 1)
    path = root / "nut/train/good" / ("a.tif" if mode == "CMYK" else "a.png")
    path.parent.mkdir(parents=True)
    if mode == "I;16":
        Image.fromarray(np.full((30, 40), 40_000, np.uint16)).save(path)
    else:
        Image.new("RGB", (40, 30)).convert(mode).save(path)
    result = build_corpus({"m": ("mvtec", root)}, tmp_path / "c")
    assert result.rejections == () and len(result.corpus.samples) == 2


def test_symlink_loops_end(tmp_path: Path) -> None:
    root = many(tmp_path / "raw", 2, 1)
    (root / "loop").symlink_to(root)
    (root / "nut" / "test" / "self").symlink_to(root / "nut" / "test" / "self")
    (root / "nut" / "test" / "up").symlink_to(root / "nut")
    assert len(build_corpus({"m": ("mvtec", root)}, tmp_path / "c").corpus.samples) == 3


def test_a_name_that_is_no_utf_8_is_an_error_that_shows_it(tmp_path: Path) -> None:
    root = many(tmp_path / "raw", 2, 1)
    (root / "nut" / "train" / "good" / os.fsdecode(b"caf\xe9.png")).write_bytes(b"")
    with pytest.raises(DataError, match=r"caf\\xe9\.png: the name is not UTF-8"):
        build_corpus({"m": ("mvtec", root)}, tmp_path / "c")


def test_an_unknown_adapter_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="mvtec"):
        build_corpus({"x": ("imagenet", tmp_path)}, tmp_path / "c")


def test_a_folder_may_name_its_own_licence(tmp_path: Path) -> None:
    root = trees.mvtec(tmp_path / "raw")
    (root / "mmrad.toml").write_text('licence = "CC-BY-4.0"\n')
    corpus = build_corpus({"mine": ("mvtec", root)}, tmp_path / "corpus").corpus
    assert corpus.manifest.sources["mine"].licence == "CC-BY-4.0"
    assert {sample.licence for sample in corpus.samples} == {"CC-BY-4.0"}


@pytest.mark.parametrize("text", ["licence: CC0", "license = 'CC0'"])
def test_an_unreadable_licence_names_the_file(tmp_path: Path, text: str) -> None:
    root = trees.mvtec(tmp_path / "raw")
    (root / "mmrad.toml").write_text(text)
    with pytest.raises(DataError, match=r"mmrad\.toml"):
        build_corpus({"mine": ("mvtec", root)}, tmp_path / "corpus")
