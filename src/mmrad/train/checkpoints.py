"""Checkpoints that are whole or do not count.

transformers writes the files of a checkpoint one after the other into the folder in which it will look for
them, so that a killed process or a full disk leaves a part of one. A list of the files with their sizes,
written last, tells whole ones from parts.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import TrainerCallback
from transformers.utils import SAFE_WEIGHTS_NAME

from mmrad.errors import TrainingError
from mmrad.files import write_text

WHOLE_FILE = "whole.json"

_NAME = re.compile(r"checkpoint-(\d+)")


def latest_checkpoint(folder: Path) -> Path | None:
    """The last whole checkpoint in a folder; parts of others are removed.

    Args:
        folder: The trainer's `output_dir`; need not exist.
    """
    steps = {path: int(found[1]) for path in folder.glob("*") if (found := _NAME.fullmatch(path.name))}
    whole = {path: step for path, step in steps.items() if _is_whole(path)}
    if os.environ.get("RANK", "0") == "0":
        for path in steps.keys() - whole.keys():
            shutil.rmtree(path, ignore_errors=True)
    return max(whole, key=lambda path: whole[path], default=None)


def is_last(checkpoint: Path) -> bool:
    """Whether no update is left to do after this checkpoint."""
    state = json.loads((checkpoint / "trainer_state.json").read_text("utf-8"))
    return bool(state["global_step"] >= state["max_steps"])


class Resuming:
    """Mixed into a trainer, as its first base, so that its checkpoints can be relied on."""

    args: Any
    state: Any
    model: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        with saving(Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]

    def _send_telemetry(self) -> None:
        """Nothing: TRL would tell the model hub of each training."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if isinstance(self.model, PeftModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
        else:
            load_weights(self.model, Path(resume_from_checkpoint))


def load_weights(model: Any, checkpoint: Path) -> None:
    """Give a model the weights of a checkpoint.

    transformers' trainer looks for them by their names in the model; Qwen2.5-VL is saved with those of its
    first release, none is found, and training goes on from where it began (transformers, issue 43701).

    Args:
        model: The model; what its class does not know, such as heads of a pretraining, has one name in both.
        checkpoint: Folder with the weights of all its parameters.
    """
    saved = type(model).from_pretrained(checkpoint, dtype=model.dtype).state_dict()
    if others := model.state_dict().keys() - saved.keys():
        named = load_file(checkpoint / SAFE_WEIGHTS_NAME)
        saved |= {name: named[name] for name in others}
    model.load_state_dict(saved)


class MarkWhole(TrainerCallback):
    """Marks each checkpoint as whole once all its files are on the disk."""

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the mark."""
        if torch.distributed.is_initialized():
            torch.distributed.barrier()  # each process writes the state of its random numbers
        if state.is_world_process_zero:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            with saving(folder):
                _mark(folder)


@contextmanager
def saving(path: Path) -> Iterator[None]:
    """Explain what went wrong while a checkpoint or a model is written.

    Args:
        path: Its folder; checkpoints lie beside each other.

    Raises:
        TrainingError: When the disk, a quota or the writers of torch and safetensors refuse.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip() or repr(error)).partition("\n")[0]
        kept = latest_checkpoint(path.parent)
        goes_on = f"goes on from {kept}" if kept else "begins anew"
        free = shutil.disk_usage(next(parent for parent in path.parents if parent.exists())).free
        raise TrainingError(
            f"{path}: cannot be written ({reason}); {free / 1e9:.2f} GB are free there. Make room and run "
            f"the same command again: it {goes_on}"
        ) from error


def _mark(folder: Path) -> None:
    sizes = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    write_text(folder / WHOLE_FILE, json.dumps(sizes, indent=2) + "\n")


def _is_whole(folder: Path) -> bool:
    try:
        sizes = json.loads((folder / WHOLE_FILE).read_text("utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False
