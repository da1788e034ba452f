"""What runs say of samples: verdicts over the truth, disagreement, and the order by uncertainty."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mmrad.bench.run import VERDICTS_FILE, Run, write_derived
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.index import SampleIndex
from mmrad.sample import Sample, Verdict
from reviewed import made_runs, reviewed_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return reviewed_corpus(tmp_path_factory.mktemp("corpus"), 40)


@pytest.fixture(scope="module")
def runs(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    return made_runs(corpus, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def index(corpus: Corpus, runs: list[Run]) -> SampleIndex:
    return SampleIndex(corpus, runs)


def ids(index: SampleIndex, **asked: object) -> list[str]:
    return [index.ids[row] for row in index.select(Criteria.model_validate(asked), {})]


def judge(sample: Sample, verdict: Verdict | None) -> str | None:
    if verdict is None:
        return None
    if verdict.anomalous is None:
        return "unanswered"
    if verdict.anomalous == sample.anomalous:
        return "right"
    return "missed" if sample.anomalous else "false_alarm"


def test_verdicts_are_held_against_the_truth(index: SampleIndex, runs: list[Run]) -> None:
    assert index.run_names == ["model", "expert"]
    for run in runs:
        expected = {s.id: judge(s, run.verdicts.get(s.id)) for s in index.corpus.samples}
        assert {name: index.judged(run.info.name, name) for name in index.ids} == expected
        assert list(expected.values()).count(None) == 1
        counts = index.facets(Criteria(run=run.info.name), {})["verdict"]
        for outcome in ("right", "missed", "false_alarm", "unanswered"):
            names = [name for name, found in expected.items() if found == outcome]
            assert names
            assert ids(index, run=run.info.name, verdicts=[outcome]) == names
            assert counts[outcome] == len(names)
        wrong = ids(index, run=run.info.name, verdicts=["wrong"])
        assert wrong == ids(index, run=run.info.name, verdicts=["missed", "false_alarm"])
        assert counts["wrong"] == len(wrong)


def test_a_verdict_is_read_whole(index: SampleIndex, runs: list[Run]) -> None:
    for run in runs:
        for name in index.ids:
            assert index.verdict(run.info.name, name) == run.verdicts.get(name)


def test_no_run_is_taken_when_there_are_several(index: SampleIndex) -> None:
    with pytest.raises(UsageError, match="say of which run; there are: model, expert"):
        ids(index, verdicts=["wrong"])
    assert "verdict" not in index.facets(Criteria(), {})


def test_the_only_run_is_taken(corpus: Corpus, runs: list[Run], index: SampleIndex) -> None:
    alone = SampleIndex(corpus, runs[:1])
    assert ids(alone, verdicts=["wrong"]) == ids(index, run="model", verdicts=["wrong"])
    assert alone.facets(Criteria(), {})["verdict"] == index.facets(Criteria(run="model"), {})["verdict"]
    with pytest.raises(UsageError, match="two runs"):
        ids(alone, runs_disagree=True)


def test_runs_disagree_only_where_both_answer(index: SampleIndex, runs: list[Run]) -> None:
    model, expert = (run.verdicts for run in runs)
    expected = [
        name
        for name in index.ids
        if name in model and {model[name].anomalous, expert[name].anomalous} == {True, False}
    ]
    assert expected
    assert ids(index, runs_disagree=True) == expected


def test_least_sure_probabilities_come_first(index: SampleIndex, runs: list[Run]) -> None:
    found = ids(index, run="model", order="uncertain")
    scores = [runs[0].verdicts[name].score if name in runs[0].verdicts else None for name in found]
    known = [abs(score - 0.5) for score in scores if score is not None]
    assert known == sorted(known)
    assert set(scores[len(known) :]) == {None}
    assert len(known) < len(found) == len(index)


def test_scores_of_maps_are_ranked_around_the_threshold_of_their_category(
    index: SampleIndex, runs: list[Run]
) -> None:
    found = ids(index, run="expert", order="uncertain")
    verdicts = runs[1].verdicts
    for category in ("nut", "plate", "cable"):
        own = [name for name in found if f"/{category}/" in name]
        scores = {name: verdicts[name].score for name in own if name in verdicts}
        known = {name: score for name, score in scores.items() if score is not None}
        between = [
            sum(10 <= other <= score or score <= other < 10 for other in known.values())
            for score in (known[name] for name in own if name in known)
        ]
        assert between == sorted(between)
        assert [name in known for name in own] == sorted((name in known for name in own), reverse=True)


def test_without_a_threshold_middle_ranks_come_first(corpus: Corpus, runs: list[Run], tmp_path: Path) -> None:
    info = runs[1].info.model_copy(
        update={"inspector": {"derived_from": "x"}, "corpus": str(corpus.path), "name": "plain"}
    )
    samples = corpus.select(categories=["nut"])
    scores = [float(number) for number in range(len(samples))]
    verdicts = [Verdict(True, (), "", "", score, "ok", score_kind="map") for score in scores]
    info = info.model_copy(update={"sample_ids": [sample.id for sample in samples]})
    index = SampleIndex(corpus, [write_derived(tmp_path / "plain", info, verdicts)])
    found = ids(index, order="uncertain", categories=["nut"])
    middle = (len(samples) - 1) / 2
    distances = [abs([sample.id for sample in samples].index(name) - middle) for name in found]
    assert distances == sorted(distances)


def test_a_run_of_another_corpus_is_refused(runs: list[Run], tmp_path: Path) -> None:
    other = reviewed_corpus(tmp_path, 8)
    with pytest.raises(UsageError, match="has other samples of 'line'"):
        SampleIndex(other, runs)


def test_runs_of_one_name_are_called_by_their_folders(corpus: Corpus, tmp_path: Path) -> None:
    first, second = made_runs(corpus, tmp_path / "first")[0], made_runs(corpus, tmp_path / "second")[0]
    with pytest.raises(UsageError, match="give each run once"):
        SampleIndex(corpus, [first, second])
    moved = Run(second.path.rename(tmp_path / "again"), second.info)
    assert SampleIndex(corpus, [first, moved]).run_names == ["model", "again"]


def test_damaged_lines_are_named(corpus: Corpus, tmp_path: Path) -> None:
    run = made_runs(corpus, tmp_path)[0]
    path = run.path / VERDICTS_FILE
    path.write_text(path.read_text("utf-8").replace('"anomalous": null', '"anomalous": "perhaps"'), "utf-8")
    with pytest.raises(DataError, match="is no verdict"):
        ids(SampleIndex(corpus, [run]), verdicts=["right"])


def test_the_last_line_of_a_sample_counts(corpus: Corpus, tmp_path: Path) -> None:
    run = made_runs(corpus, tmp_path)[0]
    path = run.path / VERDICTS_FILE
    lines = path.read_text("utf-8").splitlines(keepends=True)
    failed = next(line for line in lines if '"refused"' in line)
    name = failed.split('"')[3]
    good = next(line for line in lines if '"ok"' in line)
    path.write_text("".join([*lines, good.replace(good.split('"')[3], name)]), "utf-8")
    index = SampleIndex(corpus, [run])
    assert index.judged("model", name) in ("right", "missed", "false_alarm")
    assert replace(run.corpus.samples[0], id=name).id in ids(index, verdicts=["right", "wrong"])
