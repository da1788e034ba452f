"""Hints from an expert's run, and benchmarks whose models are given them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benched import Writer, right, run_of
from expert_parts import FLAW, SIZE_WH, MeanDetector, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.bench.expert_runs import RunMaps
from mmrad.bench.hints import PLACES, _strongest, read_hints
from mmrad.bench.protocol import Benchmark, Outcome
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.bench.run import VERDICTS_FILE
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.features import Geometry
from mmrad.inspectors.experts.maps import MapStore
from mmrad.report.leaderboard import leaderboard
from mmrad.sample import Sample
from servers import FaultServer

__all__ = ["mean_detector"]


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_parts(tmp_path / "corpus")


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def expert(corpus: Corpus, runs: Path, mean_detector: type[MeanDetector]) -> Path:
    """Folder of an expert's run."""
    return judged(corpus, runs).path


def judged(corpus: Corpus, runs: Path, limit: int | None = None) -> Run:
    first, *_ = Benchmark(corpus, BenchRecipe(runs=(Entry(model="patchcore"),), limit=limit), runs).run()
    assert first.run
    return first.run


def asked(corpus: Corpus, runs: Path, entry: Entry, **recipe: object) -> Outcome:
    [outcome] = Benchmark(corpus, BenchRecipe(runs=(entry,), **recipe), runs).run()
    return outcome


def test_every_query_has_a_hint_with_an_alarm_or_without(corpus: Corpus, expert: Path) -> None:
    run = Run.load(expert)
    found = read_hints(corpus, expert)
    assert found.expert == "patchcore" and found.hints.keys() == run.verdicts.keys() and not found.without
    for sample_id, hint in found.hints.items():
        verdict = run.verdicts[sample_id]
        assert hint.alarm is verdict.anomalous and 1 <= len(hint.places) <= PLACES
        if verdict.regions:
            assert list(hint.places) == [region.box for region in verdict.regions[:PLACES]]
        for place in hint.places:
            assert place.clipped(SIZE_WH) == place and all(type(value) is int for value in place.xyxy)
    bad = [sample_id for sample_id in found.hints if "/bad/" in sample_id]
    assert all(found.hints[sample_id].places[0] == FLAW for sample_id in bad), "turned images too"
    assert not all(hint.alarm for hint in found.hints.values())


@pytest.mark.parametrize("geometry", [Geometry(40), Geometry(60, 40)])
@pytest.mark.parametrize("size_wh", [(3000, 700), (90, 70)])
def test_the_strongest_places_are_in_original_pixels(
    tmp_path: Path, geometry: Geometry, size_wh: tuple[int, int]
) -> None:
    values = np.zeros((20, 20), np.float32)
    values[4:6, 14:16], values[15, 3] = 9, 5
    store = MapStore(tmp_path)
    store.save("one", values)
    sample = Sample("one", "s", "c", "test", "x.png", size_wh, (), "own")
    first, *others = _strongest(RunMaps(store, geometry), sample)
    margin = (geometry.size - geometry.side) / 2
    x, y = (
        side * (margin + geometry.side * cell / 20) / geometry.size
        for side, cell in zip(size_wh, (15, 5), strict=True)
    )
    assert first.x1 < x < first.x2 and first.y1 < y < first.y2
    assert (first.x2 - first.x1) * (first.y2 - first.y1) < size_wh[0] * size_wh[1] / 20
    assert len(others) < PLACES


def test_what_the_expert_cannot_judge_has_no_hint_and_the_run_says_so(
    corpus: Corpus, runs: Path, mean_detector: type[MeanDetector]
) -> None:
    lost = next(sample for sample in corpus.samples if sample.split == "test")
    image = corpus.resolve(lost.source, lost.image)
    content = image.read_bytes()
    image.write_bytes(b"no image")
    run = judged(corpus, runs)
    image.write_bytes(content)
    found = read_hints(corpus, run.path)
    assert found.without == {lost.id} and len(found.hints) == 11
    with FaultServer() as server:
        entry = Entry(model="m", base_urls=(server.base_url,), expert=run.path)
        outcome = asked(corpus, runs, entry)
        texts = [call.body["messages"][-1]["content"][-1]["text"] for call in server.calls]
    assert outcome.run and outcome.run.info.about["hints"] == {
        "expert": "patchcore", "as": "text", "places": PLACES, "without": [lost.id]
    }  # fmt: skip
    assert sum("detector" in text for text in texts) == 11 and len(texts) == 12
    [note] = [note for note in leaderboard([outcome.run]).notes if "without a hint" in note]
    assert note.startswith("m+patchcore-text: ") and note.endswith(": 1.")


def test_a_model_is_told_and_asked_once(corpus: Corpus, runs: Path, expert: Path) -> None:
    hints = read_hints(corpus, expert).hints
    with FaultServer() as server:
        common = {"model": "m", "base_urls": (server.base_url,), "space": "original", "expert": expert}
        text, crops = (Entry.model_validate({**common, "hints": told}) for told in ("text", "crops"))
        first = asked(corpus, runs, text, limit=4).run
        assert first and len(server.calls) == 4
        run = asked(corpus, runs, text).run
        assert run and len(server.calls) == 12, "more samples of the expert's run go on with the same hints"
        again = asked(corpus, runs, text).run
        assert again and len(server.calls) == 12
        seen = {call.query: call.body["messages"][-1]["content"] for call in server.calls}
        enlarged = asked(corpus, runs, crops).run
        assert enlarged and len(server.calls) == 24
        contents = [call.body["messages"][-1]["content"] for call in server.calls[12:]]
    assert (run.info.name, enlarged.info.name) == ("m+patchcore-text", "m+patchcore-crops")
    assert run.info.inspector["hints"]["as"] == "text"
    assert run.info.inspector["prompts_hash"] == enlarged.info.inspector["prompts_hash"]
    assert len(seen) == 12 and all(len(content) == 3 for content in seen.values())
    told = sorted(content[-1]["text"] for content in seen.values())
    for hint in hints.values():
        places = ", ".join(f"{{'bbox_2d': {list(place.rounded())}}}" for place in hint.places)
        assert any(f"{places}. It raises {'an' if hint.alarm else 'no'} alarm" in text for text in told)
    counts = sorted(len(content) - 1 for content in contents)
    assert counts == sorted(2 + 2 * len(hint.places) for hint in hints.values())


def test_a_run_is_not_resumed_with_other_hints(corpus: Corpus, runs: Path, expert: Path) -> None:
    with FaultServer() as server:
        entry = Entry(model="m", base_urls=(server.base_url,), expert=expert)
        asked(corpus, runs, entry, limit=3)
        lines = (expert / VERDICTS_FILE).read_text("utf-8").splitlines()
        record = json.loads(lines[0])
        record["verdict"] |= {"anomalous": not record["verdict"]["anomalous"]}
        with (expert / VERDICTS_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        with pytest.raises(UsageError, match=r"hints\.sha256 is"):
            asked(corpus, runs, entry, limit=3)
        assert len(server.calls) == 3


def test_a_plan_counts_hints_before_anybody_is_asked(corpus: Corpus, runs: Path, expert: Path) -> None:
    tokens = []
    with FaultServer() as server:
        plain = {"model": "m", "base_urls": (server.base_url,)}
        for more in ({}, {"expert": expert}, {"expert": expert, "hints": "crops"}):
            recipe = BenchRecipe(runs=(Entry.model_validate(plain | more),))
            [intent] = Benchmark(corpus, recipe, runs).plan()
            tokens.append(intent.plan.usage.input_tokens or 0)
        assert not server.calls
    assert tokens[0] < tokens[1] < tokens[2]


def wrong(corpus: Corpus, runs: Path) -> Iterator[tuple[Path, Corpus, str]]:
    """Runs that give no hints, the corpus that is asked about, and what is said."""
    judged(corpus, runs)
    yield runs / "patchcore-oracle", corpus, "labels of these very queries"
    yield run_of(corpus, Writer(right), runs, corpus.select(splits=["test"])).path, corpus, "not of an expert"
    yield runs / "patchcore", make_parts(runs.parent / "other", ("bolt",)), "other samples of 'made'"
    yield judged(corpus, runs.parent / "few", limit=5).path, corpus, "not been asked about 7 of the queries"


def test_runs_that_give_no_hints_are_refused_before_anybody_is_asked(
    corpus: Corpus, runs: Path, mean_detector: type[MeanDetector]
) -> None:
    with FaultServer() as server:
        for folder, asked_about, message in wrong(corpus, runs):
            entry = Entry(model="m", base_urls=(server.base_url,), expert=folder)
            with pytest.raises(UsageError, match=message):
                asked(asked_about, runs.parent / "never", entry)
        assert not server.calls
    assert not (runs.parent / "never").exists()


def test_hints_need_an_expert_and_experts_need_none() -> None:
    with pytest.raises(ValueError, match="hints need an expert"):
        Entry(model="m", hints="crops")
    with pytest.raises(ValueError, match="is told nothing"):
        Entry(model="patchcore", expert=Path("runs/padim"))
    named = Entry(model="gpt-4o", knowledge=True, expert=Path("runs/padim"), hints="crops")
    assert named.variant == "gpt-4o+knowledge+padim-crops"
    assert Entry(model="gpt-4o", name="mine", expert=Path("runs/padim")).variant == "mine"
