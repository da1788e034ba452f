"""An expert judges: boxes in original pixels, maps kept first, and one bad image costs one verdict."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from expert_parts import FLAW, MeanDetector, make_parts, mean_detector, write_part
from mmrad.bench import Run, bench
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.features import Geometry
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.experts import make
from mmrad.inspectors.experts.detector import Item, RawMap
from mmrad.inspectors.experts.expert import Expert, PartFiles
from mmrad.inspectors.experts.fit import fit_expert
from mmrad.inspectors.experts.inspector import ExpertInspector, verdict_of
from mmrad.inspectors.experts.maps import MapStore
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.inspectors.experts.thresholds import Thresholds, thresholds
from mmrad.inspectors.make import make_inspector
from mmrad.sample import Pair, Verdict

__all__ = ["mean_detector"]

SETTINGS = ExpertSettings(detector="patchcore", size=56, crop=48)

pytestmark = pytest.mark.usefixtures("mean_detector")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_parts(tmp_path / "corpus")


@pytest.fixture
def expert(corpus: Corpus, tmp_path: Path) -> Expert:
    return fit_expert(corpus, SETTINGS, tmp_path / "expert")


def pairs_of(corpus: Corpus) -> list[Pair]:
    return corpus.pairs(corpus.select(splits=["test"]), references=0)


def verdicts(inspector: ExpertInspector, pairs: Sequence[Pair]) -> list[Verdict]:
    found = dict(inspector.inspect(pairs))
    assert sorted(found) == list(range(len(pairs)))
    return [found[index] for index in range(len(pairs))]


def untimed(verdict: Verdict) -> Verdict:
    return replace(verdict, usage=replace(verdict.usage, seconds=None))


def test_flaws_are_found_where_they_are_also_on_turned_images(
    corpus: Corpus, expert: Expert, tmp_path: Path
) -> None:
    pairs = pairs_of(corpus)
    assert {read_image(pair.image).shape for pair in pairs} == {(56, 84, 3)}
    found = verdicts(ExpertInspector(expert, maps=tmp_path / "maps"), pairs)
    for pair, verdict in zip(pairs, found, strict=True):
        assert (verdict.status, verdict.anomalous) == ("ok", pair.sample.anomalous), pair.sample.id
        assert (verdict.score_kind, verdict.think, verdict.raw_text) == ("map", "", "")
        assert verdict.usage.seconds is not None and verdict.usage.seconds > 0
        if verdict.anomalous:
            [region] = verdict.regions
            assert region.box.iou(FLAW) > 0.6 and region.label == ""
        else:
            assert verdict.regions == ()


def test_a_verdict_is_its_map_under_the_thresholds_of_its_category(
    corpus: Corpus, expert: Expert, tmp_path: Path
) -> None:
    pairs = pairs_of(corpus)
    inspector = ExpertInspector(expert, maps=tmp_path / "maps", alpha=0.2)
    store = MapStore(tmp_path / "maps")
    for index, verdict in inspector.inspect(pairs):
        sample = pairs[index].sample
        levels = thresholds(expert.calibration(f"made/{sample.category}"), 0.2)
        values = store.load(sample.id)  # it is there before the verdict is
        assert values.shape == (48, 48)
        raw = RawMap(verdict.score or 0.0, values)
        again = verdict_of(raw, levels, Geometry(56, 48), sample.size_wh)
        assert again == untimed(verdict)


def test_how_many_are_judged_at_once_and_their_order_change_nothing(
    corpus: Corpus, expert: Expert, tmp_path: Path
) -> None:
    pairs = pairs_of(corpus)
    mixed = pairs[::2] + pairs[1::2]
    one = verdicts(ExpertInspector(expert, maps=tmp_path / "a", batch_size=1), pairs)
    many = verdicts(ExpertInspector(expert, maps=tmp_path / "b", batch_size=5), mixed)
    by_id = {pair.sample.id: untimed(verdict) for pair, verdict in zip(mixed, many, strict=True)}
    assert [by_id[pair.sample.id] for pair in pairs] == [untimed(verdict) for verdict in one]


def test_each_part_is_loaded_once_however_the_categories_are_mixed(
    corpus: Corpus, expert: Expert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: Counter[str] = Counter()
    load = PartFiles.load

    def counted(files: PartFiles, sha256: str) -> object:
        loaded[files.tensors.name] += 1
        return load(files, sha256)

    monkeypatch.setattr(PartFiles, "load", counted)
    pairs = pairs_of(corpus)
    mixed = [pair for both in zip(pairs[:6], pairs[6:], strict=True) for pair in both]
    verdicts(ExpertInspector(expert, maps=tmp_path / "maps", batch_size=1), mixed)
    assert sorted(loaded.values()) == [1, 1]


def test_an_unreadable_image_fails_alone(corpus: Corpus, expert: Expert, tmp_path: Path) -> None:
    pairs = pairs_of(corpus)
    whole = verdicts(ExpertInspector(expert, maps=tmp_path / "a"), pairs)
    pairs[1].image.write_bytes(b"\xff\xd8 no picture")
    pairs[8].image.unlink()
    found = verdicts(ExpertInspector(expert, maps=tmp_path / "b"), pairs)
    store = MapStore(tmp_path / "b")
    for index, (pair, before, now) in enumerate(zip(pairs, whole, found, strict=True)):
        if index in (1, 8):
            assert (now.status, now.anomalous, now.score) == ("failed", None, None)
            assert pair.image.name in now.detail
        else:
            assert untimed(now) == untimed(before)
        assert store.has(pair.sample.id) == (now.status == "ok")


def test_a_category_it_was_not_trained_on_is_no_verdict(
    corpus: Corpus, expert: Expert, tmp_path: Path
) -> None:
    pairs = pairs_of(corpus)
    strange = replace(pairs[0], sample=replace(pairs[0].sample, category="screw"))
    found = verdicts(ExpertInspector(expert, maps=tmp_path / "maps"), [strange, *pairs[1:]])
    assert found[0].status == "failed"
    assert "not trained on made/screw, but on made/bolt, made/nut" in found[0].detail
    assert {verdict.status for verdict in found[1:]} == {"ok"}


def test_values_that_are_not_finite_are_no_verdict() -> None:
    levels = Thresholds(1.0, 1.0, 0.05, "max", 3)
    values = np.zeros((4, 4), np.float32)
    assert verdict_of(RawMap(0.5, values), levels, Geometry(4), (8, 8)).anomalous is False
    assert verdict_of(RawMap(float("nan"), values), levels, Geometry(4), (8, 8)).status == "failed"
    values[1, 1] = np.nan
    assert verdict_of(RawMap(0.5, values), levels, Geometry(4), (8, 8)).status == "failed"


def test_places_are_given_only_where_the_image_is_flagged_and_a_threshold_itself_is_normal() -> None:
    values = np.zeros((4, 8), np.float32)
    values[1:3, 2:4] = 3
    values[1:3, 6:8] = 2
    levels = Thresholds(1.0, 2.0, 0.05, "max", 3)
    flagged = verdict_of(RawMap(1.01, values), levels, Geometry(8), (8, 4))
    assert [region.box.xyxy for region in flagged.regions] == [(2, 1, 4, 3)]
    normal = verdict_of(RawMap(1.0, values), levels, Geometry(8), (8, 4))
    assert (normal.anomalous, normal.regions, normal.score) == (False, (), 1.0)
    wide = verdict_of(RawMap(9.0, values), replace(levels, pixel=1.0), Geometry(8), (8, 4))
    assert [region.box.xyxy for region in wide.regions] == [(2, 1, 4, 3), (6, 1, 8, 3)]


def test_the_key_holds_all_that_changes_an_answer(corpus: Corpus, expert: Expert, tmp_path: Path) -> None:
    inspector = ExpertInspector(expert, maps=tmp_path / "maps")
    key = inspector.key()
    assert json.loads(json.dumps(key)) == key
    assert ExpertInspector(Expert.load(expert.folder), maps=tmp_path / "elsewhere").key() == key
    assert key["geometry"] == {"size": 56, "crop": 48}
    assert key["backbone"] == {"tag": "none", "sha256": "0" * 64}
    assert str(tmp_path) not in json.dumps(key)
    others = [
        ExpertInspector(expert, maps=tmp_path / "maps", alpha=0.1).key(),
        ExpertInspector(
            fit_expert(corpus, SETTINGS.model_copy(update={"seed": 1}), tmp_path / "other"),
            maps=tmp_path / "maps",
        ).key(),
    ]
    files = PartFiles(expert.folder, "made/nut")
    files.save({"made/nut": files_tensor(expert) + 1}, 0.0, expert.parts["made/nut"].categories)
    others.append(ExpertInspector(Expert.load(expert.folder), maps=tmp_path / "maps").key())
    assert all(other != key for other in others)
    assert others[2]["parts"]["made/bolt"] == key["parts"]["made/bolt"]
    assert others[2]["parts"]["made/nut"] != key["parts"]["made/nut"]


def files_tensor(expert: Expert):  # type: ignore[no-untyped-def]
    return expert.part_for("made/nut").tensors()["made/nut"]


def test_tables_are_told_how_it_was_calibrated(tmp_path: Path) -> None:
    corpus = make_parts(tmp_path / "c", train=44, good=1, bad=1)
    samples = [s for s in corpus.samples if s.category == "bolt" or not s.id.endswith("9")]
    assert len(samples) < len(corpus.samples)
    expert = fit_expert(corpus, SETTINGS, tmp_path / "expert")
    about = ExpertInspector(expert, maps=tmp_path / "m").about()
    assert about == {
        "title": "PatchCore, honest threshold",
        "expert": "patchcore",
        "threshold": "honest",
        "calibration": "max",
    }
    assert ExpertInspector(expert, maps=tmp_path / "m", alpha=0.1).about()["calibration"] == "conformal"
    bolt = expert.parts["made/bolt"].categories["made/bolt"]
    fewer = replace(bolt.calibration, scores=(1.0, 2.0), maxima=(1.0, 2.0))
    known = {"made/bolt": bolt.model_copy(update={"calibration": fewer})}
    expert.parts["made/bolt"] = expert.parts["made/bolt"].model_copy(update={"categories": known})
    assert ExpertInspector(expert, maps=tmp_path / "m", alpha=0.1).about()["calibration"] == "mixed"


def test_a_run_is_kept_beside_its_maps_and_asks_nothing_twice(
    corpus: Corpus, expert: Expert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = corpus.select(splits=["test"])

    def inspector() -> ExpertInspector:
        return ExpertInspector(
            Expert.load(expert.folder), name="patchcore", maps=tmp_path / "runs/patchcore/maps"
        )

    run = bench(corpus, samples[:7], inspector(), tmp_path / "runs", references=0)
    judged: list[Item] = []
    judge = MeanDetector.judge
    monkeypatch.setattr(
        MeanDetector, "judge", lambda self, items: (judged.extend(items), judge(self, items))[1]
    )
    run = bench(corpus, samples, inspector(), tmp_path / "runs", references=0)
    assert len(judged) == len(samples) - 7
    assert {verdict.status for verdict in run.verdicts.values()} == {"ok"}
    store = MapStore(run.path / "maps")
    assert all(store.has(sample.id) for sample in samples)
    assert Run.load(run.path).info.inspector["geometry"] == {"size": 56, "crop": 48}
    with pytest.raises(UsageError, match=r"alpha is 0\.05 there and 0\.1 now"):
        again = ExpertInspector(expert, name="patchcore", maps=run.path / "maps", alpha=0.1)
        bench(corpus, samples, again, tmp_path / "runs", references=0)
    store.path(samples[0].id).unlink()
    with pytest.raises(DataError, match="is not there"):
        store.load(samples[0].id)


# `make_inspector`


def test_a_folder_with_an_expert_is_one(expert: Expert, tmp_path: Path) -> None:
    made = make_inspector(
        str(expert.folder), InspectionSettings(), maps=tmp_path / "maps", alpha=0.1, batch_size=3
    )
    assert isinstance(made, ExpertInspector)
    assert (made.name, made.key()["alpha"]) == ("expert", 0.1)
    named = make_inspector(str(expert.folder), InspectionSettings(), maps=tmp_path / "maps", name="mine")
    assert named.name == "mine"


@pytest.mark.parametrize("name", ["padim", "patchcore", "hgad", "dinomaly", "inp-former"])
def test_a_bare_name_has_to_be_trained_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"mmrad train expert CORPUS --model {name} --out EXPERT"):
        make_inspector(name, InspectionSettings(), maps=tmp_path / "maps")


def test_what_is_for_models_of_language_is_refused(expert: Expert, tmp_path: Path) -> None:
    from mmrad.endpoint import ResponseCache
    from mmrad.prompt import load_prompts

    folder, maps = str(expert.folder), tmp_path / "maps"
    with ResponseCache(tmp_path / "cache.db") as cache:
        for options, said in (
            ({"base_urls": ["http://x"]}, "--base-url"),
            ({"provider": "inspect"}, "--provider"),
            ({"score": "confidence"}, "--score"),
            ({"temperature": 0.0}, "temperature"),
            ({"max_pixels": 5}, "limits"),
            ({"requests_per_minute": 5.0}, "rate limits"),
            ({"cache": cache}, "a response cache"),
            ({"batch_state": tmp_path / "b"}, "batches"),
        ):
            with pytest.raises(UsageError, match=f"expert detector.*leave out.*{said}"):
                make_inspector(folder, InspectionSettings(), maps=maps, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--prompts"):
        make_inspector(folder, InspectionSettings(prompts=load_prompts("brief")), maps=maps)
    with pytest.raises(UsageError, match="maps"):
        make_inspector(folder, InspectionSettings())


def test_weights_given_as_a_file_are_found_where_the_caller_says(corpus: Corpus, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"weights": tmp_path / "net.safetensors"})
    fit_expert(corpus, settings, tmp_path / "expert")
    made = make_inspector(
        str(tmp_path / "expert"), InspectionSettings(), maps=tmp_path / "maps", expert=settings
    )
    found = dict(made.inspect(pairs_of(corpus)))
    assert {verdict.status for verdict in found.values()} == {"ok"}


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(settings: ExpertSettings, cache: Path | None) -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(make, "_class_of", lambda settings: missing)
    with pytest.raises(Exception, match=r"'torch' is not installed.*mmrad\[experts\]"):
        make.make_detector(SETTINGS.resolved())


def test_an_image_of_one_s_own_is_judged_in_its_own_pixels(expert: Expert, tmp_path: Path) -> None:
    """The same part at twice the size gives the same boxes at twice the size."""
    from PIL import Image

    write_part(tmp_path / "part.jpg", seed=9, flawed=True)
    detector, levels = expert.part_for("made/bolt"), thresholds(expert.calibration("made/bolt"))
    Image.open(tmp_path / "part.jpg").resize((168, 112), Image.Resampling.NEAREST).save(tmp_path / "big.png")
    boxes = []
    for name, size_wh in (("part.jpg", (84, 56)), ("big.png", (168, 112))):
        [raw] = detector.judge([Item(tmp_path / name, "made/bolt")])
        [region] = verdict_of(raw, levels, detector.geometry, size_wh).regions
        boxes.append(np.array(region.box.xyxy))
    assert boxes[0] * 2 == pytest.approx(boxes[1], abs=2)
