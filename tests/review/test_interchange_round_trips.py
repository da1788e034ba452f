"""Out to another tool, annotated there, back as reviews, and built: boxes stay on their pixels."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from elsewhere import Coco, Cvat, Elsewhere, LabelStudio, drawn, moved, taken
from mmrad.box import Box
from mmrad.corpus import Corpus, ReviewedCorpus
from mmrad.corpus.reviews import read_reviews
from mmrad.image import encode_png
from mmrad.sample import Region, Sample
from mmrad.sources import build_corpus
from reviewed import DEEP, GOOD, PART, TURNED, WIDE, reviewed_corpus

TOOLS = [LabelStudio, Cvat, Coco]
Tool = Callable[[Corpus, Path], Elsewhere]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return reviewed_corpus(tmp_path / "corpus", 7)


def now(corpus: Corpus, sample_id: str) -> Sample:
    """The sample as its reviews leave it."""
    [sample] = [sample for sample in ReviewedCorpus(corpus.path).samples if sample.id == sample_id]
    return sample


def built(corpus: Corpus, sample_id: str) -> Sample:
    [sample] = [sample for sample in corpus.samples if sample.id == sample_id]
    return sample


@pytest.mark.parametrize("tool", TOOLS)
def test_boxes_come_back_on_their_pixels(corpus: Corpus, tmp_path: Path, tool: Tool) -> None:
    """Moved on a wide image, drawn on one that EXIF turns, relabelled on a part of a file."""
    there = tool(corpus, tmp_path / "there")
    there.edit(WIDE, moved(-11.3, 14.4))
    there.edit(TURNED, drawn("new dent", 199.6, 10.2, 299.9, 61.49))
    there.edit(PART, lambda boxes: [("cut", box) for _, box in boxes])
    there.edit(GOOD, drawn("scratch", 0, 0, 360, 240))
    found = taken(corpus, there.tool, there.file())
    assert (found.changed, found.unchanged, found.refused, found.unknown) == (4, 0, [], [])
    for before, after in zip(built(corpus, WIDE).regions, now(corpus, WIDE).regions, strict=True):
        x1, y1, x2, y2 = before.box.xyxy
        assert after == Region(Box(x1 - 11, y1 + 14, x2 - 11, y2 + 14), before.label)  # its mask is elsewhere
    assert now(corpus, TURNED).regions == (
        *built(corpus, TURNED).regions,
        Region(Box(200, 10, 300, 61), "new dent"),
    )
    [cut] = built(corpus, PART).regions
    assert now(corpus, PART).regions == (Region(cut.box, "cut", cut.mask),)
    assert now(corpus, GOOD).regions == (Region(Box(0, 0, 360, 240), "scratch"),)
    assert now(corpus, DEEP) == built(corpus, DEEP)


@pytest.mark.parametrize("tool", TOOLS)
def test_what_nobody_touched_is_exactly_as_it_was(corpus: Corpus, tmp_path: Path, tool: Tool) -> None:
    there = tool(corpus, tmp_path / "there")
    untouched = taken(corpus, there.tool, there.file())
    assert (untouched.open, read_reviews(corpus.path)) == (len(corpus.samples), {})
    for sample in corpus.samples:
        there.edit(sample.id, moved(0.4, -0.4))  # what saving and rounding do
    finished = taken(corpus, there.tool, there.file(), finished=True)
    assert (finished.unchanged, finished.changed, finished.refused) == (len(corpus.samples), 0, [])
    reviews = read_reviews(corpus.path)
    for sample in corpus.samples:
        [review] = reviews[sample.id]
        assert review.after == review.before == sample.regions
        assert review.reviewer.split(":")[0] == there.tool
    assert ReviewedCorpus(corpus.path).samples == corpus.samples


@pytest.mark.parametrize("tool", TOOLS)
def test_the_same_file_again_adds_nothing(corpus: Corpus, tmp_path: Path, tool: Tool) -> None:
    there = tool(corpus, tmp_path / "there")
    there.edit(WIDE, moved(20, 5))
    first = there.file()
    assert taken(corpus, there.tool, first, finished=True).changed == 1
    journal = (corpus.path / "reviews.jsonl").read_bytes()
    again = taken(corpus, there.tool, first, first, finished=True)
    assert again.known >= 2
    assert again.changed == again.unchanged == 0
    assert (corpus.path / "reviews.jsonl").read_bytes() == journal


@pytest.mark.parametrize("tool", [LabelStudio, Cvat])
def test_images_are_dropped_and_left_unsure(
    corpus: Corpus, tmp_path: Path, tool: type[LabelStudio] | type[Cvat]
) -> None:
    there = tool(corpus, tmp_path / "there")
    there.edit(WIDE, moved(3, 3), outcome="drop", reason=" out of focus ")
    there.edit(TURNED, outcome="unsure")
    there.edit(DEEP, outcome="keep")
    there.edit(PART, outcome="drop")
    found = taken(corpus, there.tool, there.file())
    assert (found.dropped, found.unsure, found.unchanged) == (1, 1, 1)
    assert len(found.refused) == 1
    assert "without a reason" in found.refused[0]
    left = ReviewedCorpus(corpus.path)
    assert {sample.id for sample in corpus.samples} - {sample.id for sample in left.samples} == {WIDE}
    [dropped] = read_reviews(corpus.path)[WIDE]
    assert (dropped.reason, dropped.after) == ("out of focus", built(corpus, WIDE).regions)


@pytest.mark.parametrize("tool", TOOLS)
def test_archives_are_read(corpus: Corpus, tmp_path: Path, tool: Tool) -> None:
    there = tool(corpus, tmp_path / "there")
    there.edit(WIDE, moved(20, 5))
    file = there.file()
    with zipfile.ZipFile(tmp_path / "task.zip", "w") as archive:
        archive.write(file, f"annotations{file.suffix}")
        archive.writestr("images/1.png", encode_png(np.zeros((5, 5, 3), np.uint8)))
    assert taken(corpus, there.tool, tmp_path / "task.zip").changed == 1


@pytest.mark.parametrize("tool", TOOLS)
def test_a_corpus_is_built_anew_with_what_came_back(tmp_path: Path, tool: Tool) -> None:
    """A photograph stored on its side, twice as high as wide; its mask stays with the box that stays."""
    raw = tmp_path / "raw"
    (raw / "good").mkdir(parents=True)
    (raw / "dent").mkdir()
    (raw / "masks" / "dent").mkdir(parents=True)
    (raw / "good" / "0.png").write_bytes(encode_png(np.full((60, 80, 3), 90, np.uint8)))
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = Image.fromarray(rng.integers(0, 255, (50, 100, 3), np.uint8))
    lying.save(raw / "dent" / "1.jpg", exif=exif)
    mask = np.zeros((100, 50), np.uint8)
    mask[70:90, 5:25] = mask[5:20, 30:45] = 255
    Image.fromarray(mask).save(raw / "masks" / "dent" / "1.png")
    sources = {"mine": ("folder", raw)}
    first = build_corpus(sources, tmp_path / "corpus").corpus
    [bad] = [sample for sample in first.samples if sample.anomalous]
    assert bad.size_wh == (50, 100)
    there = tool(first, tmp_path / "there")
    there.edit(bad.id, lambda boxes: [boxes[0], *drawn("scratch", 1, 2, 48.6, 3.4)([])])
    taken(first, there.tool, there.file())
    again = build_corpus(sources, tmp_path / "corpus").corpus
    [sample] = [sample for sample in again.samples if sample.id == bad.id]
    assert sample.regions == (bad.regions[0], Region(Box(1, 2, 49, 3), "scratch"))
    assert bad.regions[0].mask is not None
