"""`kill -9` and Ctrl-C of a real `mmrad bench` with AnomalyGPT: no answer is lost, and no worker stays."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import make_corpus
from fake_anomalygpt import installed, models_file, requests, starts
from mmrad.bench import Run
from mmrad.corpus import Corpus

SAMPLES = 8


def start(corpus: Corpus, out: Path, models: Path) -> subprocess.Popen[str]:
    arguments = ["bench", corpus.path, "--model", "anomalygpt-7b", "--models", models, "--out", out]
    return subprocess.Popen(
        [sys.executable, "-m", "mmrad.cli", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    for _ in range(6000):
        if condition():
            return
        if process and process.poll() is not None:
            pytest.fail(f"ended early: {process.communicate()[1]}")
        time.sleep(0.02)
    pytest.fail("waited in vain")


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for yet, since its parent was killed, has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_bench_goes_on_and_leaves_no_worker(tmp_path: Path, how: signal.Signals) -> None:
    corpus = make_corpus(tmp_path / "corpus", SAMPLES)
    out, gpt = tmp_path / "runs", tmp_path / "gpt"
    # After a kill -9 the end of its input is all that a worker sees; the stand-in sees it between requests.
    mode = "hang@003" if how == signal.SIGINT else "slow@003"
    models = models_file(tmp_path, installed(gpt, mode, item_seconds=600.0))
    process = start(corpus, out, models)
    wait_for(lambda: len(requests(gpt)) == 4, process)
    process.send_signal(how)
    _, said = process.communicate(timeout=120)
    assert process.returncode == (130 if how == signal.SIGINT else -how), said
    [pid] = starts(gpt)
    wait_for(lambda: gone(pid))
    name = "anomalygpt-7b"
    assert len(Run.load(out / name).verdicts) == 3

    process = start(corpus, out, models_file(tmp_path, installed(gpt)))
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    run = Run.load(out / name)
    assert [verdict.anomalous for verdict in run.verdicts.values()] == [
        sample.anomalous for sample in corpus.samples
    ]
    ids = [sample.id for sample in corpus.samples]
    assert requests(gpt) == [*ids[:4], *ids[3:]]
    assert len(list((run.path / "maps").glob("*.npy"))) == SAMPLES
    assert (run.path / "worker.log").exists()
    assert not [pid for pid in starts(gpt) if not gone(pid)]
    assert str(tmp_path) not in (run.path / "run.json").read_text("utf-8")
