"""What watches a training: its log, its stop at numbers that are none, texts to look at, TensorBoard."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback
from transformers.integrations.integration_utils import TensorBoardCallback

from mmrad.errors import TrainingError
from mmrad.files import write_text
from mmrad.inspectors.chat import encode
from mmrad.inspectors.local import vision_tokens
from mmrad.journal import Journal, read_journal
from mmrad.train.examples.example import Examples
from mmrad.train.reinforcement.rewards import judge

LOG_FILE = "log.jsonl"

SAMPLES_FILE = "samples.jsonl"

Progress = Callable[[int, int], None]


class TrainingLog(TrainerCallback):
    """Writes each logged step as one line of `log.jsonl`; a line is on the disk before the next update.

    A resumed training first cuts what was logged after its checkpoint, so that no step stands twice; and each
    saved step is a logged one, so that means over the updates since the last line are the same with and
    without an interruption.

    Args:
        folder: Of the training.
        progress: Called with updates done and updates in all.
        fields: What to write, and how it is called there; None writes every number that the trainer logs.
            `step`, `epoch` and `seconds` (wall time of an update, mean since the line before) come with it.
    """

    def __init__(
        self, folder: Path, progress: Progress | None = None, *, fields: Mapping[str, str] | None = None
    ) -> None:
        self.path = folder / LOG_FILE
        self._progress = progress
        self._fields = fields
        self._last = (0, 0.0)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Cut what was logged after the checkpoint."""
        self._last = (state.global_step, time.monotonic())
        if state.is_world_process_zero:
            cut(self.path, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Log where a checkpoint comes; tell how far the training is."""
        if control.should_save:
            control.should_log = True
        if self._progress and state.is_world_process_zero:
            self._progress(state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Write a line; the summary at the end of a training is none."""
        logs: Mapping[str, Any] = others["logs"]
        if "loss" not in logs or not state.is_world_process_zero:
            return
        last_step, then = self._last
        now = time.monotonic()
        self._last = (state.global_step, now)
        fields = self._fields or {
            name: name for name, value in logs.items() if isinstance(value, int | float)
        }
        line = {"step": state.global_step, "epoch": state.epoch}
        line |= {called: logs[name] for name, called in fields.items() if name in logs}
        line["seconds"] = round((now - then) / max(1, state.global_step - last_step), 6)
        with Journal(self.path, group=1) as journal:
            journal.append(line)


class StopAtNaN(TrainerCallback):
    """Ends a training at a loss, gradient or weight that is not finite, before a checkpoint has it.

    Args:
        ids_of_batch: Gives the ids of the samples in the batch under way.
    """

    def __init__(self, ids_of_batch: Callable[[], Sequence[str]]) -> None:
        self._ids_of_batch = ids_of_batch

    def check(self, loss: torch.Tensor, step: int) -> None:
        """Look at the loss of a batch; trainers call it, for callbacks never see one.

        Args:
            loss: The loss.
            step: Updates done before it.

        Raises:
            TrainingError: When it is not finite.
        """
        self._refuse("loss", float(loss.detach()), step)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Look at the gradients.

        Raises:
            TrainingError: When one is not finite.
        """
        gradients = [weight.grad for weight in others["model"].parameters() if weight.grad is not None]
        self._refuse("gradient", float(torch.nn.utils.get_total_norm(gradients)), state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Look at the weights before they are saved: an update may overflow where its gradient did not.

        Raises:
            TrainingError: When one is not finite.
        """
        if control.should_save:
            weights = [weight.detach() for weight in others["model"].parameters() if weight.requires_grad]
            self._refuse("weights", float(torch.nn.utils.get_total_norm(weights)), state.global_step - 1)

    def _refuse(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise TrainingError(
                f"the {what} of update {step + 1} came to {value}; its batch was "
                f"{', '.join(self._ids_of_batch())}. "
                "The last checkpoint is from before it. Look at these samples; else lower learning_rate or "
                "max_grad_norm, in a new folder"
            )


class SampleTexts(TrainerCallback):
    """Writes greedy answers to a few fixed examples into `samples.jsonl`, for a look at what is learned.

    A line has `step`, `sample`, `truth` (the true boxes, in pixels of the view), `text`, `anomalous` (what
    the text says, null when it cannot be read), `correct` and `overlaps`, see
    `mmrad.train.reinforcement.rewards`.

    Args:
        examples: Four of them are taken, two anomalous and two normal where there are, as they are in
            epoch 0.
        processor: Processor of the model.
        folder: Of the training.
        steps: Updates between texts; 0 writes none.
        max_tokens: Longest text.
    """

    def __init__(
        self,
        examples: Examples,
        processor: Any,
        folder: Path,
        *,
        steps: int,
        max_tokens: int,
    ) -> None:
        self.path = folder / SAMPLES_FILE
        self._steps = steps
        self._max_tokens = max_tokens
        self._processor = processor
        examples.set_epoch(0)
        self._examples = [examples[index] for index in _fixed(examples)] if steps else []

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Cut what was written after the checkpoint."""
        if state.is_world_process_zero:
            cut(self.path, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Write the answers when it is time."""
        due = self._steps and (state.global_step % self._steps == 0 or state.global_step == state.max_steps)
        if not due or not state.is_world_process_zero:
            return
        with Journal(self.path) as journal:
            for example, text in zip(self._examples, self._answers(others["model"]), strict=True):
                judged = judge(text, example.boxes)
                journal.append(
                    {
                        "step": state.global_step,
                        "sample": example.sample.id,
                        "truth": [box.rounded() for box in example.boxes],
                        "text": text,
                        "anomalous": judged.anomalous,
                        "correct": judged.correct,
                        "overlaps": list(judged.overlaps),
                    }
                )

    @torch.no_grad()
    def _answers(self, model: Any) -> list[str]:
        tokenizer = self._processor.tokenizer
        tokenizer.padding_side = "left"
        batch = encode(self._processor, [example.messages for example in self._examples])
        was_training = model.training
        model.eval()
        output = model.generate(
            **batch.to(model.device, dtype=model.dtype),
            max_new_tokens=self._max_tokens,
            do_sample=False,
            repetition_penalty=1.0,
            suppress_tokens=vision_tokens(model.config),
            pad_token_id=tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
        )
        model.train(was_training)
        written = output[:, batch["input_ids"].shape[1] :]
        return [str(text) for text in tokenizer.batch_decode(written, skip_special_tokens=True)]


class TensorBoard(TensorBoardCallback):  # type: ignore[misc]
    """transformers' reports, in `tensorboard/`; what a resumed training does again is hidden there.

    Args:
        folder: Of the training.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "tensorboard"

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Open the reports."""
        if state.is_world_process_zero:
            self.tb_writer = SummaryWriter(str(self._folder), purge_step=state.global_step + 1)
        super().on_train_begin(args, state, control, **others)


class Epochs(TrainerCallback):
    """Tells the examples which epoch is read.

    Args:
        examples: The examples.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tell it; a resumed training is in the middle of one."""
        self._examples.set_epoch(int(state.epoch or 0))


def cut(path: Path, step: int) -> None:
    """Cut the lines of steps after the given one out of a file of JSON lines, and a torn last line.

    Raises:
        DataError: When another line is damaged.
    """
    if path.exists():
        kept = (line for line in read_journal(path) if line["step"] <= step)
        write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))


def _fixed(examples: Examples) -> list[int]:
    """Two anomalous and two normal examples, the first and the one in the middle of each kind."""
    kinds: dict[bool, list[int]] = {True: [], False: []}
    for index, sample in enumerate(examples.samples):
        kinds[sample.anomalous].append(index)
    return sorted({kind[place] for kind in kinds.values() if kind for place in (0, len(kind) // 2)})
