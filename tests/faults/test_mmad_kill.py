"""`kill -9` while MMAD's questions are asked costs only the answers under way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from mmad_tree import ask, entry, mmad_tree
from mmrad.bench.mmad import ask_mmad, read_questions
from mmrad.endpoint import Endpoint
from servers import FaultServer, after, says

QUESTIONS, CONCURRENCY, KILLS = 60, 3, 2

ASK = """
import sys
from pathlib import Path
from mmrad.bench.mmad import ask_mmad, read_questions
from mmrad.endpoint import Endpoint

root = Path(sys.argv[1])
model = Endpoint("m", sys.argv[3], concurrency=int(sys.argv[4]))
ask_mmad(root, read_questions(root), model, Path(sys.argv[2]))
"""


def test_a_killed_run_resumes_and_asks_nothing_answered_again(tmp_path: Path) -> None:
    root = mmad_tree(tmp_path / "MMAD")
    content = json.loads((root / "mmad.json").read_text("utf-8"))
    image = next(iter(content))
    asked = [
        ask("Object Details", f"Question number {number}?", "One.", "Two.") for number in range(QUESTIONS)
    ]
    (root / "mmad.json").write_text(json.dumps({image: entry(*asked)}), encoding="utf-8")
    out = tmp_path / "runs"
    with FaultServer(default=after(0.01, says("A"))) as server:
        command = [sys.executable, "-c", ASK, str(root), str(out), server.base_url, str(CONCURRENCY)]
        for _ in range(KILLS):
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            server.wait_for_calls(len(server.calls) + 15)
            process.kill()
            process.wait()
        questions = read_questions(root)
        run = ask_mmad(root, questions, Endpoint("m", server.base_url, concurrency=CONCURRENCY), out)
        texts = Counter(call.body["messages"][-1]["content"][-1]["text"] for call in server.calls)
    assert {answer.status for answer in run.answers.values()} == {"ok"}
    assert len(run.answers) == len(texts) == QUESTIONS
    assert texts.total() <= QUESTIONS + KILLS * CONCURRENCY
    lines = [json.loads(line) for line in (run.path / "answers.jsonl").read_bytes().splitlines()]
    assert len({line["question_id"] for line in lines}) == len(lines) == QUESTIONS
