"""Boxes that are proposed: of models, of experts' maps, and of SAM."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benched import NO, Writer, right, run_of, yes
from expert_parts import FLAW, SIZE_WH, MeanDetector, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.bench.expert_runs import RunMaps
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.image import read_image
from mmrad.inspectors.sam import Sam
from mmrad.review.assist import Assist
from mmrad.review.index import SampleIndex
from mmrad.review.pixels import whole_pixels
from mmrad.sample import Region, Sample
from tiny_sam import save_tiny_sam

__all__ = ["mean_detector"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Two categories of parts, 84x56; every second image is stored on its side."""
    return make_parts(tmp_path_factory.mktemp("assist") / "corpus")


def assist(corpus: Corpus, *runs: Run, sam: Path | None = None) -> Assist:
    return Assist(SampleIndex(corpus, runs), runs, sam)


def samples(corpus: Corpus, kind: str) -> list[Sample]:
    return [sample for sample in corpus.samples if f"test/{kind}" in sample.id]


def test_a_models_boxes_are_proposed_in_whole_original_pixels(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right, "model"), tmp_path, samples(corpus, "bad"))
    helper = assist(corpus, run)
    for sample in samples(corpus, "bad"):  # also those that EXIF turns
        assert helper.names(sample) == [{"name": "model", "kind": "verdict"}]
        [found] = helper.regions(sample, "model")
        assert found.label == "scratch"
        assert found.mask is None
        assert all(isinstance(value, int) for value in found.box.xyxy)
        for ours, true in zip(found.box.xyxy, FLAW.xyxy, strict=True):
            assert abs(ours - true) <= 1  # the view has fewer pixels than the image


def test_a_run_proposes_only_for_what_it_was_asked(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right, "model"), tmp_path, samples(corpus, "bad"))
    helper = assist(corpus, run)
    [good, *_] = samples(corpus, "good")
    assert helper.names(good) == []
    with pytest.raises(UsageError, match=f"model was not asked about {good.id}"):
        helper.regions(good, "model")
    with pytest.raises(UsageError, match="other: no such run; there are model"):
        helper.regions(good, "other")


def test_a_failed_verdict_proposes_nothing_and_says_why(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(lambda sample: "no idea", "model"), tmp_path, samples(corpus, "bad"))
    helper = assist(corpus, run)
    [sample, *_] = samples(corpus, "bad")
    assert len(helper.names(sample)) == 1
    with pytest.raises(UsageError, match=r"model has no answer for .* \(unparsed.*proposes nothing"):
        helper.regions(sample, "model")


def test_a_verdict_of_normal_proposes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(lambda sample: NO, "model"), tmp_path, samples(corpus, "bad"))
    assert assist(corpus, run).regions(samples(corpus, "bad")[0], "model") == ()


def test_a_run_without_places_is_not_offered(corpus: Corpus, tmp_path: Path) -> None:
    writer = Writer(right, "blind", about={"localization": "none"})
    run = run_of(corpus, writer, tmp_path, samples(corpus, "bad"))
    assert assist(corpus, run).names(samples(corpus, "bad")[0]) == []


def test_a_place_without_a_label_gets_that_of_the_category(corpus: Corpus, tmp_path: Path) -> None:
    def unnamed(sample: Sample) -> str:
        return yes(10, 10, 20, 20, label="")

    bolt, nut = (next(s for s in samples(corpus, "bad") if s.category == name) for name in ("bolt", "nut"))
    run = run_of(corpus, Writer(unnamed, "model"), tmp_path, [bolt, nut])
    assert {region.label for region in assist(corpus, run).regions(bolt, "model")} == {"spot"}
    unlabelled = replace(nut, category="new")
    assert {region.label for region in assist(corpus, run).regions(unlabelled, "model")} == {"anomaly"}


@pytest.fixture
def expert(corpus: Corpus, tmp_path: Path, mean_detector: type[MeanDetector]) -> Run:
    runs = tmp_path / "runs"
    first, *_ = Benchmark(corpus, BenchRecipe(runs=(Entry(model="patchcore"),)), runs).run()
    assert first.run
    return first.run


def test_an_experts_boxes_are_proposed(corpus: Corpus, expert: Run) -> None:
    helper = assist(corpus, expert)
    for sample in samples(corpus, "bad"):
        assert helper.names(sample) == [{"name": expert.info.name, "kind": "map"}]
        found = helper.regions(sample, expert.info.name)
        assert {region.label for region in found} == {"spot"}
        assert max(region.box.iou(FLAW) for region in found) > 0.5


def test_below_an_experts_threshold_the_strongest_of_its_map_are_proposed(
    corpus: Corpus, expert: Run
) -> None:
    quiet = next(s for s in samples(corpus, "good") if not expert.verdicts[s.id].regions)
    values = RunMaps.of(expert).placed(quiet)
    found = assist(corpus, expert).regions(quiet, expert.info.name)
    assert 1 <= len(found) <= 3
    y, x = np.unravel_index(values.argmax(), values.shape)
    assert any(r.box.x1 <= x < r.box.x2 and r.box.y1 <= y < r.box.y2 for r in found)
    width, height = SIZE_WH
    assert all(r.box.x2 <= width and r.box.y2 <= height for r in found)


def test_a_lost_map_is_told(corpus: Corpus, expert: Run) -> None:
    quiet = next(s for s in samples(corpus, "good") if not expert.verdicts[s.id].regions)
    RunMaps.of(expert).store.path(quiet.id).unlink()
    with pytest.raises(DataError, match="is not there"):
        assist(corpus, expert).regions(quiet, expert.info.name)


def test_sam_tightens_a_box_on_the_upright_image(corpus: Corpus, tmp_path: Path) -> None:
    folder = save_tiny_sam(tmp_path / "sam", "sam")
    helper = assist(corpus, sam=folder)
    assert helper.can_segment
    turned = samples(corpus, "bad")[1]
    drawn = Box(40, 4, 75, 40)
    [mask] = Sam(folder, device=None).masks(read_image(corpus.resolve("made", turned.image)), [drawn])
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert mask.shape == (56, 84)
    found = helper.tighten(turned, drawn)
    assert found is not None
    assert found.xyxy == (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert helper.tighten(turned, Box(200, 200, 210, 210)) is None  # nothing is marked outside


def test_sam_is_asked_by_one_thread_at_a_time(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And loaded once, at the first question."""
    loaded, inside, most = [], [], []

    class Slow:
        def __init__(self, folder: Path) -> None:
            loaded.append(folder)

        def masks(self, image: np.ndarray, boxes: list[Box]) -> np.ndarray:
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.pop()
            return np.ones((1, *image.shape[:2]), bool)

    monkeypatch.setattr("mmrad.inspectors.sam.Sam", Slow)
    helper = assist(corpus, sam=tmp_path)
    assert loaded == []
    sample = samples(corpus, "bad")[0]
    threads = [threading.Thread(target=helper.tighten, args=(sample, FLAW)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (loaded, most) == ([tmp_path], [1, 1, 1, 1])


def test_without_a_model_nothing_is_tightened(corpus: Corpus) -> None:
    helper = assist(corpus)
    assert not helper.can_segment
    with pytest.raises(UsageError, match="--sam"):
        helper.tighten(samples(corpus, "bad")[0], FLAW)


@pytest.mark.parametrize(
    ("box", "whole"),
    [
        (Box(10.4, 10.6, 20.5, 30.4), (10, 11, 20, 30)),
        (Box(83.7, 55.8, 84, 56), (83, 55, 84, 56)),  # a sliver at the far corner stays inside
        (Box(-5, -5, 0.2, 90), (0, 0, 1, 56)),
        (Box(90, 1, 95, 5), None),
    ],
)
def test_boxes_become_whole_pixels_inside_the_image(
    box: Box, whole: tuple[int, int, int, int] | None
) -> None:
    found = whole_pixels(box, SIZE_WH)
    assert (found and found.xyxy) == whole


def test_regions_are_never_those_of_the_truth(corpus: Corpus, tmp_path: Path) -> None:
    """A proposal is what the run said, also where the corpus says something else."""
    [sample, *_] = samples(corpus, "good")
    run = run_of(corpus, Writer(lambda _: yes(28, 14, 56, 28, label="crack"), "model"), tmp_path, [sample])
    assert assist(corpus, run).regions(sample, "model") == (Region(Box(42, 28, 84, 56), "crack"),)
