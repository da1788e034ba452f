"""`kill -9` of real ablations: the same call ends as one that nobody killed, and does nothing twice."""

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

from ablated import make_sources, recipe_on
from mmrad.train.ablation import AblationRecipe

KILLS = 4

COMMAND = """
import sys
sys.path.insert(0, TESTS)
from pathlib import Path
from ablated import Judge, Trainings
from mmrad.train import ablate
from mmrad.train.ablation import ROWS, AblationRecipe
ablate.sft = ablate.grpo = Trainings(seconds=0.05)
recipe = AblationRecipe.model_validate_json(Path(sys.argv[1]).read_text())
ablate.ablate(recipe, Path(sys.argv[2]), Judge(seconds=0.02), rows=ROWS)
""".replace("TESTS", repr(str(Path(__file__).parents[1])))


def start(recipe: AblationRecipe, out: Path) -> subprocess.Popen[str]:
    path = out.parent / "recipe.json"
    path.write_text(recipe.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(path), str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip


def finish(recipe: AblationRecipe, out: Path) -> None:
    process = start(recipe, out)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said


def files(out: Path) -> int:
    return sum(1 for path in out.rglob("*") if path.is_file())


def test_killed_ablations_go_on(tmp_path: Path) -> None:
    recipe = recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base")
    finish(recipe, tmp_path / "whole")
    most = files(tmp_path / "whole")
    out = tmp_path / "out"
    moments = random.Random(1)
    for number in range(KILLS):
        process = start(recipe, out)
        # Killed once a part more of the files is there: in trainings, while judging, between them.
        seen = most * (number + 1) // (KILLS + 1) + moments.randrange(5)
        while process.poll() is None and files(out) < seen:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was through before it was killed"
    finish(recipe, out)
    assert (out / "table.json").read_bytes() == (tmp_path / "whole" / "table.json").read_bytes()
    steps = list(out.glob("seed-*/*/*/steps.txt"))
    assert len(steps) == 4 + 6
    for path in steps:
        assert set(path.read_text().split()) == {"0", "1", "2"}
        # A step that was being done when the kill came is done again; no other one is.
        assert len(path.read_text().split()) <= 4
    for path in out.glob("seed-0/runs/*/verdicts.jsonl"):
        lines = [json.loads(line)["sample_id"] for line in path.read_text().splitlines()]
        assert max(Counter(lines).values()) == 1
