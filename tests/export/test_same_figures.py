"""The same answers give the same figures: by `mmrad bench`, either harness, and their files imported."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asked import (
    SETTINGS,
    SPLITS,
    docs_in,
    kit_dataset,
    load_yaml,
    misplaced,
    module_at,
    opposite,
    perfect,
)

from mmrad.bench import Run, bench
from mmrad.bench.imported import Imported, import_run
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.export.benchmark import FIGURES, figures
from mmrad.export.lmms_eval import export_lmms_eval
from mmrad.export.vlmevalkit import export_vlmevalkit
from mmrad.inspectors.base import failed_verdict, verdict_from_text
from mmrad.metrics import score
from mmrad.sample import Pair, Verdict
from taught import GOOD, PLAIN, TALL, WIDE, taught_corpus

FAILED = "made/nut/test/failed"
SILENT = "made/nut/train/silent"
REFERENCES = 2
SPACES = (CoordinateSpace.VIEW, CoordinateSpace.ORIGINAL, CoordinateSpace.THOUSAND_YX)

Answers = dict[str, str]


class Scripted:
    """Gives the verdicts that an endpoint with these answers would be given; no answer is a failure."""

    name = "scripted"

    def __init__(self, answers: Answers, space: CoordinateSpace) -> None:
        self.answers = answers
        self.settings = replace(SETTINGS, space=space)

    def key(self) -> dict[str, Any]:
        return {"inspector": "scripted", **self.settings.key()}

    def about(self) -> dict[str, Any]:
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            _, view = self.settings.ask(pair)
            text = self.answers.get(pair.sample.id)
            yield (
                index,
                (
                    failed_verdict("failed", "as scripted")
                    if text is None
                    else verdict_from_text(text, view, space=self.settings.space)
                ),
            )


def mixed(corpus: Corpus, space: CoordinateSpace) -> Answers:
    """Right and wrong answers of all kinds, and none for one sample."""
    of = {sample.id: sample for sample in corpus.samples}
    whole = perfect(corpus, of[WIDE], space)
    return {
        WIDE: whole[: whole.rindex(", {")] + "</answer>",  # the second of two places is not named
        TALL: misplaced(of[TALL]),
        PLAIN: opposite(of[PLAIN]),
        GOOD: "<think>None.\n\nNo scratch.</think>\n\n<answer>No.</answer>",
        SILENT: "",
    }


def confident(corpus: Corpus, space: CoordinateSpace) -> Answers:
    """Answers to all, each with a confidence in words."""
    return {
        sample.id: perfect(corpus, sample, space) + f"<confidence>{10 + 7 * number}</confidence>"
        for number, sample in enumerate(corpus.samples)
    }


def figures_of(run: Run) -> dict[str, float]:
    return figures(score(run.samples, run.verdicts))


def same(one: dict[str, float], other: dict[str, float]) -> bool:
    return one.keys() == other.keys() and all(
        one[name] == other[name] or (math.isnan(one[name]) and math.isnan(other[name])) for name in one
    )


def by_lmms_eval(corpus: Corpus, out: Path, answers: Answers, space: CoordinateSpace) -> dict[str, float]:
    """Figures of the task; beside the export lies the log of samples that lmms-eval writes."""
    export_lmms_eval(corpus, out, settings=SETTINGS, references=REFERENCES, splits=SPLITS)
    task = load_yaml(out / f"mmrad_{space.value}.yaml", module_at(out / "utils.py"))
    lines = []
    for number, (name, doc) in enumerate(docs_in(out).items()):
        text = answers.get(name, "[LMMS_EVAL_REQUEST_FAILED after 5 retries] Error code: 500 - No.")
        line = {
            "doc_id": number,
            "target": task["doc_to_target"](doc),
            "filtered_resps": text,
            "token_counts": [{"input_tokens": 11, "output_tokens": 7}],
            **task["process_results"](doc, [text]),
            "input": task["doc_to_text"](doc),
        }
        lines.append(json.dumps(line, ensure_ascii=False))
    (out / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    logged = [json.loads(line) for line in lines]
    return {
        one["metric"]: one["aggregation"]([line[one["metric"]] for line in logged])
        for one in task["metric_list"]
    }


def by_vlmevalkit(
    corpus: Corpus, out: Path, answers: Answers, space: CoordinateSpace, patch: pytest.MonkeyPatch
) -> dict[str, float]:
    """Figures of the dataset; beside the export lies the table of predictions that VLMEvalKit writes."""
    export_vlmevalkit(corpus, out, settings=SETTINGS, references=REFERENCES, splits=SPLITS)
    made = kit_dataset(out, patch)(coordinates=space.value)
    failure = "Failed to obtain answer via API. "
    made.data["prediction"] = [answers.get(name, failure) for name in made.data["sample_id"]]
    made.data.to_csv(out / "predictions.tsv", sep="\t", index=False)
    found: dict[str, float] = made.evaluate(str(out / "predictions.tsv"))
    return found


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("kind", [mixed, confident])
def test_bench_both_harnesses_and_their_imported_files_agree(
    corpus: Corpus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Callable[[Corpus, CoordinateSpace], Answers],
    space: CoordinateSpace,
) -> None:
    answers, runs = kind(corpus, space), tmp_path / "runs"
    run = bench(corpus, corpus.samples, Scripted(answers, space), runs, references=REFERENCES)
    lmms, kit = tmp_path / "lmms", tmp_path / "kit"
    wanted = figures_of(run)
    assert set(wanted) == set(FIGURES)
    assert math.isnan(wanted["auroc"]) == (kind is mixed)
    assert same(by_lmms_eval(corpus, lmms, answers, space), wanted)
    assert same(by_vlmevalkit(corpus, kit, answers, space, monkeypatch), wanted)
    for name, file in (("lmms", lmms / "samples.jsonl"), ("kit", kit / "predictions.tsv")):
        imported = import_run(corpus, corpus.samples, file, runs, name=name)
        assert same(figures_of(imported.run), wanted)
        assert imported.run.info.references == REFERENCES
        told = {
            sample_id: (verdict.status, verdict.anomalous, verdict.regions, verdict.score)
            for sample_id, verdict in run.verdicts.items()
        }
        assert told == {
            sample_id: (verdict.status, verdict.anomalous, verdict.regions, verdict.score)
            for sample_id, verdict in Run.load(imported.run.path).verdicts.items()
        }


def test_the_compared_figures_are_neither_all_right_nor_all_wrong(corpus: Corpus, tmp_path: Path) -> None:
    space = CoordinateSpace.VIEW
    run = bench(corpus, corpus.samples, Scripted(mixed(corpus, space), space), tmp_path, references=1)
    found = figures_of(run)
    assert found["accuracy"] == pytest.approx(3 / 6)
    assert found["recall"] == 1
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["iou0.1_recall"] == pytest.approx(1 / 3)
    assert found["unanswered"] == pytest.approx(2 / 6)


def imported_from(corpus: Corpus, out: Path, answers: Answers, patch: pytest.MonkeyPatch) -> Imported:
    by_vlmevalkit(corpus, out, answers, CoordinateSpace.THOUSAND, patch)
    return import_run(corpus, corpus.samples, out / "predictions.tsv", out / "runs", name="qwen")


def test_a_run_says_whence_it_came(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = imported_from(corpus, tmp_path / "kit", mixed(corpus, CoordinateSpace.THOUSAND), monkeypatch).run
    inspector = run.info.inspector
    assert len(inspector.pop("file_sha256")) == 64
    assert inspector == {
        "inspector": "imported",
        "harness": "vlmevalkit",
        "space": "thousand",
        "prompts_hash": SETTINGS.prompts.hash,
        "min_pixels": SETTINGS.budget.min_pixels,
        "max_pixels": SETTINGS.budget.max_pixels,
    }


def test_failures_of_a_harness_are_failed_and_empty_cells_empty(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = imported_from(corpus, tmp_path / "kit", mixed(corpus, CoordinateSpace.THOUSAND), monkeypatch)
    assert found.run.verdicts[FAILED].status == "failed"
    assert found.run.verdicts[SILENT].status == "empty"
    assert dict(found.unanswered) == {"failed": 1, "empty": 1}


@pytest.mark.parametrize("ending", ["xlsx", "csv", "json", "jsonl"])
def test_every_kind_of_file_of_vlmevalkit_gives_the_same_run(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    found = imported_from(corpus, tmp_path / "kit", mixed(corpus, CoordinateSpace.THOUSAND), monkeypatch)
    table = pd.read_csv(tmp_path / "kit" / "predictions.tsv", sep="\t")
    file = tmp_path / f"predictions.{ending}"
    match ending:
        case "xlsx":
            table.to_excel(file, index=False)
        case "csv":
            table.to_csv(file, index=False)
        case _:
            table.to_json(file, orient="records", lines=ending == "jsonl")
    again = import_run(corpus, corpus.samples, file, tmp_path / "runs", name="again")
    assert again.run.verdicts == found.run.verdicts


def test_reasoning_in_a_column_of_its_own_is_put_before_the_answer(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_vlmevalkit(corpus, tmp_path / "kit", {}, CoordinateSpace.THOUSAND, monkeypatch)
    table = pd.read_csv(tmp_path / "kit" / "predictions.tsv", sep="\t").assign(
        prediction="<answer>No.</answer>", thinking="I look."
    )
    table.to_csv(tmp_path / "split.csv", index=False)
    run = import_run(corpus, corpus.samples, tmp_path / "split.csv", tmp_path, name="split").run
    assert {(verdict.think, verdict.anomalous) for verdict in run.verdicts.values()} == {("I look.", False)}


def test_what_lmms_eval_counts_of_tokens_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    space = CoordinateSpace.VIEW
    by_lmms_eval(corpus, tmp_path / "lmms", mixed(corpus, space), space)
    file = tmp_path / "lmms" / "samples.jsonl"
    run = import_run(corpus, corpus.samples, file, tmp_path / "runs", name="m").run
    usage = run.verdicts[WIDE].usage
    assert (usage.input_tokens, usage.output_tokens) == (11, 7)


def test_the_answer_is_taken_as_the_model_wrote_it_before_filters(corpus: Corpus, tmp_path: Path) -> None:
    space = CoordinateSpace.VIEW
    by_lmms_eval(corpus, tmp_path / "lmms", mixed(corpus, space), space)
    lines = [
        json.loads(line) for line in (tmp_path / "lmms" / "samples.jsonl").read_text("utf-8").splitlines()
    ]
    for line in lines:
        line |= {"resps": ["<think>Why?</think>No."], "filtered_resps": "No."}
    file = tmp_path / "filtered.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run = import_run(corpus, corpus.samples, file, tmp_path / "runs", name="m").run
    assert {verdict.think for verdict in run.verdicts.values()} == {"Why?"}
    lines[0]["resps"] = ["No.", "Yes."]
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with pytest.raises(DataError, match=r"filtered\.jsonl, row 1: not a prediction of lmms-eval"):
        import_run(corpus, corpus.samples, file, tmp_path / "others", name="m")


def test_a_convention_other_than_the_asked_one_is_refused(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_vlmevalkit(corpus, tmp_path / "kit", {}, CoordinateSpace.THOUSAND, monkeypatch)
    file = tmp_path / "kit" / "predictions.tsv"
    with pytest.raises(UsageError, match="space is thousand and view at once"):
        import_run(corpus, corpus.samples, file, tmp_path, name="m", space=CoordinateSpace.VIEW)


def test_predictions_about_other_images_are_refused(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_vlmevalkit(corpus, tmp_path / "kit", {}, CoordinateSpace.THOUSAND, monkeypatch)
    other = [replace(sample, size_wh=(7, 9)) for sample in corpus.samples]
    with pytest.raises(
        DataError, match=r"was asked on an image of \(\d+, \d+\), in the corpus it has \(7, 9\)"
    ):
        import_run(corpus, other, tmp_path / "kit" / "predictions.tsv", tmp_path, name="m")
