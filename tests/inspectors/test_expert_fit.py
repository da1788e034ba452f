"""Training an expert: nothing leaks, nothing is trained twice, what does not belong together is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from expert_parts import FLAW, MeanDetector, make_parts, mean_detector, write_part
from mmrad.corpus import Corpus, write_corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.inspectors.experts import make
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.expert import Expert, PartFiles
from mmrad.inspectors.experts.fit import OWN_CATEGORY, fit_expert, fit_on_images, hold_out
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.sample import Region

__all__ = ["mean_detector"]

SETTINGS = ExpertSettings(detector="patchcore", size=32)
BOTH = ("made/bolt", "made/nut")

pytestmark = pytest.mark.usefixtures("mean_detector")


@pytest.mark.parametrize(("images", "held"), [(2, 1), (3, 1), (7, 3), (16, 8), (20, 10), (50, 10), (61, 13)])
def test_a_fifth_is_held_out_at_least_ten_at_most_half(images: int, held: int) -> None:
    fitted, held_out = hold_out([str(n) for n in range(images)], 0)
    assert (len(fitted), len(held_out)) == (images - held, held)


@given(
    ids=st.lists(st.text(max_size=5), min_size=2, max_size=80, unique=True),
    seed=st.integers(),
    randomly=st.randoms(),
)
def test_the_division_follows_from_ids_and_seed_alone(ids: list[str], seed: int, randomly: Any) -> None:
    fitted, held_out = hold_out(ids, seed)
    assert sorted(fitted + held_out) == sorted(ids)
    randomly.shuffle(ids)
    assert hold_out(ids, seed) == (fitted, held_out)


def test_another_seed_holds_others_out() -> None:
    ids = [str(n) for n in range(40)]
    assert hold_out(ids, 0)[1] != hold_out(ids, 1)[1]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two categories with an anomalous image and a validation image among the others."""
    made = make_parts(tmp_path / "corpus")
    odd = {
        "made/nut/train/good/003": {"regions": (Region(FLAW, "spot"),)},
        "made/nut/test/good/001": {"split": "validation"},
    }
    samples = [replace(sample, **odd.get(sample.id, {})) for sample in made.samples]  # type: ignore[arg-type]
    return write_corpus(made.path, made.manifest.sources, samples)


@pytest.mark.parametrize("classes", ["one", "all"])
def test_only_normal_train_images_are_used_and_held_out_ones_are_not_learned(
    corpus: Corpus, tmp_path: Path, classes: Any
) -> None:
    expert = fit_expert(corpus, SETTINGS.model_copy(update={"classes": classes}), tmp_path / "expert")
    allowed = {s.id: s for s in corpus.samples if s.split == "train" and not s.anomalous}
    used: list[str] = []
    for category, held in (("made/bolt", 7), ("made/nut", 6)):
        info = expert.parts[category].categories[category]
        assert (len(info.fitted), len(info.held_out)) == (7, held)
        assert all(f"{allowed[one].source}/{allowed[one].category}" == category for one in info.fitted)
        used += info.fitted + info.held_out
    assert sorted(used) == sorted(allowed), "each once, on one side"
    fitted = [one for category in BOTH for one in expert.parts[category].categories[category].fitted]
    learned = [name for names in MeanDetector.learned for name in names]
    assert sorted(learned) == sorted(Path(allowed[one].image).name for one in fitted)
    assert len(MeanDetector.learned) == {"one": 2, "all": 1}[classes]
    assert len(list((tmp_path / "expert" / "parts").iterdir())) == 2 * len(MeanDetector.learned)


def test_in_each_category_the_same_images_are_held_out_for_one_class_and_for_all(
    corpus: Corpus, tmp_path: Path
) -> None:
    one, every = (
        fit_expert(corpus, SETTINGS.model_copy(update={"classes": classes}), tmp_path / classes)
        for classes in ("one", "all")
    )
    for category in BOTH:
        assert (
            one.parts[category].categories[category].held_out
            == every.parts[category].categories[category].held_out
        )
        assert one.calibration(category) == every.calibration(category)


def test_the_calibration_is_what_the_kept_detector_says_of_the_held_out(
    corpus: Corpus, tmp_path: Path
) -> None:
    fit_expert(corpus, SETTINGS, tmp_path / "expert")
    expert = Expert.load(tmp_path / "expert")
    by_id = {sample.id: sample for sample in corpus.samples}
    for category in BOTH:
        held_out = expert.parts[category].categories[category].held_out
        items = [Item(corpus.resolve("made", by_id[one].image), category) for one in held_out]
        raws = expert.part_for(category).judge(items)
        found = expert.calibration(category)
        assert found.scores == tuple(raw.score for raw in raws)
        for kept, of in ((found.maxima, np.max), (found.minima, np.min), (found.medians, np.median)):
            assert kept == tuple(float(of(raw.values)) for raw in raws)


def test_what_is_complete_is_kept_and_a_failed_part_is_done_again(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(MeanDetector):
        def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
            if images[0].category == "made/nut":
                state.write_text("half a training")
                raise KeyboardInterrupt
            super().fit(images, state, progress)

    folder = tmp_path / "expert"
    monkeypatch.setattr(make, "_class_of", lambda settings: Failing)
    with pytest.raises(KeyboardInterrupt):
        fit_expert(corpus, SETTINGS, folder)
    with pytest.raises(DataError, match="not complete, made/nut is missing"):
        Expert.load(folder)
    assert PartFiles(folder, "made/nut").state.read_text() == "half a training"
    monkeypatch.setattr(make, "_class_of", lambda settings: MeanDetector)
    told: list[tuple[int, int]] = []
    expert = fit_expert(corpus, SETTINGS, folder, progress=lambda *now: told.append(now))
    assert len(MeanDetector.learned) == 2, "one for each category, no second for the first"
    assert told[-1] == (13, 13), "what was done before is not counted again"
    assert not list(folder.rglob("*.state"))
    again = fit_expert(corpus, SETTINGS, folder)
    assert len(MeanDetector.learned) == 2
    assert again.key() == expert.key()


@pytest.mark.parametrize("missing", ["safetensors", "json"])
def test_a_part_without_one_of_its_files_is_done_again(corpus: Corpus, tmp_path: Path, missing: str) -> None:
    key = fit_expert(corpus, SETTINGS, tmp_path / "e").key()
    next((tmp_path / "e" / "parts").glob(f"*.{missing}")).unlink()
    assert fit_expert(corpus, SETTINGS, tmp_path / "e").key() == key
    assert len(MeanDetector.learned) == 3


def test_progress_counts_images_to_the_end_and_never_back(corpus: Corpus, tmp_path: Path) -> None:
    for classes in ("one", "all"):
        told: list[tuple[int, int]] = []
        settings = SETTINGS.model_copy(update={"classes": classes})
        fit_expert(corpus, settings, tmp_path / classes, progress=lambda *now: told.append(now))  # noqa: B023
        assert {total for _, total in told} == {27}
        assert [done for done, _ in told] == sorted({done for done, _ in told})
        assert told[-1] == (27, 27)


def test_a_folder_of_another_expert_is_refused_and_kept(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "expert"
    key = fit_expert(corpus, SETTINGS, folder).key()
    for other, said in (
        ({"seed": 1}, "settings.seed is 0 there and 1 now"),
        ({"size": 40}, "settings.size is 32 there and 40 now"),
        ({"classes": "all"}, "settings.classes"),
        ({"detector": "padim"}, "settings.detector"),
    ):
        with pytest.raises(UsageError, match=said):
            fit_expert(corpus, SETTINGS.model_copy(update=other), folder)
    smaller = write_corpus(corpus.path, corpus.manifest.sources, corpus.samples[1:])
    with pytest.raises(UsageError, match=r"corpus_sha256.made is .* choose another folder"):
        fit_expert(smaller, SETTINGS, folder)
    assert Expert.load(folder).key() == key
    assert len(MeanDetector.learned) == 2


def test_where_it_runs_and_where_the_weights_lie_may_change(corpus: Corpus, tmp_path: Path) -> None:
    first = SETTINGS.model_copy(update={"device": "cpu", "weights": tmp_path / "a" / "net.safetensors"})
    fit_expert(corpus, first, tmp_path / "expert")
    fit_expert(corpus, SETTINGS.model_copy(update={"weights": Path("b.safetensors")}), tmp_path / "expert")
    assert len(MeanDetector.learned) == 2


def test_no_path_of_this_machine_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"weights": tmp_path / "net.safetensors"})
    fit_expert(corpus, settings, tmp_path / "expert", cache=tmp_path / "cache")
    for path in (tmp_path / "expert").rglob("*"):
        assert path.is_dir() or tmp_path.name.encode() not in path.read_bytes(), path
    kept = json.loads((tmp_path / "expert" / "expert.json").read_text())
    assert kept["settings"]["weights"] == "net.safetensors"


def test_a_category_without_normal_images_is_named_before_anything_is_trained(
    corpus: Corpus, tmp_path: Path
) -> None:
    kept = [s for s in corpus.samples if s.category == "bolt" or s.split == "test" or s.anomalous]
    one = [s for s in corpus.samples if s.id == "made/nut/train/good/000"]
    for extra in ([], one):
        poor = write_corpus(corpus.path, corpus.manifest.sources, [*kept, *extra])
        with pytest.raises(DataError, match=f"made/nut has {len(extra)} normal.*at least 2; add normal"):
            fit_expert(poor, SETTINGS, tmp_path / "expert")
    assert not (tmp_path / "expert").exists()
    assert MeanDetector.learned == []


def test_an_unknown_source_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no source"):
        fit_expert(corpus, SETTINGS, tmp_path / "expert", sources=["nowhere"])


@pytest.mark.parametrize("side", ["fitted", "held_out"])
def test_an_unreadable_train_image_is_named(corpus: Corpus, tmp_path: Path, side: str) -> None:
    expert = fit_expert(corpus, SETTINGS, tmp_path / "first")
    one = getattr(expert.parts["made/nut"].categories["made/nut"], side)[2]
    [image] = [corpus.resolve("made", s.image) for s in corpus.samples if s.id == one]
    image.write_bytes(image.read_bytes()[:300])
    with pytest.raises(DataError, match=f"nut/train/good/{image.name}: not a readable image"):
        fit_expert(corpus, SETTINGS, tmp_path / "expert")


def test_a_detector_that_diverged_is_no_expert(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Diverged(MeanDetector):
        def judge(self, images: Sequence[Item]) -> list[RawMap]:
            return [RawMap(float("nan"), raw.values) for raw in super().judge(images)]

    monkeypatch.setattr(make, "_class_of", lambda settings: Diverged)
    with pytest.raises(ProviderError, match="not finite"):
        fit_expert(corpus, SETTINGS, tmp_path / "expert")
    assert not list((tmp_path / "expert").rglob("*.json"))[1:]


def test_a_crop_is_within_the_image(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="crop is 64"):
        fit_expert(corpus, SETTINGS.model_copy(update={"crop": 64}), tmp_path / "expert")


# The folder


def test_damage_is_told_and_newer_folders_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    folder = tmp_path / "expert"
    fit_expert(corpus, SETTINGS, folder)
    files = PartFiles(folder, "made/nut")
    whole = files.tensors.read_bytes()
    files.tensors.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    expert = Expert.load(folder)
    expert.part_for("made/bolt")
    with pytest.raises(DataError, match=r"safetensors: not the file that .*\.json speaks of"):
        expert.part_for("made/nut")
    files.info.write_text(files.info.read_text()[:50])
    with pytest.raises(DataError, match="unreadable"):
        Expert.load(folder)
    about = json.loads((folder / "expert.json").read_text())
    (folder / "expert.json").write_text(json.dumps({**about, "schema_version": 2, "new": 1}))
    with pytest.raises(DataError, match="schema 2 is newer"):
        Expert.load(folder)
    (folder / "expert.json").write_text(json.dumps({**about, "settings": {"detector": "x"}}))
    with pytest.raises(DataError, match=r"settings\.detector"):
        Expert.load(folder)
    with pytest.raises(DataError, match="not an expert"):
        Expert.load(tmp_path)


def test_the_backbone_must_be_the_one_of_the_training(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "expert"
    weights = tmp_path / "net.safetensors"
    fit_expert(corpus, SETTINGS.model_copy(update={"weights": weights}), folder).part_for("made/nut")
    with pytest.raises(UsageError, match=r"put the file to .*expert/net\.safetensors"):
        Expert.load(folder).part_for("made/nut")
    (folder / "net.safetensors").touch()
    Expert.load(folder).part_for("made/nut")

    class Other(MeanDetector):
        def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
            super().__init__(settings, cache)
            self.backbone = {"tag": "file", "sha256": "1" * 64}

    monkeypatch.setattr(make, "_class_of", lambda settings: Other)
    with pytest.raises(DataError, match="trained with other weights"):
        Expert.load(folder, weights=weights).part_for("made/nut")
    with pytest.raises(UsageError, match=r"backbone\.sha256"):
        fit_expert(corpus, SETTINGS.model_copy(update={"weights": weights}), folder)


def test_a_category_it_does_not_know_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    expert = fit_expert(corpus, SETTINGS, tmp_path / "expert")
    for ask in (expert.part_for, expert.calibration):
        with pytest.raises(UsageError, match="not trained on made/screw, but on made/bolt, made/nut"):
            ask("made/screw")


# A user's own images


def own_images(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(paths):
        write_part(path, seed=number, turned=number % 2 == 0)
    return paths


def test_own_images_are_divided_like_those_of_a_corpus(tmp_path: Path) -> None:
    images = own_images(tmp_path, 12)
    told: list[tuple[int, int]] = []
    detector, calibration = fit_on_images(images, SETTINGS, progress=lambda *now: told.append(now))
    assert len(calibration.scores) == 6
    assert told[-1] == (12, 12)
    [learned] = MeanDetector.learned
    held_out = [image for image in images if image.name not in learned]
    assert (len(learned), len(held_out)) == (6, 6)
    raws = detector.judge([Item(image, OWN_CATEGORY) for image in held_out])
    assert sorted(raw.score for raw in raws) == sorted(calibration.scores)


def test_names_order_and_copies_of_own_images_do_not_matter(tmp_path: Path) -> None:
    images = own_images(tmp_path, 9)
    _, calibration = fit_on_images(images, SETTINGS)
    copies = []
    for number, image in enumerate(images):
        copies.append(tmp_path / f"copy of {9 - number}.jpg")
        copies[-1].write_bytes(image.read_bytes())
    assert fit_on_images([*reversed(copies), *images], SETTINGS)[1] == calibration
    assert [len(names) for names in MeanDetector.learned] == [5, 5]


def test_three_different_images_are_too_few(tmp_path: Path) -> None:
    images = own_images(tmp_path, 3)
    with pytest.raises(UsageError, match=r"patchcore has 3 good .*at least 4"):
        fit_on_images(images * 2, SETTINGS)
    _, calibration = fit_on_images(own_images(tmp_path, 4), SETTINGS)
    assert len(calibration.scores) == 2


def test_the_kept_tensors_are_those_of_the_detector(corpus: Corpus, tmp_path: Path) -> None:
    expert = fit_expert(corpus, SETTINGS, tmp_path / "expert")
    [(name, mean)] = expert.part_for("made/bolt").tensors().items()
    assert name == "made/bolt" and mean.dtype == torch.float32 and mean.shape == (32, 32, 3)
