from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benched import NO, SMALL_VIEWS, Writer, right, run_of, yes
from builders import make_corpus
from mmrad.bench import Run
from mmrad.bench.reparse import reparse, write_reparsed
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.metrics import score
from mmrad.sample import Sample


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 6)


def _edit(run: Run, sample_id: str, **fields: object) -> Run:
    """Change what is stored of a sample, as an older mmrad might have read it."""
    path = run.path / "verdicts.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        if line["sample_id"] == sample_id:
            line["verdict"].update(fields)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return Run.load(run.path)


@pytest.mark.parametrize("space", list(CoordinateSpace))
def test_what_was_read_today_is_read_alike(corpus: Corpus, tmp_path: Path, space: CoordinateSpace) -> None:
    texts = [
        NO,
        yes(3, 8, 40, 25),
        yes(0.1, 0.2, 0.3, 0.4),
        "What?",
        "<think>cut",
        "",
        yes(900, 900, 950, 990),
    ]

    def text(sample: Sample) -> str:
        return texts[int(sample.id[-1])]

    run = run_of(corpus, Writer(text, settings=replace(SMALL_VIEWS, space=space)), tmp_path / "runs")
    found = reparse(run)
    assert found.changed == ()
    assert found.verdicts == run.verdicts


def test_what_an_older_grammar_did_not_read_is_found(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right), tmp_path / "runs")
    before = dict(run.verdicts)
    key = corpus.samples[1].id
    run = _edit(run, key, status="unparsed", anomalous=None, regions=[], think="")
    content = (run.path / "verdicts.jsonl").read_bytes()
    assert score(run.samples, run.verdicts).overall.unanswered == {"unparsed": 1}
    found = reparse(run)
    assert found.changed == (key,)
    assert found.verdicts == before
    assert score(run.samples, found.verdicts).overall.figures["iou0.5_recall"].value == 1
    assert (run.path / "verdicts.jsonl").read_bytes() == content  # nothing is written unasked


def test_written_lines_count_from_then_on_under_their_keys(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right), tmp_path / "runs")
    before = dict(run.verdicts)
    run = _edit(run, corpus.samples[1].id, status="unparsed", anomalous=None, regions=[], think="")
    write_reparsed(run, reparse(run))
    lines = [json.loads(line) for line in (run.path / "verdicts.jsonl").read_text("utf-8").splitlines()]
    assert len(lines) == 7
    [first] = [line for line in lines[:6] if line["sample_id"] == lines[6]["sample_id"]]
    assert (lines[6]["key"], lines[6]["reparsed"]) == (first["key"], True)
    again = Run.load(run.path)
    assert again.verdicts == before
    assert reparse(again).changed == ()
    asked: list[str] = []
    run_of(corpus, Writer(lambda sample: asked.append(sample.id) or NO), tmp_path / "runs")
    assert asked == []  # a later bench goes on from the written lines


def test_how_asking_ended_is_no_text(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(lambda _: NO), tmp_path / "runs")
    refused, failed, cut = (sample.id for sample in corpus.samples[:3])
    run = _edit(run, refused, status="refused", anomalous=None, raw_text="No, I cannot.")
    run = _edit(run, failed, status="failed", anomalous=None, raw_text=NO)
    run = _edit(run, cut, status="truncated", anomalous=None, raw_text="<answer>No.")
    assert reparse(run).verdicts[refused].status == "refused"
    assert reparse(run).verdicts[failed].status == "failed"
    assert reparse(run).verdicts[cut].status == "truncated"  # more might have followed


def test_a_probability_stays_and_a_confidence_is_read_anew(corpus: Corpus, tmp_path: Path) -> None:
    said = NO.replace("</answer>", "</answer><confidence>20</confidence>")
    run = run_of(corpus, Writer(lambda _: said), tmp_path / "runs")
    given, read = (sample.id for sample in corpus.samples[:2])
    run = _edit(run, given, score=0.4, score_kind="probability")
    run = _edit(run, read, score=0.9, score_kind="confidence")
    found = reparse(run).verdicts
    assert (found[given].score, found[given].score_kind) == (0.4, "probability")
    assert (found[read].score, found[read].score_kind) == (0.2, "confidence")


def test_a_query_not_asked_yet_stays_open(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right), tmp_path / "runs")
    path = run.path / "verdicts.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    assert len(reparse(Run.load(run.path)).verdicts) == 4


@pytest.mark.parametrize("lost", ["space", "max_pixels"])
def test_without_a_convention_nothing_is_guessed(corpus: Corpus, tmp_path: Path, lost: str) -> None:
    run = run_of(corpus, Writer(right), tmp_path / "runs")
    path = run.path / "run.json"
    content = json.loads(path.read_text("utf-8"))
    del content["inspector"][lost]
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(DataError, match="without --reparse"):
        reparse(Run.load(run.path))
