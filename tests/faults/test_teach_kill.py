"""`kill -9` of a real teaching at many moments costs only the requests under way."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from builders import make_corpus
from hinted import obeys
from mmrad.corpus import Corpus
from mmrad.teach import chosen_texts
from servers import FaultServer, after

SAMPLES, CONCURRENCY, KILLS = 150, 4, 20

TEACH = """
import sys
from pathlib import Path
from mmrad.corpus import Corpus
from mmrad.endpoint import Endpoint
from mmrad.teach import MLLMTeacher, teach

endpoint = Endpoint("m", sys.argv[2], concurrency=int(sys.argv[3]))
[tally] = teach(Corpus(Path(sys.argv[1])), [MLLMTeacher(endpoint, tries=2)])
assert tally.verified == tally.total, tally
"""


def start(corpus: Corpus, server: FaultServer) -> subprocess.Popen[bytes]:
    arguments = [str(corpus.path), server.base_url, str(CONCURRENCY)]
    return subprocess.Popen([sys.executable, "-c", TEACH, *arguments], stderr=subprocess.PIPE)


def test_a_killed_teaching_resumes_and_pays_nothing_twice(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", SAMPLES)
    moments = random.Random(5)
    with FaultServer(default=after(0.01, obeys)) as server:
        for _ in range(KILLS):
            process = start(corpus, server)
            server.wait_for_calls(len(server.calls) + moments.randrange(1, 8))
            process.kill()
            process.communicate()
        process = start(corpus, server)
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
        asked = Counter(call.query for call in server.calls)

    lines = [json.loads(line) for line in (corpus.path / "texts/m.jsonl").read_bytes().splitlines()]
    assert len({line["sample_id"] for line in lines}) == len(lines) == SAMPLES
    assert len(chosen_texts(corpus)) == SAMPLES
    assert len(asked) == SAMPLES
    assert SAMPLES < asked.total() <= SAMPLES + KILLS * CONCURRENCY
