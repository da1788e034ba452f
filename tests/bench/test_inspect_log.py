"""A run as a log of inspect-ai, read back by inspect-ai itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer import Typer
from typer.testing import CliRunner

from mmrad.bench import Run, bench
from mmrad.bench.inspect_log import write_inspect_log
from mmrad.box import Box
from mmrad.cli.log import log as log_command
from mmrad.corpus import Corpus
from mmrad.errors import MissingExtraError, UsageError
from mmrad.inspectors.base import failed_verdict
from mmrad.metrics import score
from mmrad.sample import Pair, Region, Usage, Verdict
from taught import GOOD, PLAIN, TALL, WIDE, taught_corpus

inspect_log = pytest.importorskip("inspect_ai.log")

FAILED, SILENT = "made/nut/test/failed", "made/nut/train/silent"
TEXT = "<think>There.</think><answer>Yes. {'bbox_2d': [20, 11, 98, 26], 'label': 'bent pin'}</answer>"

VERDICTS = {
    WIDE: Verdict(
        True,
        (Region(Box(40, 30, 200, 70), "bent pin"), Region(Box(1, 1, 5, 5), "dirt")),
        "There.",
        TEXT,
        0.9,
        "ok",
        usage=Usage(100, 20, 1.5),
        model_reported="m-2026-01-01",
        score_kind="probability",
    ),
    TALL: Verdict(False, (), "", "No.", None, "ok", usage=Usage(10, 2, 0.5)),
    PLAIN: failed_verdict("unparsed", "neither Yes nor No can be read", raw_text="Hm."),
    GOOD: Verdict(False, (), "", "No.", None, "ok"),
    FAILED: failed_verdict("failed", "HTTP 500"),
    SILENT: failed_verdict("empty", "the answer has no text"),
}


class Scripted:
    name = "scripted"

    def key(self) -> dict[str, Any]:
        return {"inspector": "scripted", "model": "m", "prompts_hash": "abc"}

    def about(self) -> dict[str, Any]:
        return {"title": "M"}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            yield index, VERDICTS[pair.sample.id]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


@pytest.fixture
def run(corpus: Corpus, tmp_path: Path) -> Run:
    return Run.load(bench(corpus, corpus.samples, Scripted(), tmp_path / "runs").path)


@pytest.mark.parametrize("ending", ["eval", "json"])
def test_inspect_reads_samples_scores_usage_and_errors(run: Run, tmp_path: Path, ending: str) -> None:
    out = write_inspect_log(run, tmp_path / f"log.{ending}")
    log = inspect_log.read_eval_log(str(out))
    assert (log.status, log.eval.task, log.eval.model) == ("success", "mmrad", "m")
    assert log.eval.metadata["inspector"] == Scripted().key()
    assert log.eval.dataset.sample_ids == run.info.sample_ids
    samples = {sample.id: sample for sample in log.samples}
    assert set(samples) == set(VERDICTS)

    wide = samples[WIDE]
    assert wide.output.completion == TEXT
    assert wide.output.model == "m-2026-01-01"
    assert "'bbox_2d': [40, 30, 200, 70], 'label': 'bent pin'" in wide.target
    assert wide.scores["detection"].value == "C"
    assert wide.scores["iou0.1"].value == {"matched": 1, "false": 1, "missed": 1}
    assert wide.metadata["verdict"]["regions"][0]["box"] == [40, 30, 200, 70]
    assert (wide.model_usage["m"].input_tokens, wide.model_usage["m"].output_tokens) == (100, 20)
    assert wide.total_time == 1.5

    assert samples[TALL].scores["detection"].value == "I"
    assert samples[TALL].scores["iou0.1"].value == {"matched": 0, "false": 0, "missed": 1}
    assert samples[GOOD].target == "No."
    assert samples[GOOD].scores["detection"].value == "C"
    for name, reason in ((PLAIN, "invalid_response_format"), (SILENT, "no_response")):
        told = samples[name].scores["detection"]
        assert (told.value, told.answer, told.reason) == ("N", None, reason)
    assert samples[FAILED].error.message == "failed: HTTP 500"
    assert samples[FAILED].scores is None
    assert log.stats.model_usage["m"].total_tokens == 132


def test_the_figures_of_the_log_are_those_of_the_run(run: Run, tmp_path: Path) -> None:
    log = inspect_log.read_eval_log(str(write_inspect_log(run, tmp_path / "a.eval")))
    overall = score(run.samples, run.verdicts).overall
    found = {
        one.name: {name: metric.value for name, metric in one.metrics.items()} for one in log.results.scores
    }
    wanted = ("accuracy", "recall", "precision")
    assert found["detection"] == {name: overall.figures[name].value for name in wanted}
    assert found["iou0.1"] == {name: overall.figures[f"iou0.1_{name}"].value for name in wanted}
    assert (log.results.total_samples, log.results.completed_samples) == (6, 5)


def test_names_of_the_images_or_the_images_themselves_are_the_input(run: Run, tmp_path: Path) -> None:
    for images in (False, True):
        out = write_inspect_log(run, tmp_path / f"{images}.json", images=images)
        log = inspect_log.read_eval_log(str(out), resolve_attachments=True)
        (asked,) = next(sample for sample in log.samples if sample.id == TALL).input
        shown = [part for part in asked.content if part.type == "image"]
        text = "\n".join(part.text for part in asked.content if part.type == "text")
        assert text == "reference good.png\nquery tall.jpg"
        assert len(shown) == (2 if images else 0)
        assert all(part.image.startswith("data:image/png;base64,") for part in shown)


def test_nothing_in_a_log_names_the_machine(run: Run, tmp_path: Path) -> None:
    out = write_inspect_log(run, tmp_path / "a.json", images=True)
    assert str(tmp_path).encode() not in out.read_bytes()


def test_a_run_that_is_not_done_is_no_success(corpus: Corpus, run: Run, tmp_path: Path) -> None:
    lines = (run.path / "verdicts.jsonl").read_bytes().splitlines(keepends=True)
    (run.path / "verdicts.jsonl").write_bytes(b"".join(lines[:4]))
    log = inspect_log.read_eval_log(str(write_inspect_log(Run.load(run.path), tmp_path / "a.eval")))
    assert (log.status, len(log.samples), log.results.total_samples) == ("cancelled", 4, 6)


def test_another_ending_is_refused(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends in \.eval or \.json"):
        write_inspect_log(run, tmp_path / "a.log")


def test_without_inspect_it_says_what_to_install(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(MissingExtraError, match=r"mmrad\[providers\]"):
        write_inspect_log(run, tmp_path / "a.eval")


def test_the_command_writes_the_file(run: Run, tmp_path: Path) -> None:
    app = Typer()
    app.command()(log_command)
    out = tmp_path / "logs" / "a.eval"
    done = CliRunner().invoke(app, [str(run.path), "--to", "inspect", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert len(inspect_log.list_eval_logs(str(out.parent))) == 1
    assert {path.name for path in out.parent.iterdir()} == {"a.eval"}
