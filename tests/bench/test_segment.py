from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmrad.bench import Run, bench
from mmrad.bench.segment import FilledBoxes, Segmentation, segment_run, true_mask
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.factory import factory_roots, make_factory
from mmrad.image import RGB, encode_png, read_mask
from mmrad.inspectors.base import failed_verdict
from mmrad.sample import Pair, Region, Sample, Verdict
from mmrad.sources import build_corpus

SIZE_WH = (84, 56)
TRUE = Box(10, 20, 40, 50)
TURNED_WH = (40, 90)


def disc() -> NDArray[np.bool_]:
    """The truth of each anomalous sample: a disc in its box, so that a filled box marks too much."""
    y, x = np.mgrid[0 : SIZE_WH[1], 0 : SIZE_WH[0]]
    return (x + 0.5 - 25) ** 2 + (y + 0.5 - 35) ** 2 <= 15**2


def region(mask: str | None = "disc.png") -> tuple[Region, ...]:
    return (Region(TRUE, "dent", mask),)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    folder = tmp_path / "corpus"
    raw = folder / "raw"
    raw.mkdir(parents=True)
    grey = np.full((SIZE_WH[1], SIZE_WH[0], 3), 120, np.uint8)
    for name in ("a", "b", "c", "n", "x", "plain"):
        (raw / f"{name}.png").write_bytes(encode_png(grey))
    Image.fromarray(np.where(disc(), 3, 0).astype(np.uint8)).save(raw / "disc.png")
    _save_turned(raw)

    def sample(name: str, category: str, regions: tuple[Region, ...], image: str, **more: Any) -> Sample:
        sample_id = f"made/{category}/test/{name}"
        size = more.get("size_wh", SIZE_WH)
        return Sample(sample_id, "made", category, "test", image, size, regions, "CC0-1.0")

    turned = (Region(Box(5, 60, 30, 90), "dent", "turned_mask.png"),)
    samples = [
        sample("../../a", "part", region(), "a.png"),
        sample("b", "part", region(), "b.png"),
        sample("c", "part", region(), "c.png"),
        sample("n", "part", (), "n.png"),
        sample("x", "part", region(None), "x.png"),
        sample("turned", "turned", turned, "turned.jpg", size_wh=TURNED_WH),
        sample("plain", "boxed", region(None), "plain.png"),
        sample("good", "boxed", (), "n.png"),
    ]
    return write_corpus(folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples)


def _save_turned(raw: Path) -> None:
    """A photograph stored lying, which its EXIF tag stands up, and its mask as it is to be seen."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.zeros((TURNED_WH[0], TURNED_WH[1], 3), np.uint8)
    Image.fromarray(stored).save(raw / "turned.jpg", exif=exif)
    mask = np.zeros((TURNED_WH[1], TURNED_WH[0]), np.uint8)
    mask[60:90, 5:30] = 255
    Image.fromarray(mask).save(raw / "turned_mask.png")


SAID = {
    "../../a": Verdict(True, region(), "", "", None, "ok"),
    "b": failed_verdict("refused", "no"),
    "c": Verdict(True, (), "", "", None, "ok"),
    "n": Verdict(False, region(), "", "", None, "ok"),
    "x": Verdict(True, region(), "", "", None, "ok"),
    "turned": Verdict(True, (Region(Box(5, 60, 30, 90), "dent"),), "", "", None, "ok"),
    "plain": Verdict(True, region(), "", "", None, "ok"),
    "good": Verdict(True, (Region(Box(0, 0, 9, 9), "dent"),), "", "", None, "ok"),
}


class Says:
    name = "says"

    def __init__(self, said: dict[str, Verdict]) -> None:
        self.said = said

    def key(self) -> dict[str, Any]:
        return {"inspector": "says"}

    def about(self) -> dict[str, Any]:
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            yield index, self.said[pair.sample.id.removeprefix(f"made/{pair.sample.category}/test/")]


@pytest.fixture
def run(corpus: Corpus, tmp_path: Path) -> Run:
    return bench(corpus, corpus.samples, Says(SAID), tmp_path / "runs", references=0)


class Discs:
    """Marks an ellipse in each box, and counts what it is asked."""

    name = "org/discs:1"

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self.asked: list[tuple[tuple[int, ...], list[Box]]] = []

    def key(self) -> dict[str, Any]:
        return {"segmenter": "discs", "version": self.version}

    def masks(self, image: RGB, boxes: Sequence[Box]) -> NDArray[np.bool_]:
        self.asked.append((image.shape, list(boxes)))
        y, x = np.mgrid[0 : image.shape[0], 0 : image.shape[1]] + 0.5
        ellipses = [
            ((x - box.center[0]) / (box.x2 - box.x1)) ** 2 + ((y - box.center[1]) / (box.y2 - box.y1)) ** 2
            <= 0.25
            for box in boxes
        ]
        return np.stack(ellipses)


def files(found: Segmentation) -> dict[str, str]:
    lines = (found.folder / "masks.jsonl").read_text().splitlines()
    return {line["sample_id"]: line["file"] for line in map(json.loads, lines)}


def test_every_answer_with_boxes_gets_a_mask_in_pixels_of_the_upright_image(run: Run) -> None:
    discs = Discs()
    found = segment_run(run, discs)
    assert found.folder == run.path / "masks" / "org_discs_1"
    written = files(found)
    names = ("part/test/../../a", "part/test/x", "turned/test/turned", "boxed/test/plain", "boxed/test/good")
    assert set(written) == {f"made/{name}" for name in names}
    assert (read_mask(found.folder / written["made/part/test/../../a"]) == np.where(disc(), 255, 0)).all()
    assert read_mask(found.folder / written["made/turned/test/turned"]).shape == TURNED_WH[::-1]
    assert ((TURNED_WH[1], TURNED_WH[0], 3), [Box(5, 60, 30, 90)]) in discs.asked
    assert (found.written, found.kept, found.placeless) == (5, 0, 1)
    assert found.unanswered == {"refused": 1}


def test_ids_cannot_leave_the_folder(run: Run, tmp_path: Path) -> None:
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    found = segment_run(run, FilledBoxes(), pictures=True)
    made = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert len(made) == 11
    assert all(path.is_relative_to(found.folder) for path in made)


def test_pixel_figures_of_masks_and_of_filled_boxes(run: Run) -> None:
    found = segment_run(run, Discs())
    assert found.scores is not None
    assert found.boxes is not None
    # x has a region without a mask; of `boxed` no anomalous sample has one, so its normal one goes too.
    assert found.left_out == 3
    area = int(disc().sum())
    part, turned = found.scores.categories
    # a is found, b is unanswered and c has no place: two of three discs are missed; n says normal.
    assert (part.samples, part.anomalous, part.unanswered) == (4, 3, 1)
    assert part.figures["recall"].value == pytest.approx(1 / 3)
    assert part.figures["precision"].value == 1.0
    boxes, squares = found.boxes.categories
    assert boxes.figures["precision"].value == pytest.approx(area / TRUE.area)
    assert boxes.figures["recall"].value == pytest.approx(1 / 3)
    assert squares.figures["iou"].value == 1.0
    assert turned.figures["iou"].value == pytest.approx(np.pi / 4, abs=0.02)


def test_normal_images_count_as_false_alarms(corpus: Corpus, tmp_path: Path) -> None:
    said = SAID | {"n": Verdict(True, region(), "", "", None, "ok")}
    found = segment_run(
        bench(corpus, corpus.samples, Says(said), tmp_path / "runs", references=0), FilledBoxes()
    )
    assert found.scores is not None
    area = int(disc().sum())
    assert found.scores.categories[0].figures["precision"].value == pytest.approx(area / (2 * TRUE.area))
    assert found.scores == found.boxes


def test_the_same_command_makes_only_what_is_missing_or_changed(run: Run, tmp_path: Path) -> None:
    first = segment_run(run, Discs())
    again = Discs()
    found = segment_run(run, again)
    assert (found.written, found.kept, again.asked) == (0, 5, [])
    assert found.scores == first.scores

    (found.folder / files(found)["made/part/test/x"]).unlink()
    assert segment_run(run, Discs()).written == 1
    assert segment_run(run, Discs(version=2)).written == 5

    image = run.corpus.path / "raw" / "a.png"
    image.write_bytes(encode_png(np.full((SIZE_WH[1], SIZE_WH[0], 3), 121, np.uint8)))
    assert segment_run(run, Discs(version=2)).written == 1


def test_what_was_made_before_an_interruption_is_kept(run: Run) -> None:
    class Interrupted(Discs):
        def masks(self, image: RGB, boxes: Sequence[Box]) -> NDArray[np.bool_]:
            if len(self.asked) == 2:
                raise KeyboardInterrupt
            return super().masks(image, boxes)

    with pytest.raises(KeyboardInterrupt):
        segment_run(run, Interrupted())
    assert not list(run.path.rglob("*.tmp"))
    found = segment_run(run, Discs())
    assert (found.written, found.kept) == (3, 2)


def test_pictures_show_the_mask_and_the_true_outline(run: Run) -> None:
    found = segment_run(run, Discs())
    assert not (found.folder / "pictures").exists()
    found = segment_run(run, Discs(), pictures=True)
    assert found.written == 0
    pictures = sorted((found.folder / "pictures").iterdir())
    assert len(pictures) == 5
    [drawn] = [np.asarray(Image.open(path)) for path in pictures if path.name.startswith("made_part_test_a.")]
    assert drawn.shape == (SIZE_WH[1], SIZE_WH[0], 3)
    assert tuple(drawn[35, 25]) == ((120 + 220) // 2, (120 + 50) // 2, (120 + 32) // 2)


def test_masks_may_lie_elsewhere(run: Run, tmp_path: Path) -> None:
    found = segment_run(run, Discs(), out=tmp_path / "elsewhere")
    assert found.folder == tmp_path / "elsewhere" / "says" / "org_discs_1"
    assert not (run.path / "masks").exists()


def test_without_true_masks_there_are_no_figures(corpus: Corpus, tmp_path: Path) -> None:
    boxed = corpus.select(categories=["boxed"])
    found = segment_run(bench(corpus, boxed, Says(SAID), tmp_path / "boxed", references=0), Discs())
    assert (found.left_out, found.written) == (2, 2)
    assert found.scores is found.boxes is None
    assert json.loads(json.dumps(found.to_dict()))["scores"] is None


def test_a_true_mask_of_another_size_is_an_error(run: Run) -> None:
    path = run.corpus.path / "raw" / "disc.png"
    Image.fromarray(np.zeros((9, 7), np.uint8)).save(path)
    with pytest.raises(DataError, match=r"disc\.png: is 7x9, its image 84x56; build the corpus again"):
        segment_run(run, Discs())


def test_an_image_of_another_size_is_an_error(run: Run) -> None:
    (run.corpus.path / "raw" / "a.png").write_bytes(encode_png(np.zeros((9, 7, 3), np.uint8)))
    with pytest.raises(DataError, match=r"a\.png: is 7x9, the corpus says 84x56"):
        segment_run(run, Discs())


def test_a_damaged_index_is_an_error(run: Run) -> None:
    found = segment_run(run, Discs())
    with (found.folder / "masks.jsonl").open("a") as file:
        file.write('{"sample": 1}\n')
    with pytest.raises(DataError, match=r"masks\.jsonl: not a list of masks .*delete"):
        segment_run(run, Discs())


def test_the_truth_is_what_a_mask_marks_inside_the_boxes(corpus: Corpus) -> None:
    [sample] = [sample for sample in corpus.samples if sample.id.endswith("/b")]
    speck = np.where(disc(), 255, 0).astype(np.uint8)
    speck[1, 1] = 255
    Image.fromarray(speck).save(corpus.path / "raw" / "disc.png")
    assert (true_mask(corpus, sample) == disc()).all()


def test_masks_with_smooth_edges_are_cut_where_their_boxes_were(tmp_path: Path) -> None:
    """Boxes are those of the true masks: in every layout of the factory, and of a mask with smooth edges."""
    roots = factory_roots(tmp_path / "raw")
    make_factory(tmp_path / "raw", seed=3, train=1, good=1, per_anomaly=1)
    mine = tmp_path / "mine"
    for kind in ("good", "dent", "masks/dent"):
        (mine / kind).mkdir(parents=True)
    for name in ("good/0.png", "dent/1.png"):
        (mine / name).write_bytes(encode_png(np.full((60, 80, 3), 90, np.uint8)))
    smooth = np.zeros((60, 80), np.uint8)
    smooth[10:30, 20:60], smooth[14:26, 25:55] = 100, 200
    Image.fromarray(smooth).save(mine / "masks/dent/1.png")
    corpus = build_corpus({**roots, "mine": ("folder", mine)}, tmp_path / "corpus").corpus
    seen = set()
    for sample in corpus.samples:
        true = true_mask(corpus, sample)
        assert true.any() == sample.anomalous
        for region in sample.regions:
            x1, y1, x2, y2 = region.box.rounded()
            inside = true[y1:y2, x1:x2]
            # Tight: every side of the box touches a marked pixel.
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()
            seen.add(sample.source)
    assert seen == {*roots, "mine"}
