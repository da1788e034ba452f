"""An expert in a benchmark: trained, judged under both thresholds, the honest one blind to the test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from expert_parts import FLAW, MeanDetector, make_parts, mean_detector, write_part
from mmrad.bench import Progress, Run
from mmrad.bench.expert_runs import RunMaps, origin_of, threshold_of
from mmrad.bench.oracle import derive_oracle, read_sweep
from mmrad.bench.pixel_figures import kept_pixel_figures, pixel_figures
from mmrad.bench.protocol import Benchmark, Outcome
from mmrad.bench.recipe import BenchRecipe, Entry, load_bench_recipe
from mmrad.bench.segment import true_mask
from mmrad.corpus import Corpus, write_corpus
from mmrad.errors import DataError, UsageError
from mmrad.metrics import score
from mmrad.metrics.scores import by_category
from mmrad.sample import Region, Sample, Verdict

__all__ = ["mean_detector"]

pytestmark = pytest.mark.usefixtures("mean_detector")

SETTINGS = {"size": 32}


def rewritten(corpus: Corpus, change: Callable[[Sample], Sample | None]) -> Corpus:
    """The corpus with changed samples, in its place; references are gone."""
    samples = [new for old in corpus.samples if (new := change(old))]
    for path in (*corpus.path.glob("samples/*"), *corpus.path.glob("references*")):
        path.unlink()
    (corpus.path / "corpus.json").unlink()
    info = corpus.manifest.sources["made"].model_copy(update={"root": "raw"})
    return write_corpus(corpus.path, {"made": info}, samples)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """Two categories, the anomalies of the first with masks; no references."""
    corpus = make_parts(tmp_path / "corpus", bad=4)
    mask = np.zeros((56, 84), np.uint8)
    x1, y1, x2, y2 = FLAW.rounded()
    mask[y1:y2, x1 + 4 : x2] = 255
    Image.fromarray(mask).save(tmp_path / "corpus" / "raw" / "mask.png")
    masked = (Region(FLAW, "spot", "mask.png"),)
    return rewritten(
        corpus, lambda s: replace(s, regions=masked) if s.anomalous and s.category == "bolt" else s
    )


def recipe(**entry: Any) -> BenchRecipe:
    return BenchRecipe(runs=(Entry(**{"model": "patchcore", "expert_settings": SETTINGS} | entry),))


def outcomes(corpus: Corpus, asked: BenchRecipe | None = None, **more: Any) -> list[Outcome]:
    found = list(Benchmark(corpus, asked or recipe(), corpus.path.parent / "runs").run(**more))
    assert not any(outcome.problem for outcome in found)
    return found


def both(corpus: Corpus, asked: BenchRecipe | None = None) -> tuple[Run, Run]:
    honest, oracle = outcomes(corpus, asked)
    assert honest.run and oracle.run
    return Run.load(honest.run.path), Run.load(oracle.run.path)


def test_one_entry_gives_both_runs(corpus: Corpus) -> None:
    told: list[Progress] = []
    found = outcomes(corpus, progress=told.append)
    assert [outcome.name for outcome in found] == ["patchcore", "patchcore-oracle"]
    honest, oracle = (Run.load(outcome.run.path) for outcome in found if outcome.run)
    assert [threshold_of(run.info) for run in (honest, oracle)] == ["honest", "oracle"]
    assert oracle.info.about["title"] == "PatchCore, oracle threshold (paper)"
    assert oracle.info.about["published"] == "PatchCore"
    assert oracle.info.inspector["threshold_source"] == "test_labels"
    assert "alpha" not in oracle.info.inspector
    assert honest.info.references == 0
    assert list(oracle.verdicts) == list(honest.verdicts)
    for sample_id, verdict in oracle.verdicts.items():
        assert verdict.score == honest.verdicts[sample_id].score
        assert verdict.score_kind == "map"
    figures = score(oracle.samples, oracle.verdicts).overall.figures
    assert figures["accuracy"].value == 1.0  # a bright spot on a part whose mean is known
    assert figures["iou0.1_accuracy"].value == 1.0
    assert (corpus.path.parent / "runs" / "experts" / "patchcore" / "expert.json").exists()
    names = dict.fromkeys(one.run for one in told)
    assert list(names) == ["patchcore, training", "patchcore", "patchcore, pixels", "patchcore-oracle"]
    ends = {name: next(one for one in reversed(told) if one.run == name) for name in names}
    assert all(one.done == one.total for one in ends.values())


def test_places_on_a_cropped_map_lie_in_the_original_image(corpus: Corpus) -> None:
    """Images are 84 x 56, half of them turned by EXIF, and the detector sees the middle of a square."""
    _, oracle = both(corpus, recipe(expert_settings={"size": 32, "crop": 26}))
    assert oracle.info.inspector["geometry"] == {"size": 32, "crop": 26}
    for sample in oracle.samples:
        boxes = [region.box for region in oracle.verdicts[sample.id].claimed]
        assert len(boxes) == sample.anomalous
        assert all(box.iou(FLAW) > 0.5 for box in boxes)


def test_the_sweep_is_kept_with_all_thresholds(corpus: Corpus) -> None:
    _, oracle = both(corpus)
    sweep = read_sweep(oracle)
    assert [one.category for one in sweep.categories] == ["bolt", "nut"]
    assert all(len(one.rows) == 11 for one in sweep.categories)
    stored = json.loads((oracle.path / "sweep.json").read_text("utf-8"))
    assert stored["threshold_source"] == "test_labels"
    by_name = {group.category: group for group in score(oracle.samples, oracle.verdicts).categories}
    for one in sweep.categories:
        row = one.rows[one.detection]
        assert by_name[one.category].figures["accuracy"].value == pytest.approx(row.detection["accuracy"])
        row = one.rows[one.localization]
        assert by_name[one.category].figures["iou0.1_recall"].value == pytest.approx(
            row.localization["recall"]
        )


def test_a_second_call_trains_judges_and_derives_nothing(corpus: Corpus) -> None:
    _, oracle = both(corpus)
    trained = len(MeanDetector.learned)
    files = [path for path in (corpus.path.parent / "runs").rglob("*") if path.is_file()]
    before = {path: path.stat().st_mtime_ns for path in files}
    again = both(corpus)[1]
    assert len(MeanDetector.learned) == trained
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert again.verdicts == oracle.verdicts


def test_a_changed_honest_run_is_derived_anew(corpus: Corpus) -> None:
    image = corpus.path / "raw" / "bolt" / "test" / "bad" / "001.jpg"
    kept = image.read_bytes()
    image.write_bytes(b"no image")
    lost = "made/bolt/test/bad/001"
    honest, oracle = both(corpus)
    assert honest.verdicts[lost].status == oracle.verdicts[lost].status == "failed"
    assert oracle.verdicts[lost].anomalous is None
    assert score(oracle.samples, oracle.verdicts).overall.unanswered == {"failed": 1}
    pixels = pixel_figures(honest)
    assert pixels and pixels.categories[0].unanswered == 1
    assert pixels.categories[0].figures["pixel_auroc"].value is None

    image.write_bytes(kept)
    honest, oracle = both(corpus)
    assert honest.verdicts[lost].status == oracle.verdicts[lost].status == "ok"
    pixels = kept_pixel_figures(oracle)
    assert pixels and pixels.categories[0].unanswered == 0


def test_a_kill_between_the_files_of_a_derived_run_leaves_nothing_half_done(corpus: Corpus) -> None:
    honest, oracle = both(corpus)
    whole = {path.name: path.read_bytes() for path in oracle.path.iterdir()}
    for lost in (["run.json"], ["run.json", "verdicts.jsonl"]):
        for name in lost:
            (oracle.path / name).unlink()
        derived = derive_oracle(honest)
        assert set(whole) == {path.name for path in derived.path.iterdir()}
        for name in ("verdicts.jsonl", "sweep.json"):
            assert (derived.path / name).read_bytes() == whole[name]


def test_other_runs_are_not_overwritten(corpus: Corpus) -> None:
    honest, oracle = both(corpus)
    info = json.loads((oracle.path / "run.json").read_text("utf-8"))
    info["about"].pop("derived_from")
    (oracle.path / "run.json").write_text(json.dumps(info), "utf-8")
    with pytest.raises(UsageError, match="holds another run"):
        derive_oracle(honest)
    (oracle.path / "run.json").unlink()
    (oracle.path / "sweep.json").unlink()
    with pytest.raises(UsageError, match="verdicts of another run"):
        derive_oracle(honest)


def test_only_a_complete_run_of_an_expert_is_derived(corpus: Corpus) -> None:
    honest, oracle = both(corpus)
    with pytest.raises(UsageError, match="only the run of an expert"):
        derive_oracle(oracle)
    lines = (honest.path / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (honest.path / "verdicts.jsonl").write_bytes(b"".join(lines[:-2]))
    with pytest.raises(UsageError, match="2 of its queries have no verdict"):
        derive_oracle(Run.load(honest.path))


def test_a_lost_map_is_an_error_and_no_verdict(corpus: Corpus) -> None:
    honest, oracle = both(corpus)
    shutil.rmtree(oracle.path)
    RunMaps.of(honest).store.path(honest.samples[0].id).unlink()
    with pytest.raises(DataError, match=honest.samples[0].id):
        derive_oracle(honest)
    assert not (oracle.path / "run.json").exists()


# ---- nothing of the test images or their labels is in the honest run


def honest_verdicts(corpus: Corpus) -> dict[str, Verdict]:
    """The honest verdicts without their seconds, of a benchmark from the beginning."""
    runs = corpus.path.parent / "runs"
    shutil.rmtree(runs, ignore_errors=True)
    honest, _ = both(corpus)
    return {
        key: replace(verdict, usage=Verdict.__dataclass_fields__["usage"].default)
        for key, verdict in honest.verdicts.items()
    }


def test_labels_of_the_test_images_change_no_honest_verdict(corpus: Corpus) -> None:
    before = honest_verdicts(corpus)

    def turned(sample: Sample) -> Sample:
        if sample.split != "test":
            return sample
        return replace(sample, regions=() if sample.anomalous else (Region(FLAW, "spot"),))

    assert honest_verdicts(rewritten(corpus, turned)) == before


def test_other_test_images_change_no_honest_verdict(corpus: Corpus) -> None:
    before = honest_verdicts(corpus)
    kept = "made/bolt/test/bad/000"
    for path in sorted((corpus.path / "raw" / "bolt" / "test").rglob("*.jpg")):
        if path.stem != "000" or path.parent.name == "good":
            write_part(path, look=5, seed=99, flawed=True)
    after = honest_verdicts(corpus)
    assert after[kept] == before[kept]
    assert after["made/bolt/test/good/000"] != before["made/bolt/test/good/000"]
    only = honest_verdicts(rewritten(corpus, lambda s: s if s.split == "train" or s.id == kept else None))
    assert only == {kept: before[kept]}


def test_the_derived_run_does_depend_on_the_labels(corpus: Corpus) -> None:
    """Else the test above could not fail."""
    before = both(corpus)[1].verdicts
    shutil.rmtree(corpus.path.parent / "runs")

    def turned(sample: Sample) -> Sample:
        flipped = () if sample.anomalous else (Region(FLAW, "spot"),)
        return replace(sample, regions=flipped) if sample.split == "test" else sample

    after = both(rewritten(corpus, turned))[1].verdicts
    assert {key: verdict.anomalous for key, verdict in before.items()} != {
        key: verdict.anomalous for key, verdict in after.items()
    }


# ---- pixel figures


def test_pixel_figures_are_those_of_scikit_learn(corpus: Corpus) -> None:
    honest, oracle = both(corpus)
    found = pixel_figures(honest)
    assert found is not None
    # The anomalies of the other category have no masks: nothing of it can be judged by pixels.
    assert [group.category for group in found.categories] == ["bolt"]
    [members] = [one for one in by_category(honest.samples) if one[0].category == "bolt"]
    maps = RunMaps.of(honest)
    values = np.concatenate([maps.placed(sample).ravel() for sample in members])
    truth = np.concatenate([true_mask(corpus, sample).ravel() for sample in members])
    assert found.overall.figures["pixel_auroc"].value == pytest.approx(roc_auc_score(truth, values), abs=1e-6)
    assert 0 < (found.overall.figures["aupro"].value or 0) <= 1
    assert pixel_figures(oracle) == found
    assert not (oracle.path / "pixels.json").exists()
    assert origin_of(oracle) == honest.path


def test_pixel_figures_are_kept_and_computed_again_when_something_has_changed(corpus: Corpus) -> None:
    honest, _ = both(corpus)
    path = honest.path / "pixels.json"
    kept = path.read_bytes()
    path.write_bytes(kept.replace(b'"samples": 7', b'"samples": 8'))
    found = pixel_figures(honest)
    assert found and found.overall.samples == 8  # as kept, however wrong
    stored = json.loads(kept)
    path.write_text(json.dumps(stored | {"state": "0" * 16}), "utf-8")
    assert kept_pixel_figures(honest) is None
    found = pixel_figures(honest)
    assert found and found.overall.samples == 7
    assert path.read_bytes() == kept
    path.write_bytes(b"{}")
    with pytest.raises(DataError, match="delete it"):
        pixel_figures(honest)


def test_without_masks_there_are_no_pixel_figures(corpus: Corpus) -> None:
    bare = rewritten(corpus, lambda s: s if s.category == "nut" else None)
    honest, _ = both(bare)
    assert pixel_figures(honest) is None
    assert json.loads((honest.path / "pixels.json").read_text("utf-8"))["scores"] is None


# ---- the recipe


def test_repeats_train_with_seeds_one_apart(corpus: Corpus) -> None:
    found = outcomes(corpus, recipe(repeats=2, seed=4))
    assert [outcome.name for outcome in found] == [
        "patchcore", "patchcore-oracle", "patchcore#2", "patchcore#2-oracle",
    ]  # fmt: skip
    runs = {outcome.name: outcome.run.info for outcome in found if outcome.run}
    seeds = [runs[name].inspector["settings"]["seed"] for name in ("patchcore", "patchcore#2")]
    assert seeds == [4, 5]
    assert runs["patchcore#2-oracle"].about["variant_of"] == "patchcore-oracle"
    assert runs["patchcore#2-oracle"].about["repeat"] == 2
    # Other images are held out: the same means would be learned otherwise.
    assert len(set(MeanDetector.learned)) > 2


def test_a_trained_expert_is_not_trained_again(corpus: Corpus) -> None:
    both(corpus)
    folder = corpus.path.parent / "runs" / "experts" / "patchcore"
    trained = len(MeanDetector.learned)
    honest, _ = both(corpus, recipe(model=str(folder), name="again", expert_settings={}))
    assert (honest.info.name, len(MeanDetector.learned)) == ("again", trained)
    with pytest.raises(UsageError, match="repeats"):
        outcomes(corpus, recipe(model=str(folder), name="twice", expert_settings={}, repeats=2))
    with pytest.raises(UsageError, match=r"expert_settings\.size"):
        outcomes(corpus, recipe(model=str(folder), name="other"))


def test_alpha_is_the_honest_threshold(corpus: Corpus) -> None:
    strict, _ = both(corpus, recipe(name="strict"))
    loose, _ = both(corpus, recipe(name="loose", alpha=0.5))
    flagged = [sum(v.anomalous is True for v in run.verdicts.values()) for run in (strict, loose)]
    assert strict.info.inspector["alpha"] == 0.05
    assert flagged[0] <= flagged[1]
    thresholds = [run.info.inspector["thresholds"]["made/bolt"]["image"] for run in (strict, loose)]
    assert thresholds[0] > thresholds[1]


def test_a_plan_costs_nothing_and_trains_nothing(corpus: Corpus) -> None:
    [intent] = Benchmark(corpus, recipe(), corpus.path.parent / "runs").plan()
    assert (intent.samples, intent.plan.requests, intent.plan.dollars, intent.plan.most_dollars) == (
        14,
        14,
        0.0,
        0.0,
    )
    assert intent.plan.usage.input_tokens == 0
    assert not MeanDetector.learned and not (corpus.path.parent / "runs").exists()


@pytest.mark.parametrize(
    "text, said",
    [
        ('model = "patchcore"\nexpert_settings = { backbon = "lite0" }', "expert_settings.backbon"),
        ('model = "patchcore"\nexpert_settings = { seed = 1 }', "leave out seed"),
        ('model = "gpt-5"\nexpert_settings = { size = 256 }', "gpt-5 is none"),
        ('model = "patchcore"\nalpha = 1.5', "alpha"),
        ('model = "patchcore"\n[[runs]]\nmodel = "x"\nname = "patchcore-oracle"', "patchcore-oracle"),
    ],
)
def test_what_is_wrong_in_a_recipe_is_told(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f"[[runs]]\n{text}\n", "utf-8")
    with pytest.raises(DataError, match=said):
        load_bench_recipe(path)


def test_settings_stand_in_a_table_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        '[ask]\nreferences = 2\n[[runs]]\nmodel = "patchcore"\n[runs.expert_settings]\nsize = 224\n'
        'patchcore = { coreset = 0.01 }\n[[runs]]\nmodel = "anomaly-r1-nano"\n',
        "utf-8",
    )
    expert, model = load_bench_recipe(path).runs
    assert (expert.beside, model.beside) == (0, 2)
    assert (expert.variant, model.variant) == ("patchcore", "anomaly-r1-nano-2-references")
    detector = expert.detector()
    assert (detector.size, detector.patchcore.coreset, detector.detector) == (224, 0.01, "patchcore")
