"""`kill -9` of a real process during a run costs only the answers under way."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from builders import make_corpus
from mmrad.bench import Run
from mmrad.corpus import Corpus
from servers import NO, FaultServer, after, hangs, says

SAMPLES, CONCURRENCY, KILLS = 120, 3, 3

# A shell that starts the tests in the background lets them ignore SIGINT, which children inherit.
BENCH = """
import signal
import sys
from pathlib import Path
from mmrad.bench import bench
from mmrad.corpus import Corpus
from mmrad.endpoint import Endpoint
from mmrad.inspectors.openai_api import OpenAIInspector

signal.signal(signal.SIGINT, signal.default_int_handler)
corpus = Corpus(Path(sys.argv[1]))
inspector = OpenAIInspector(Endpoint("m", sys.argv[3], concurrency=int(sys.argv[4])))
bench(corpus, corpus.samples, inspector, Path(sys.argv[2]))
"""


def start(corpus: Corpus, out: Path, server: FaultServer) -> subprocess.Popen[bytes]:
    arguments = [str(corpus.path), str(out), server.base_url, str(CONCURRENCY)]
    return subprocess.Popen([sys.executable, "-c", BENCH, *arguments], stderr=subprocess.DEVNULL)


def test_a_killed_run_resumes_and_asks_nothing_answered_again(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", SAMPLES)
    out = tmp_path / "runs"
    moments = random.Random(7)
    with FaultServer(default=after(0.01, says(NO))) as server:
        for _ in range(KILLS):
            process = start(corpus, out, server)
            server.wait_for_calls(len(server.calls) + moments.randrange(20, 36))
            process.kill()
            process.wait()
        assert start(corpus, out, server).wait(timeout=60) == 0
        asked = Counter(call.query for call in server.calls)

    run = Run.load(out / "m")
    assert list(run.verdicts) == [sample.id for sample in corpus.samples]
    assert {verdict.status for verdict in run.verdicts.values()} == {"ok"}
    lines = [json.loads(line) for line in (run.path / "verdicts.jsonl").read_bytes().splitlines()]
    assert len({line["sample_id"] for line in lines}) == len(lines) == SAMPLES
    assert len(asked) == SAMPLES
    assert asked.total() <= SAMPLES + KILLS * CONCURRENCY


def test_ctrl_c_keeps_every_answer_and_ends_soon(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12)
    out = tmp_path / "runs"
    # Five are answered and the others never, so that exactly five must have been kept.
    with FaultServer([says(NO)] * 5, default=hangs) as server:
        process = start(corpus, out, server)
        server.wait_for_calls(5 + CONCURRENCY)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) != 0
    assert len(Run.load(out / "m").verdicts) == 5
