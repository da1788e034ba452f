from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from builders import make_corpus
from mmrad.bench import Progress, Run, bench
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.inspectors import failed_verdict
from mmrad.sample import Pair, Region, Status, Verdict


class Scripted:
    """Answers each pair by a function of it, the last pair first, and remembers whom it was asked about."""

    def __init__(
        self, answer: Callable[[Pair], Verdict] | None = None, *, name: str = "lab/scripted", **key: Any
    ) -> None:
        self.name = name
        self.asked: list[str] = []
        self._answer = answer or yes
        self._key = key
        self.closed = False

    def about(self) -> dict[str, Any]:
        return {}

    def key(self) -> dict[str, Any]:
        return {"inspector": "scripted", "sizes": (1, 2), **self._key}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        try:
            for index in reversed(range(len(pairs))):
                self.asked.append(pairs[index].sample.id[-3:])
                yield index, self._answer(pairs[index])
        finally:
            self.closed = True


def yes(pair: Pair) -> Verdict:
    return Verdict(True, (Region(Box(1, 2, 30, 40), "dent"),), "seen", f"Yes {pair.sample.id}", 0.9, "ok")


def status_of(statuses: dict[str, Status]) -> Callable[[Pair], Verdict]:
    def answer(pair: Pair) -> Verdict:
        status = statuses.get(pair.sample.id[-3:], "ok")
        return yes(pair) if status == "ok" else failed_verdict(status, "as scripted")

    return answer


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 4)


def lines(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "verdicts.jsonl").read_text("utf-8").splitlines()]


def test_a_run_is_read_back_as_it_was_given(corpus: Corpus, tmp_path: Path) -> None:
    made = bench(corpus, corpus.samples, Scripted(), tmp_path / "runs")
    run = Run.load(made.path)
    assert run.path == tmp_path / "runs" / "lab_scripted"
    assert run.info.name == "lab/scripted"
    assert run.info.reference_method == "random"
    assert run.samples == corpus.samples
    assert run.verdicts == {sample.id: yes(Pair(sample, Path())) for sample in corpus.samples}
    assert list(run.verdicts) == [sample.id for sample in corpus.samples]
    assert run.corpus.path == corpus.path


def test_nothing_answered_is_asked_again(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples, Scripted(), tmp_path)
    again = Scripted()
    run = bench(corpus, corpus.samples, again, tmp_path)
    assert again.asked == []
    assert len(lines(run)) == len(run.verdicts) == 4


def test_only_what_is_no_final_answer_is_asked_again(corpus: Corpus, tmp_path: Path) -> None:
    first: dict[str, Status] = {"000": "failed", "001": "unparsed", "002": "wrong_model", "003": "empty"}
    bench(corpus, corpus.samples, Scripted(status_of(first)), tmp_path)
    again = Scripted()
    run = bench(corpus, corpus.samples, again, tmp_path)
    assert sorted(again.asked) == ["000", "002", "003"]
    statuses = {key[-3:]: verdict.status for key, verdict in run.verdicts.items()}
    assert statuses == {"000": "ok", "001": "unparsed", "002": "ok", "003": "ok"}


@pytest.mark.parametrize("status", ["unparsed", "refused", "truncated"])
def test_final_answers_without_a_judgement_stand(corpus: Corpus, tmp_path: Path, status: Status) -> None:
    bench(corpus, corpus.samples[:1], Scripted(status_of({"000": status})), tmp_path)
    again = Scripted()
    run = bench(corpus, corpus.samples[:1], again, tmp_path)
    assert again.asked == []
    assert run.verdicts["made/part/test/000"].status == status


def test_more_samples_are_added_and_fewer_hide_the_rest(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples[:2], Scripted(), tmp_path)
    more = Scripted()
    assert len(bench(corpus, corpus.samples, more, tmp_path).verdicts) == 4
    assert sorted(more.asked) == ["002", "003"]
    assert len(bench(corpus, corpus.samples[:1], Scripted(), tmp_path).verdicts) == 1
    back = Scripted()
    bench(corpus, corpus.samples, back, tmp_path)
    assert back.asked == []


@pytest.mark.parametrize(
    ("inspector", "references", "said"),
    [
        (Scripted(temperature=1.0), 1, "inspector.temperature is None there and 1.0 now"),
        (Scripted(name="lab:scripted"), 1, "name is 'lab/scripted' there"),
        (Scripted(), 0, "references is 1 there and 0 now"),
    ],
)
def test_another_way_of_asking_never_mixes(
    corpus: Corpus, tmp_path: Path, inspector: Scripted, references: int, said: str
) -> None:
    bench(corpus, corpus.samples, Scripted(), tmp_path)
    before = (tmp_path / "lab_scripted" / "run.json").read_bytes()
    with pytest.raises(UsageError, match="choose another --out") as error:
        bench(corpus, corpus.samples, inspector, tmp_path, references=references)
    assert said in str(error.value)
    assert inspector.asked == []
    assert (tmp_path / "lab_scripted" / "run.json").read_bytes() == before


def test_other_references_never_mix(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples, Scripted(), tmp_path)
    corpus.write_references(Reference(sample.id, 0, "000.png", "random", 0.0) for sample in corpus.samples)
    with pytest.raises(UsageError, match="references_sha256"):
        bench(corpus, corpus.samples, Scripted(), tmp_path)


def test_a_changed_image_never_mixes(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples, Scripted(), tmp_path)
    shutil.copy(corpus.resolve("made", "001.png"), corpus.resolve("made", "002.png"))
    with pytest.raises(UsageError, match=r"test/002, but .*002\.png or a reference of it has changed"):
        bench(corpus, corpus.samples, Scripted(), tmp_path)


def test_another_corpus_never_mixes(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples, Scripted(), tmp_path / "runs")
    other = make_corpus(tmp_path / "other", 5)
    with pytest.raises(UsageError, match=r"corpus_sha256\.made"):
        bench(other, other.samples, Scripted(), tmp_path / "runs")


def test_interruption_keeps_what_was_done_and_closes_the_inspector(corpus: Corpus, tmp_path: Path) -> None:
    inspector = Scripted()

    def interrupt(state: Progress) -> None:
        if state.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bench(corpus, corpus.samples, inspector, tmp_path, progress=interrupt)
    assert inspector.closed
    assert len(Run.load(tmp_path / "lab_scripted").verdicts) == 2
    again = Scripted()
    bench(corpus, corpus.samples, again, tmp_path)
    assert sorted(again.asked) == ["000", "001"]


def test_an_inspector_that_dies_keeps_what_was_done(corpus: Corpus, tmp_path: Path) -> None:
    def die(pair: Pair) -> Verdict:
        if pair.sample.id.endswith("001"):
            raise ProviderError("gone")
        return yes(pair)

    with pytest.raises(ProviderError):
        bench(corpus, corpus.samples, Scripted(die), tmp_path)
    assert len(Run.load(tmp_path / "lab_scripted").verdicts) == 2


def test_a_pair_the_inspector_forgot_is_a_failure_and_no_answer(corpus: Corpus, tmp_path: Path) -> None:
    class Forgetful(Scripted):
        def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
            return (found for found in super().inspect(pairs) if found[0] != 1)

    run = bench(corpus, corpus.samples, Forgetful(), tmp_path)
    assert run.verdicts["made/part/test/001"].status == "failed"
    assert len(run.verdicts) == 4


def test_the_last_of_several_lines_wins_and_a_torn_one_is_none(corpus: Corpus, tmp_path: Path) -> None:
    run = bench(corpus, corpus.samples[:1], Scripted(), tmp_path)
    path = run.path / "verdicts.jsonl"
    line = json.loads(path.read_text("utf-8"))
    line["verdict"]["think"] = "later"
    path.write_text(path.read_text("utf-8") + json.dumps(line) + "\n" + json.dumps(line)[:40], "utf-8")
    assert [verdict.think for verdict in Run.load(run.path).verdicts.values()] == ["later"]


def test_progress_counts_what_was_kept(corpus: Corpus, tmp_path: Path) -> None:
    bench(corpus, corpus.samples[:2], Scripted(status_of({"000": "refused"})), tmp_path)
    told: list[Progress] = []
    bench(corpus, corpus.samples, Scripted(), tmp_path, progress=told.append)
    refused = Counter(refused=1)
    assert told == [Progress("lab/scripted", 4, done, refused) for done in (2, 3, 4)]


def test_run_and_corpus_move_together(corpus: Corpus, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.move(corpus.path, home / "corpus")
    moved = Corpus(home / "corpus")
    bench(moved, moved.samples, Scripted(), home / "runs")
    shutil.move(home, tmp_path / "elsewhere")
    assert len(Run.load(tmp_path / "elsewhere" / "runs" / "lab_scripted").samples) == 4


def test_a_lost_corpus_is_said_with_the_remedy(corpus: Corpus, tmp_path: Path) -> None:
    run = bench(corpus, corpus.samples, Scripted(), tmp_path)
    shutil.rmtree(corpus.path)
    with pytest.raises(DataError, match=r'if it has moved, set "corpus" in .*run\.json'):
        _ = Run.load(run.path).samples


def test_a_changed_corpus_is_not_scored_against(corpus: Corpus, tmp_path: Path) -> None:
    run = bench(corpus, corpus.samples, Scripted(), tmp_path)
    make_corpus(corpus.path, 5)
    with pytest.raises(DataError, match="has other samples of 'made'"):
        _ = Run.load(run.path).samples


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"schema_version": 2}', "newer than this mmrad"),
        ('{"schema_version": 1, "name": "x"}', "not a run's description"),
        ("[]", "not a run's description"),
        ("{", "unreadable"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "run.json").write_text(content, "utf-8")
    with pytest.raises(DataError, match=said):
        Run.load(tmp_path)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run"):
        Run.load(tmp_path)


@pytest.mark.parametrize("line", ["{}", '{"sample_id": "a", "key": "k", "verdict": {}}', "no json"])
def test_a_damaged_line_is_named(corpus: Corpus, tmp_path: Path, line: str) -> None:
    run = bench(corpus, corpus.samples, Scripted(), tmp_path)
    with (run.path / "verdicts.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match="line 5"):
        _ = Run.load(run.path).verdicts


def test_verdicts_without_a_description_are_not_overwritten(corpus: Corpus, tmp_path: Path) -> None:
    run = bench(corpus, corpus.samples, Scripted(), tmp_path)
    (run.path / "run.json").unlink()
    with pytest.raises(UsageError, match=r"no run\.json"):
        bench(corpus, corpus.samples, Scripted(), tmp_path)


def test_no_samples_is_wrong_usage(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no samples"):
        bench(corpus, [], Scripted(), tmp_path)
    with pytest.raises(UsageError, match="twice"):
        bench(corpus, corpus.samples[:1] * 2, Scripted(), tmp_path)
