"""`kill -9` of a real reinforcement learning in a rollout and in saves: it ends as one that nobody killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from builders import make_corpus
from finetuned import logged, write_start
from reinforced import contrasting_examples

# Imports once what takes seconds, and forks a process for each line of input: a folder and a moment.
COMMAND = """
import os, signal, sys, traceback
sys.path.insert(0, TESTS)
from pathlib import Path
from mmrad.corpus import Corpus
from mmrad.train import sft
from mmrad.train.checkpoints import MarkWhole
from mmrad.train.reinforcement.grpo import grpo
from mmrad.train.reinforcement.rollout import ContrastiveTrainer
from reinforced import contrasting_examples, grpo_recipe

MOMENTS = {
    "in-the-third-rollout": (ContrastiveTrainer, "_contrasted", 10),
    "in-a-save": (ContrastiveTrainer, "_save_rng_state", 1),
    "before-a-mark": (MarkWhole, "on_save", 2),
    "before-the-model": (sft, "write_result", 1),
}

def kill_at(owner, name, call):
    calls, method = [], getattr(owner, name)
    def counted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return method(*arguments, **keywords)
    setattr(owner, name, counted)

corpus, start = map(Path, sys.argv[1:])
for line in sys.stdin:
    out, moment = line.split()
    child = os.fork()
    if not child:
        try:
            if moment in MOMENTS:
                kill_at(*MOMENTS[moment])
            examples = contrasting_examples(Corpus(corpus))
            grpo(grpo_recipe(steps=8, logging_steps=3), examples, Path(out), start=start)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
""".replace("TESTS", repr(str(Path(__file__).parents[1])))


def test_a_killed_training_gives_the_losses_of_one_that_was_not(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path / "corpus", 12)
    start = write_start(contrasting_examples(corpus), tmp_path / "start")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    command = [sys.executable, "-c", COMMAND, str(corpus.path), str(start)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as trainings:
        assert trainings.stdin
        assert trainings.stdout

        def run(out: Path, moment: str) -> int:
            print(out, moment, file=trainings.stdin, flush=True)
            return int(trainings.stdout.readline())

        def checkpoints() -> list[tuple[str, bool]]:
            found = (killed / "checkpoints").glob("checkpoint-*")
            return sorted((path.name, (path / "whole.json").exists()) for path in found)

        assert run(whole, "never") == 0
        assert run(killed, "in-the-third-rollout") == -signal.SIGKILL
        assert checkpoints() == [("checkpoint-2", True), ("checkpoint-4", True)]
        assert run(killed, "in-a-save") == -signal.SIGKILL
        assert ("checkpoint-6", False) in checkpoints()
        assert run(killed, "before-a-mark") == -signal.SIGKILL
        assert checkpoints()[-2:] == [("checkpoint-6", True), ("checkpoint-8", False)]
        assert run(killed, "before-the-model") == -signal.SIGKILL
        assert not (killed / "model").exists()
        assert run(killed, "never") == 0
        trainings.stdin.close()

    assert [line["step"] for line in logged(whole)] == [1, 2, 3, 4, 6, 8]
    assert logged(killed) == logged(whole)
    weights = [(out / "model" / "model.safetensors").read_bytes() for out in (whole, killed)]
    assert weights[0] == weights[1]
