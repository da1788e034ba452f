"""`kill -9` of a real `mmrad bench` with an expert: the same command ends as one call would have."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from expert_parts import make_parts
from mmrad.bench import Run
from mmrad.corpus import Corpus

KILLS = 4

COMMAND = """
import sys, time
sys.path.insert(0, TESTS)
from expert_parts import MeanDetector
from mmrad.inspectors.experts import make
judge, fit = MeanDetector.judge, MeanDetector.fit
def slowly(work):
    def done(self, images, *more):
        time.sleep(0.05)
        return work(self, images, *more)
    return done
MeanDetector.judge, MeanDetector.fit = slowly(judge), slowly(fit)
make._class_of = lambda settings: MeanDetector
from mmrad.cli import main
main()
""".replace("TESTS", repr(str(Path(__file__).parents[1])))


def start(corpus: Corpus, out: Path) -> subprocess.Popen[str]:
    arguments = ["bench", corpus.path, "--model", "patchcore", "--out", out, "--batch-size", "1"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip


def finish(corpus: Corpus, out: Path) -> None:
    process = start(corpus, out)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said


def files(out: Path) -> int:
    return sum(1 for path in out.rglob("*") if path.is_file())


def verdicts(run: Run) -> dict[str, object]:
    return {key: (one.anomalous, one.score, one.regions, one.status) for key, one in run.verdicts.items()}


def test_a_killed_benchmark_of_an_expert_goes_on(tmp_path: Path) -> None:
    corpus = make_parts(tmp_path / "corpus")
    finish(corpus, tmp_path / "whole")
    most = files(tmp_path / "whole")
    out = tmp_path / "runs"
    moments = random.Random(5)
    seen = 0
    for _ in range(KILLS):
        process = start(corpus, out)
        # Killed once a few more files are there: while it trains, judges, or derives.
        seen = min(most, max(seen, files(out)) + moments.randrange(1, 5))
        while process.poll() is None and files(out) < seen:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(corpus, out)
    for name in ("patchcore", "patchcore-oracle"):
        run, whole = Run.load(out / name), Run.load(tmp_path / "whole" / name)
        assert verdicts(run) == verdicts(whole)
        assert list(run.verdicts) == list(whole.verdicts)
    lines = (out / "patchcore" / "verdicts.jsonl").read_bytes().splitlines()
    assert max(Counter(json.loads(line)["sample_id"] for line in lines).values()) == 1
    assert (out / "patchcore-oracle" / "sweep.json").read_bytes() == (
        tmp_path / "whole" / "patchcore-oracle" / "sweep.json"
    ).read_bytes()
