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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ablated import make_sources, recipe_on
from mmrad.train.ablation.rows import AblationRecipe

KILLS = 3

# Imports once what takes seconds; each line of input is a folder, for which a process is forked.
COMMAND = """
import os, sys, traceback
sys.path.insert(0, TESTS)
from pathlib import Path
from ablated import Judge, Trainings
from mmrad.train.ablation import ablate
from mmrad.train.ablation.rows import ROWS, AblationRecipe
ablate.sft = ablate.grpo = Trainings(seconds=0.03)
recipe = AblationRecipe.model_validate_json(Path(sys.argv[1]).read_text())
for line in sys.stdin:
    child = os.fork()
    if not child:
        try:
            ablate.ablate(recipe, Path(line.strip()), Judge(seconds=0.01), rows=ROWS)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""".replace("TESTS", repr(str(Path(__file__).parents[1])))


class Runs:
    """Ablations in processes of their own, one after the other."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def begin(self, out: Path) -> int:
        """Start one; its process id."""
        assert self._server.stdin
        self._server.stdin.write(f"{out}\n")
        self._server.stdin.flush()
        return int(self._line())

    def end(self) -> int:
        """Wait for it; its exit status."""
        return int(self._line())

    def _line(self) -> str:
        assert self._server.stdout
        return self._server.stdout.readline()


@contextmanager
def runs_of(recipe: AblationRecipe, folder: Path) -> Iterator[Runs]:
    path = folder / "recipe.json"
    path.write_text(recipe.model_dump_json())
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    ) as server:  # fmt: skip
        yield Runs(server)


def files(out: Path) -> int:
    return sum(1 for path in out.rglob("*") if path.is_file())


def test_killed_ablations_go_on(tmp_path: Path) -> None:
    recipe = recipe_on(make_sources(tmp_path / "corpus"), tmp_path / "base")
    whole, out = tmp_path / "whole", tmp_path / "out"
    moments, killed = random.Random(1), 0
    with runs_of(recipe, tmp_path) as runs:
        runs.begin(whole)
        assert runs.end() == 0
        most = files(whole)
        for number in range(KILLS):
            child = runs.begin(out)
            # Killed once a part more of the files is there: in trainings, while judging, between them.
            seen = most * (number + 1) // (KILLS + 1) + moments.randrange(5)
            while files(out) < seen:
                time.sleep(0.005)
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            killed += runs.end() == -signal.SIGKILL
        runs.begin(out)
        assert runs.end() == 0
    assert killed, "every one ended before it was killed"
    assert (out / "table.json").read_bytes() == (whole / "table.json").read_bytes()
    steps = list(out.glob("seed-*/*/*/steps.txt"))
    assert len(steps) == 4 + 6
    for path in steps:
        assert set(path.read_text().split()) == {"0", "1", "2"}
        # A step that was being done when the kill came is done again; no other one is.
        assert len(path.read_text().split()) <= 4
    for path in out.glob("seed-0/runs/*/verdicts.jsonl"):
        lines = [json.loads(line)["sample_id"] for line in path.read_text().splitlines()]
        assert max(Counter(lines).values()) == 1
