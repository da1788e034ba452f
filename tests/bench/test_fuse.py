"""A model's and an expert's verdicts as one: the rule, and the run that is derived by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benched import NO, Writer, right, run_of
from expert_parts import FLAW, MeanDetector, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.bench.fuse import ORDINARY, fuse, fused, suspicion
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.bench.reparse import reparse
from mmrad.bench.run import VERDICTS_FILE
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.inspectors.base import failed_verdict
from mmrad.inspectors.experts.thresholds import Calibration
from mmrad.journal import Journal
from mmrad.sample import Region, Sample, Usage, Verdict

__all__ = ["mean_detector"]

scores = st.floats(-1e6, 1e6)
shares = st.floats(0, 1)
calibrations = st.lists(scores, min_size=1, max_size=30).map(lambda found: Calibration(tuple(found), ()))


@st.composite
def regions(draw: st.DrawFn) -> tuple[Region, ...]:
    corners = draw(st.lists(st.tuples(*[st.integers(0, 90)] * 2, *[st.integers(1, 30)] * 2), max_size=4))
    labels = st.sampled_from(["dent", "crack", ""])
    return tuple(Region(Box(x, y, x + w, y + h), draw(labels)) for x, y, w, h in corners)


@st.composite
def said(draw: st.DrawFn) -> Verdict:
    """What a model may say."""
    if draw(st.integers(0, 4)) == 0:
        return failed_verdict(draw(st.sampled_from(["failed", "refused", "unparsed", "truncated"])), "why")
    anomalous = draw(st.booleans())
    score = draw(st.none() | shares)
    places = draw(regions()) if anomalous else ()
    kind = None if score is None else "probability"
    return Verdict(anomalous, places, "thought", "text", score, "ok", usage=Usage(9, 3, 1.0), score_kind=kind)


@st.composite
def judged(draw: st.DrawFn) -> tuple[Verdict, float]:
    """What an expert may say, and its suspicion."""
    if draw(st.integers(0, 4)) == 0:
        return failed_verdict("failed", "no such file"), 0.5
    suspected = draw(shares)
    places = tuple(replace(region, label="") for region in draw(regions())) if suspected > 0.5 else ()
    usage = Usage(seconds=0.25)
    return Verdict(suspected > 0.5, places, "", "", suspected, "ok", usage=usage, score_kind="map"), suspected


@given(scores, calibrations, scores)
def test_suspicion_is_a_share_that_grows_with_the_score_and_turns_at_the_threshold(
    score: float, calibration: Calibration, threshold: float
) -> None:
    found = suspicion(score, calibration, threshold)
    assert 0 <= found <= 1
    assert suspicion(threshold, calibration, threshold) == 0.5
    assert found <= 0.5 if score <= threshold else found >= 0.5
    assert suspicion(score + 1, calibration, threshold) >= found


def test_suspicion_by_example() -> None:
    calibration = Calibration((1.0, 2.0, 3.0, 4.0, 5.0), ())
    assert suspicion(3.0, calibration, 5.0) == pytest.approx(ORDINARY)
    assert suspicion(7.0, calibration, 5.0) == pytest.approx(1 - ORDINARY)
    assert suspicion(30.0, Calibration((10.0, 20.0, 30.0, 40.0, 50.0), ()), 50.0) == pytest.approx(ORDINARY)
    one = Calibration((3.0,), ())
    assert [suspicion(score, one, 3.0) for score in (2.9, 3.0, 3.1)] == [0.0, 0.5, 1.0]


@given(said(), judged())
def test_without_both_judgements_there_is_none(model: Verdict, expert: tuple[Verdict, float]) -> None:
    found = fused(model, *expert)
    both = (model.status, expert[0].status)
    if both == ("ok", "ok"):
        assert found.status == "ok" and found.score is not None and 0 <= found.score <= 1
        assert found.anomalous is (found.score > 0.5) and found.score_kind == "fused"
    else:
        who = "the model" if model.status != "ok" else "the expert"
        assert found.status == (model.status if model.status != "ok" else "failed")
        assert found.detail.startswith(f"{who}: ") and found.detail.endswith(("why", "no such file"))
        assert (found.anomalous, found.score, found.score_kind, found.regions) == (None, None, None, ())
    assert (found.think, found.raw_text) == (model.think, model.raw_text)


@given(said(), judged())
def test_who_agree_are_not_overruled(model: Verdict, expert: tuple[Verdict, float]) -> None:
    found = fused(model, *expert)
    yes = model.anomalous if model.score is None else model.score > 0.5
    if found.score is not None and yes == (expert[1] > 0.5) and abs(expert[1] - 0.5) > 1e-9:
        assert found.anomalous is yes


@given(scores, calibrations, scores, st.booleans())
def test_a_sure_model_moves_the_threshold_by_the_distance_of_the_median(
    score: float, calibration: Calibration, threshold: float, yes: bool
) -> None:
    middle = median(calibration.scores)
    if threshold - middle < 1e-3:
        return
    expert = Verdict(score > threshold, (), "", "", score, "ok", score_kind="map")
    found = fused(Verdict(yes, (), "", "", None, "ok"), expert, suspicion(score, calibration, threshold))
    moved = middle if yes else 2 * threshold - middle
    if abs(score - moved) > 1e-6 * (threshold - middle):
        assert found.anomalous is (score > moved)


@given(said(), judged())
def test_places_are_the_expert_s_under_the_model_s_names(
    model: Verdict, expert: tuple[Verdict, float]
) -> None:
    found = fused(model, *expert)
    if not found.anomalous:
        assert found.regions == ()
    elif expert[0].regions:
        assert [region.box for region in found.regions] == [region.box for region in expert[0].regions]
        names = {region.label for region in model.regions} or {""}
        assert {region.label for region in found.regions} <= names
    else:
        assert found.regions == model.regions


def test_a_name_comes_from_the_best_overlap_or_else_from_the_nearest() -> None:
    own = (Region(Box(0, 0, 10, 10), "dent"), Region(Box(5, 0, 15, 10), "crack"))
    own += (Region(Box(80, 80, 90, 90), "stain"),)
    model = Verdict(True, own, "", "", None, "ok")
    places = tuple(Region(Box(*box), "") for box in ((6, 0, 16, 10), (60, 60, 70, 70)))
    expert = Verdict(True, places, "", "", 9.0, "ok", score_kind="map")
    assert [region.label for region in fused(model, expert, 0.9).regions] == ["crack", "stain"]
    mute = Verdict(False, (), "", "", 0.4, "ok", score_kind="probability")
    assert [region.label for region in fused(mute, expert, 0.9).regions] == ["", ""]


@pytest.mark.parametrize(("yes", "no"), [(None, None), (1.0, 0.0), (0.999999, 0.000001)])
def test_the_surest_word_can_be_overruled_either_way(yes: float | None, no: float | None) -> None:
    said_yes = Verdict(True, (), "", "", yes, "ok", score_kind="probability" if yes else None)
    said_no = Verdict(False, (), "", "", no, "ok", score_kind=None if no is None else "probability")
    expert = Verdict(True, (), "", "", 1.0, "ok", score_kind="map")
    assert fused(said_no, expert, 0.8).anomalous and not fused(said_no, expert, 0.7).anomalous
    assert not fused(said_yes, expert, 0.2).anomalous and fused(said_yes, expert, 0.3).anomalous
    assert fused(said_yes, expert, 0.6).score == pytest.approx(0.675)


def test_both_took_time_and_the_model_its_tokens() -> None:
    model = Verdict(True, (), "", "", None, "ok", usage=Usage(9, 3, 1.0))
    expert = Verdict(True, (), "", "", 1.0, "ok", usage=Usage(seconds=0.25), score_kind="map")
    assert fused(model, expert, 0.9).usage == Usage(9, 3, 1.25)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_parts(tmp_path / "corpus")


@pytest.fixture
def expert(corpus: Corpus, tmp_path: Path, mean_detector: type[MeanDetector]) -> Run:
    outcomes = Benchmark(corpus, BenchRecipe(runs=(Entry(model="patchcore"),)), tmp_path / "runs").run()
    run = next(iter(outcomes)).run
    assert run
    return run


def queries(corpus: Corpus) -> list[Sample]:
    return corpus.select(splits=["test"])


def model_run(
    corpus: Corpus,
    out: Path,
    name: str = "writer",
    samples: Sequence[Sample] | None = None,
    **about: object,
) -> Run:
    """The run of a model that is right about bolts, and finds nothing on nuts."""
    writer = Writer(lambda one: right(one) if one.category == "bolt" else NO, name, about=dict(about))
    return run_of(corpus, writer, out, samples or queries(corpus))


def test_a_fused_run_is_a_run_like_any_other(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    model = model_run(corpus, tmp_path / "runs", title="Writer", price=None, published="GPT-4o")
    run = Run.load(fuse(model, expert, tmp_path / "runs").path)
    assert run.path == tmp_path / "runs" / "writer_patchcore-fused"
    assert run.info.name == "writer+patchcore-fused"
    assert run.info.about["fused_from"] == ["writer", "patchcore"]
    assert run.info.about["title"] == "Writer with PatchCore, fused" and "published" not in run.info.about
    assert run.info.inspector["prompts_hash"] == model.info.inspector["prompts_hash"]
    assert list(run.verdicts) == model.info.sample_ids
    for sample in run.samples:
        verdict = run.verdicts[sample.id]
        assert verdict.raw_text == model.verdicts[sample.id].raw_text
        if sample.anomalous:  # missed by the model on nuts, seen by the expert
            name = "scratch" if sample.category == "bolt" else ""
            assert verdict.anomalous and Region(FLAW, name) in verdict.regions
    alarms = [{one.id for one in run.samples if not one.anomalous and each.verdicts[one.id].anomalous}
              for each in (run, expert)]  # fmt: skip
    assert alarms[0] < alarms[1], "the model's word outweighs an alarm just above the threshold"
    with pytest.raises(DataError, match="cannot be read again"):
        reparse(run)


def test_it_is_derived_again_only_when_something_has_changed(
    corpus: Corpus, expert: Run, tmp_path: Path
) -> None:
    out = tmp_path / "runs"
    model = model_run(corpus, out)
    first = fuse(model, expert, out)
    before = (first.path / VERDICTS_FILE).stat().st_ino, first.info.created
    again = fuse(Run.load(model.path), Run.load(expert.path), out)
    assert ((again.path / VERDICTS_FILE).stat().st_ino, again.info.created) == before
    sample = next(one for one in model.samples if one.anomalous)
    lines = (model.path / VERDICTS_FILE).read_text("utf-8").splitlines()
    [line] = [line for line in lines if f'"{sample.id}"' in line]
    unread = line.replace('"status": "ok", "anomalous": true', '"status": "refused", "anomalous": null')
    assert unread != line
    with (model.path / VERDICTS_FILE).open("a", encoding="utf-8") as file:
        file.write(unread + "\n")
    third = Run.load(fuse(Run.load(model.path), expert, out).path)
    assert third.verdicts[sample.id].status == "refused" and len(third.verdicts) == len(first.verdicts)


def test_a_kill_before_the_end_is_made_good(
    corpus: Corpus, expert: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs"
    model = model_run(corpus, out)
    append = Journal.append

    def killed(self: Journal, record: dict[str, object]) -> None:
        append(self, record)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            fuse(model, expert, out)
    assert len(Run.load(fuse(model, expert, out).path).verdicts) == len(model.verdicts)


def test_a_verdict_depends_on_its_own_query_alone(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    whole = fuse(model_run(corpus, tmp_path / "a"), expert, tmp_path / "a")
    some = queries(corpus)[::3]
    few = run_of(
        corpus, Writer(lambda one: right(one) if one.category == "bolt" else NO), tmp_path / "b", some
    )
    part = fuse(few, expert, tmp_path / "b")
    assert part.verdicts == {one.id: whole.verdicts[one.id] for one in some}


def wrong(corpus: Corpus, expert: Run, out: Path) -> Iterator[tuple[tuple[Run, Run], str]]:
    """Pairs of runs that cannot be fused, and what is said."""
    model = model_run(corpus, out)
    yield (expert, expert), "a model first"
    yield (fuse(model, expert, out), expert), "a model first"
    yield (model, model), "not of an expert"
    few = run_of(corpus, Writer(right, "few"), out, queries(corpus))
    (few.path / VERDICTS_FILE).write_text("")
    yield (Run.load(few.path), expert), "no verdict on 12 of the queries"
    train = run_of(corpus, Writer(right, "train"), out, corpus.select(splits=["train"]))
    yield (train, expert), "no verdict on 28 of the queries"
    other = make_parts(out / "other", ("bolt",))
    yield (run_of(other, Writer(right, "other"), out, queries(other)), expert), "not asked about the samples"


def test_runs_that_do_not_belong_together_are_refused(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    for (model, other), message in wrong(corpus, expert, out):
        with pytest.raises(UsageError, match=message):
            fuse(model, other, out)


def test_thresholds_of_test_labels_are_refused(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    recipe = BenchRecipe(runs=(Entry(model="patchcore"),))
    _, second = Benchmark(corpus, recipe, tmp_path / "runs").run()
    assert second.run and second.run.info.about["threshold"] == "oracle"
    with pytest.raises(UsageError, match="with the labels of these very queries"):
        fuse(model_run(corpus, tmp_path / "runs"), second.run, tmp_path / "runs")


def test_the_expert_itself_is_wanted(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    model = model_run(corpus, out)
    moved = (out / "experts" / "patchcore").rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="give its folder with --expert"):
        fuse(model, expert, out)
    assert fuse(model, expert, out, calibrated=moved).verdicts
    changed = {**expert.info.inspector, "parts": {"made/bolt": "0"}}
    other = Run(expert.path, expert.info.model_copy(update={"inspector": changed}))
    with pytest.raises(UsageError, match="is not the expert of the run"):
        fuse(model, other, out, calibrated=moved, name="again")


def test_another_run_is_not_written_over(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    out = tmp_path / "runs"
    model = model_run(corpus, out)
    with pytest.raises(UsageError, match="holds another run"):
        fuse(model, expert, out, name="writer")
    (out / "lost").mkdir()
    (out / "lost" / VERDICTS_FILE).write_text("")
    with pytest.raises(UsageError, match="holds verdicts of another run"):
        fuse(model, expert, out, name="lost")


def test_repeats_stay_repeats(corpus: Corpus, expert: Run, tmp_path: Path) -> None:
    model = model_run(corpus, tmp_path / "runs", "writer#2", variant_of="writer", repeat=2)
    about = fuse(model, expert, tmp_path / "runs").info.about
    assert (about["variant_of"], about["repeat"]) == ("writer+patchcore-fused", 2)
