"""`kill -9` and Ctrl-C of a real `mmrad bench` cost only the answers under way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from builders import make_corpus
from mmrad.bench import Run
from mmrad.corpus import Corpus
from servers import NO, FaultServer, after, hangs, says

SAMPLES, CONCURRENCY, KILLS = 150, 3, 5


def start(corpus: Corpus, out: Path, server: FaultServer) -> subprocess.Popen[str]:
    arguments = ["bench", corpus.path, "--model", "m", "--base-url", server.base_url, "--out", out,
                 "--concurrency", CONCURRENCY]  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "mmrad.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENAI_API_KEY": "none"},
    )


def wait_for_calls(server: FaultServer, count: int, process: subprocess.Popen[str]) -> None:
    """Wait until that many requests have come; a process that sends none says why."""
    try:
        server.wait_for_calls(count)
    except AssertionError:
        process.kill()
        pytest.fail(f"{len(server.calls)} requests of {count}: {process.communicate()[1]}")


def test_a_killed_command_goes_on_and_repeats_only_what_was_in_flight(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", SAMPLES)
    out = tmp_path / "runs"
    moments = random.Random(11)
    with FaultServer(default=after(0.01, says(NO))) as server:
        for _ in range(KILLS):
            process = start(corpus, out, server)
            wait_for_calls(server, len(server.calls) + moments.randrange(1, 28), process)
            process.kill()
            process.communicate()
        process = start(corpus, out, server)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        asked = Counter(call.query for call in server.calls)

    run = Run.load(out / "m")
    assert list(run.verdicts) == [sample.id for sample in corpus.samples]
    assert {verdict.status for verdict in run.verdicts.values()} == {"ok"}
    lines = [json.loads(line) for line in (run.path / "verdicts.jsonl").read_bytes().splitlines()]
    assert len({line["sample_id"] for line in lines}) == len(lines) == SAMPLES
    assert len(asked) == SAMPLES
    assert asked.total() <= SAMPLES + KILLS * CONCURRENCY


def test_ctrl_c_exits_130_with_every_answer_kept(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12)
    out = tmp_path / "runs"
    # Five are answered and the others never, so that exactly five must have been kept.
    with FaultServer([says(NO)] * 5, default=hangs) as server:
        process = start(corpus, out, server)
        wait_for_calls(server, 5 + CONCURRENCY, process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 130, said
        assert "run the same command again" in said
        assert "Traceback" not in said
        assert len(Run.load(out / "m").verdicts) == 5

        asked = len(server.calls)
        server.default = says(NO)
        process = start(corpus, out, server)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert len(server.calls) - asked == 7
    assert len(Run.load(out / "m").verdicts) == 12
