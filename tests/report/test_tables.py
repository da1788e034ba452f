from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benched import NO, SMALL_VIEWS, Writer, right, run_of, yes
from builders import make_corpus
from mmrad.bench import Run
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.errors import UsageError
from mmrad.metrics import score
from mmrad.report.comparable import check_comparable
from mmrad.report.tables import Cell, Table, breakdown, comparison, details, leaderboard
from mmrad.sample import Sample


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "corpus", 20)


def _careless(sample: Sample) -> str:
    """Misses every fifth query."""
    return NO if sample.id[-1] in "38" else right(sample)


def _cells(table: Table, row: int) -> dict[str, Cell]:
    keys = [column.key for column in table.columns]
    return dict(zip(keys, table.rows[row].cells, strict=True))


def _as_visa(tmp_path: Path, name: str = "boards", *, licence: str = "CC BY 4.0") -> Corpus:
    """The corpus again as a source of another name that the adapter of VisA reads."""
    made = make_corpus(tmp_path / "visa", 8)
    samples = [replace(s, id=s.id.replace("made/", f"{name}/"), source=name) for s in made.samples]
    corpus = write_corpus(made.path, {name: SourceInfo(adapter="visa", root="raw", licence=licence)}, samples)
    corpus.write_references(Reference(s.id, 0, "good.png", "random", 0.0) for s in samples)
    return corpus


def test_the_leaderboard_has_the_scores_and_how_was_asked(corpus: Corpus, tmp_path: Path) -> None:
    runs = [run_of(corpus, Writer(text, name), tmp_path) for text, name in ((right, "r"), (_careless, "c"))]
    table = leaderboard(runs)
    assert [(row.section, row.cells[0].value) for row in table.rows] == [("made", "r"), ("made", "c")]
    figures = score(runs[1].samples, runs[1].verdicts).overall.figures
    cells = _cells(table, 1)
    assert cells["det_recall"].value == figures["recall"].value == pytest.approx(0.8)
    assert cells["det_recall"].low == figures["recall"].low
    assert cells["loc_accuracy"].value == figures["iou0.1_accuracy"].value
    assert (cells["reference"].value, cells["knowledge"].value, cells["reasoning"].value) == (
        "1 random", "no", "yes",
    )  # fmt: skip
    assert (cells["queries"].value, cells["unanswered"].value, cells["seeds"].value) == (20, 0, "0")
    assert _cells(table, 0)["det_recall"].best and not cells["det_recall"].best
    assert cells["prompts"].value == SMALL_VIEWS.prompts.hash
    assert any(f"prompts {SMALL_VIEWS.prompts.hash[:8]}" in note for note in table.notes)


def test_variants_are_told_apart(corpus: Corpus, tmp_path: Path) -> None:
    settings = replace(SMALL_VIEWS, reasoning=False, domain_knowledge={"part": ("scratch",)}, seed=7)
    run = run_of(corpus, Writer(right, settings=settings), tmp_path)
    cells = _cells(leaderboard([run]), 0)
    assert (cells["knowledge"].value, cells["reasoning"].value, cells["seeds"].value) == ("yes", "no", "7")


def test_another_iou(corpus: Corpus, tmp_path: Path) -> None:
    # An IoU of a third with the truth, (6.67, 10, 26.67, 25) in pixels of the view.
    run = run_of(corpus, Writer(lambda s: yes(16.67, 10, 36.67, 25) if s.regions else NO), tmp_path)
    found = [_cells(leaderboard([run], iou=iou), 0)["loc_recall"].value for iou in (0.1, 0.3, 0.5)]
    assert found == [1, 1, 0]


def test_unanswered_queries_are_counted(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(lambda s: "hmm" if s.id[-1] == "4" else right(s)), tmp_path)
    assert _cells(leaderboard([run]), 0)["unanswered"].value == 2


def test_repeats_are_one_row_with_their_spread(corpus: Corpus, tmp_path: Path) -> None:
    runs = [
        run_of(
            corpus,
            Writer(
                text,
                name,
                settings=replace(SMALL_VIEWS, seed=seed),
                about={"variant_of": "m", "repeat": seed},
            ),
            tmp_path,
        )
        for seed, (text, name) in enumerate(((right, "m"), (_careless, "m#2")), 1)
    ]
    for by_category in (False, True):
        table = leaderboard(runs, by_category=by_category)
        assert len(table.rows) == 1
        cells = _cells(table, 0)
        assert (cells["model"].value, cells["seeds"].value) == ("m", "1, 2")
        assert cells["det_recall"].value == pytest.approx(0.9)
        assert cells["det_recall"].sd == pytest.approx(0.2 / 2**0.5)
        assert cells["det_recall"].low is None
    assert any("standard deviation" in note for note in table.notes)


def test_products_made_up_in_a_layout_are_not_the_dataset(tmp_path: Path) -> None:
    run = run_of(_as_visa(tmp_path, licence="CC0-1.0"), Writer(_careless), tmp_path)
    assert leaderboard([run], published=True).rows == leaderboard([run]).rows


def test_published_rows_stand_beside_runs_and_enter_nothing(tmp_path: Path) -> None:
    run = run_of(_as_visa(tmp_path), Writer(_careless), tmp_path)
    alone, beside = leaderboard([run]), leaderboard([run], published=True)
    assert beside.rows[0] == alone.rows[0]
    published = [row for row in beside.rows if row.published]
    assert len(beside.rows) == 1 + len(published) == 22
    assert {row.section for row in published} == {"boards"}
    accuracy = [column.key for column in beside.columns].index("det_accuracy")
    values = {row.cells[0].value: row.cells[accuracy].value for row in published}
    assert values["GPT-4o"] == pytest.approx(0.576)
    best = [row.cells[0].value for row in published if row.cells[accuracy].best]
    assert best == ["Anomaly-R1-7B†"]  # experts trained on the dataset are out of competition
    assert any("not measured here" in note for note in beside.notes)


def test_published_rows_are_of_their_datasets_and_at_their_iou(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right), tmp_path)
    assert not any(row.published for row in leaderboard([run], published=True).rows)
    visa = run_of(_as_visa(tmp_path), Writer(right, "v"), tmp_path)
    for more in ({"iou": 0.3}, {"by_category": True}):
        table = leaderboard([visa], published=True, **more)  # type: ignore[arg-type]
        assert not any(row.published for row in table.rows)


def test_a_run_has_no_row_for_a_source_it_was_not_asked_of(corpus: Corpus, tmp_path: Path) -> None:
    runs = [
        run_of(corpus, Writer(right, "a"), tmp_path),
        run_of(_as_visa(tmp_path), Writer(right, "b"), tmp_path),
    ]
    rows = leaderboard(runs).rows
    assert [(row.section, row.cells[0].value) for row in rows] == [("made", "a"), ("boards", "b")]


def test_recall_by_size_and_type(corpus: Corpus, tmp_path: Path) -> None:
    runs = [run_of(corpus, Writer(text, name), tmp_path) for text, name in ((right, "r"), (_careless, "c"))]
    for by, section in (("size", "10 % and more"), ("type", "scratch")):
        table = breakdown(runs, by)
        assert [(row.section, row.cells[0].value) for row in table.rows] == [(section, "r"), (section, "c")]
        cells = _cells(table, 1)
        assert (cells["places"].value, cells["categories"].value) == (10, 1)
        assert cells["iou0.5_recall"].value == pytest.approx(0.8)


def test_details_of_runs(corpus: Corpus, tmp_path: Path) -> None:
    said = [f"</answer><confidence>{confidence}</confidence>" for confidence in (90, 10)]
    run = run_of(
        corpus,
        Writer(
            lambda s: right(s).replace("</answer>", said[not s.regions]),
            about={"price": {"input": 1.0, "output": 10.0}},
        ),
        tmp_path,
    )
    cells = _cells(details([run]), 0)
    assert (cells["score_kind"].value, cells["auroc"].value) == ("confidence", 1)
    assert cells["brier"].value == pytest.approx(0.01)
    assert cells["ece"].value == pytest.approx(0.1)
    assert (cells["boxes_named"].value, cells["verdict_agrees"].value) == (1, 1)
    assert cells["dollars"].value == pytest.approx(20 * 2e-4)
    assert (cells["input_tokens"].value, cells["seconds"].value) == (2000, 2.0)


def test_differences_from_a_run(corpus: Corpus, tmp_path: Path) -> None:
    runs = [
        run_of(corpus, Writer(text, name), tmp_path)
        for text, name in ((right, "r"), (_careless, "c"), (lambda _: NO, "n"))
    ]
    table = comparison(runs, runs[0])
    assert [row.section for row in table.rows[::6]] == ["c", "n"]
    cells = _cells(table, 7)
    assert cells["figure"].value == "Det. recall"
    assert cells["difference"].value == -1
    p, adjusted = cells["p"].value, cells["p_adjusted"].value
    assert isinstance(p, float) and isinstance(adjusted, float)
    assert p < 0.01 and adjusted == pytest.approx(2 * p)
    assert any("2 comparisons" in note for note in table.notes)


def test_a_run_is_not_compared_with_itself_alone(corpus: Corpus, tmp_path: Path) -> None:
    run = run_of(corpus, Writer(right), tmp_path)
    with pytest.raises(UsageError, match="no other run"):
        comparison([run], Run.load(run.path))


def test_runs_on_other_queries_are_refused_and_named(corpus: Corpus, tmp_path: Path) -> None:
    runs = [
        run_of(corpus, Writer(right, "all"), tmp_path),
        run_of(corpus, Writer(right, "few"), tmp_path, corpus.samples[:6]),
    ]
    for table in (leaderboard, details, lambda runs: breakdown(runs, "size"), lambda r: comparison(r, r[0])):
        with pytest.raises(UsageError, match=r"'all' \(\w{8}\) and 'few' \(\w{8}\).*'made'.*--mixed"):
            table(runs)
    table = leaderboard(runs, mixed=True)
    assert "Not comparable: 'all'" in table.notes[0]
    shown = [column.key for column in table.columns if not column.hidden]
    assert {"task", "prompts"} <= set(shown)
    assert len({row.cells[-3].value for row in table.rows}) == 2


def test_runs_with_other_prompts_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    runs = [run_of(corpus, Writer(right, "a"), tmp_path), run_of(corpus, Writer(right, "b"), tmp_path)]
    path = runs[1].path / "run.json"
    content = json.loads(path.read_text("utf-8"))
    content["inspector"]["prompts_hash"] = "0" * 12
    path.write_text(json.dumps(content), "utf-8")
    runs[1] = Run.load(runs[1].path)
    with pytest.raises(UsageError, match=r"different prompts.*same --prompts"):
        check_comparable(runs)
    assert len(check_comparable(runs, mixed=True)) == 1
    del content["inspector"]["prompts_hash"]  # an expert is asked nothing in words
    path.write_text(json.dumps(content), "utf-8")
    assert check_comparable([runs[0], Run.load(runs[1].path)]) == []


def test_a_truth_that_has_changed_is_another_task(tmp_path: Path) -> None:
    runs = []
    for name, samples in (("a", 8), ("b", 8)):
        corpus = make_corpus(tmp_path / name, samples)
        if name == "b":
            first = replace(corpus.samples[1], size_wh=(85, 56))
            info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
            corpus = write_corpus(
                corpus.path, {"made": info}, [first, *corpus.samples[:1], *corpus.samples[2:]]
            )
            corpus.write_references(Reference(s.id, 0, "good.png", "random", 0.0) for s in corpus.samples)
        runs.append(run_of(corpus, Writer(right, name), tmp_path / "runs"))
    with pytest.raises(UsageError, match="its truth has changed"):
        leaderboard(runs)


def test_no_runs_make_no_table() -> None:
    with pytest.raises(UsageError, match="no run"):
        leaderboard([])
