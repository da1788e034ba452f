"""`kill -9` and a full disk in the middle of a fine-tuning cost the updates since the last checkpoint."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import make_corpus
from finetuned import fresh_examples, logged, sft_recipe, write_start
from mmrad.corpus import Corpus
from mmrad.errors import TrainingError
from mmrad.train.checkpoints import latest_checkpoint
from mmrad.train.recipe import Lora
from mmrad.train.sft import sft

DIES = """
import os
import signal
import sys
from pathlib import Path

import torch

from finetuned import fresh_examples, sft_recipe
from mmrad.corpus import Corpus
from mmrad.train.recipe import Lora
from mmrad.train.sft import sft

folder, out, moment = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
save = torch.save


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def torn_save(content, path, **options):
    save(content, path, **options)
    if "checkpoint-8" in str(path) and Path(path).name == "optimizer.pt":
        Path(path).write_bytes(Path(path).read_bytes()[:1000])
        die()


if moment == "save":
    torch.save = torn_save
progress = (lambda done, total: done == 7 and die()) if moment == "update" else None
lora = Lora(rank=4, alpha=4, dropout=0.1) if "--lora" in sys.argv else None
recipe = sft_recipe(lora=lora, checkpointing=bool(lora))
sft(recipe, fresh_examples(Corpus(folder / "corpus")), out, start=folder / "start", progress=progress)
"""

LORA = sft_recipe(lora=Lora(rank=4, alpha=4, dropout=0.1), checkpointing=True)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    made = make_corpus(tmp_path / "corpus", 12)
    write_start(fresh_examples(made), tmp_path / "start")
    return made


def killed(tmp_path: Path, out: Path, *arguments: str) -> None:
    command = [sys.executable, "-c", DIES, str(tmp_path), str(out), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[1], timeout=300
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def weights(out: Path) -> bytes:
    return (out / "model" / "model.safetensors").read_bytes()


def test_a_training_killed_within_a_checkpoint_goes_on_with_the_same_losses(
    corpus: Corpus, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    sft(sft_recipe(), fresh_examples(corpus), whole, start=tmp_path / "start")
    killed(tmp_path, broken, "save")
    assert [line["step"] for line in logged(broken)] == [1, 3, 4, 6, 8]
    assert (broken / "checkpoints" / "checkpoint-8" / "model.safetensors").exists()
    assert latest_checkpoint(broken / "checkpoints") == broken / "checkpoints" / "checkpoint-4"
    sft(sft_recipe(), fresh_examples(corpus), broken, start=tmp_path / "start")
    assert logged(broken) == logged(whole)
    assert [line["step"] for line in logged(whole)] == [1, 3, 4, 6, 8, 9, 12]
    assert (broken / "samples.jsonl").read_bytes() == (whole / "samples.jsonl").read_bytes()
    assert weights(broken) == weights(whole)


def test_a_killed_training_of_adapters_goes_on_with_the_same_losses(corpus: Corpus, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    sft(LORA, fresh_examples(corpus), whole, start=tmp_path / "start")
    killed(tmp_path, broken, "update", "--lora")
    assert [line["step"] for line in logged(broken)] == [1, 3, 4, 6]
    sft(LORA, fresh_examples(corpus), broken, start=tmp_path / "start")
    assert logged(broken) == logged(whole)
    assert weights(broken) == weights(whole)


def test_a_full_disk_is_said_and_the_training_goes_on_from_the_whole_checkpoint(
    corpus: Corpus, tmp_path: Path
) -> None:
    whole, full = tmp_path / "whole", tmp_path / "full"
    sft(sft_recipe(), fresh_examples(corpus), whole, start=tmp_path / "start")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(done: int, total: int) -> None:
        if done == 5:  # a limit on the size of files stands for a full disk
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, unlimited[1]))

    try:
        with pytest.raises(
            TrainingError, match=r"checkpoint-8: cannot be written .*goes on from .*-4"
        ) as said:
            sft(sft_recipe(), fresh_examples(corpus), full, start=tmp_path / "start", progress=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert "GB are free there. Make room" in str(said.value)
    assert [path.name for path in (full / "checkpoints").iterdir()] == ["checkpoint-4"]
    sft(sft_recipe(), fresh_examples(corpus), full, start=tmp_path / "start")
    losses = [[line["loss"] for line in logged(out)] for out in (full, whole)]
    np.testing.assert_array_equal(*losses)
