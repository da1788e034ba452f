"""Supervised fine-tuning on right texts, the cold start of reinforcement learning (paper, section 4.2)."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import PrinterCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from mmrad.errors import UsageError
from mmrad.train.arguments import common_arguments, split_batch
from mmrad.train.callbacks import Epochs, Progress, SampleTexts, StopAtNaN, TensorBoard, TrainingLog
from mmrad.train.checkpoints import MarkWhole, Resuming, is_last, latest_checkpoint, saving
from mmrad.train.claim import PACE, claim
from mmrad.train.examples.example import Collator, Examples
from mmrad.train.examples.lengths import refuse_long
from mmrad.train.lora import load_trained, merged
from mmrad.train.models import save_model
from mmrad.train.recipe import Asking, Recipe, Supervised

_FIELDS = {
    "loss": "loss",
    "mean_token_accuracy": "token_accuracy",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "num_input_tokens_seen": "tokens",
}
"""What `log.jsonl` holds, by the trainer's names; `tokens` counts all so far, padding left out."""


def sft(
    recipe: Recipe, examples: Examples, out: Path, *, start: str | Path, progress: Progress | None = None
) -> Path:
    """Fine-tune a model on the texts of examples.

    The loss is the mean cross-entropy over the tokens of the completions of a batch. Called again after an
    interruption, it goes on from the last whole checkpoint and gives the same losses as without one; called
    again after its end, it only returns the model.

    Args:
        recipe: The recipe; `base.lora` trains adapters, else all weights are trained.
        examples: What to train on.
        out: Folder of the training: `recipe.json`, `checkpoints/`, `tensorboard/`, `log.jsonl` (fields
            `step`, `epoch`, `loss`, `token_accuracy`, `learning_rate`, `grad_norm`, `tokens`, `seconds`),
            `samples.jsonl`, and at the end `model/`, with adapters `adapter/` too.
        start: Folder of the model to start from, or its name on a model hub.
        progress: Called with updates done and updates in all.

    Returns:
        `out/model`: weights as safetensors, adapters merged, with processor and `mmrad.json`.

    Raises:
        UsageError: When the recipe has no `[sft]`, the folder was begun with another recipe or another start,
            or devices cannot share the batch.
        DataError: When a prompt is longer than `data.max_prompt_tokens`, or an image cannot be read.
        ProviderError: When there is no such model.
        TrainingError: When a loss is not finite, or a checkpoint cannot be written.
    """
    part = recipe.sft
    if part is None:
        raise UsageError(f"the recipe {recipe.name!r} has no [sft] table")
    settings = recipe.model_dump(mode="json", include={"name", "data", "asking", "base", "sft"})
    claim(out, {**settings, "start": str(start)}, [f"sft.{name}" for name in PACE])
    if (out / "model").exists():
        return out / "model"
    model, processor = load_trained(recipe.base, start, seed=part.seed)
    refuse_long(examples, processor, recipe.data.max_prompt_tokens)
    arguments = _arguments(part, out, checkpointing=recipe.base is not None and recipe.base.checkpointing)
    trainer = _Trainer(
        examples,
        processor,
        model=model,
        args=arguments,
        callbacks=[
            Epochs(examples),
            TrainingLog(out, progress, fields=_FIELDS),
            SampleTexts(
                examples, processor, out, steps=part.sample_steps, max_tokens=recipe.asking.max_tokens
            ),
            TensorBoard(out),
            MarkWhole(),
        ],
    )
    return train_to_end(trainer, processor, recipe.asking, out)


def train_to_end(trainer: Any, processor: Any, asking: Asking, out: Path) -> Path:
    """Train from the last whole checkpoint, or from the start, and write the result.

    Args:
        trainer: A trainer with `Resuming`.
        processor: Processor of its model.
        asking: How the model is asked.
        out: Folder of the training.

    Returns:
        `out/model`, see `write_result`.

    Raises:
        TrainingError: When a loss is not finite, or the disk takes no more.
    """
    checkpoint = latest_checkpoint(out / "checkpoints")
    if checkpoint and is_last(checkpoint):
        trainer._load_from_checkpoint(str(checkpoint))  # `train` would do one update more
    else:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_world_process_zero():
        write_result(trainer.model, processor, asking, out)
    trainer.accelerator.wait_for_everyone()
    return out / "model"


def write_result(model: Any, processor: Any, asking: Asking, out: Path) -> None:
    """Write `out/model`, whole or not at all, and before it `out/adapter` of a model with adapters.

    Args:
        model: The trained model; used up.
        processor: Its processor.
        asking: How the model is asked.
        out: Folder of the training.

    Raises:
        TrainingError: When the disk takes no more.
    """
    part = out / "model.part"
    shutil.rmtree(part, ignore_errors=True)
    model = model.cpu()  # merging and converting need memory of their own
    with saving(part):
        if isinstance(model, PeftModel):
            model.save_pretrained(str(out / "adapter"))
            model = merged(model)
        save_model(model, processor, asking, part)
        part.rename(out / "model")


def _arguments(part: Supervised, out: Path, *, checkpointing: bool) -> SFTConfig:
    at_once, accumulated = split_batch(part.batch, part.micro_batch)
    shared = common_arguments(part, out)
    return SFTConfig(
        **{**shared, "activation_checkpointing": checkpointing},
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=accumulated,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        include_num_input_tokens_seen="non_padding",
    )


class _Trainer(Resuming, SFTTrainer):  # type: ignore[misc]
    """TRL's, over numbers of examples: images travel as views, so that no processor resizes them.

    Args:
        examples: The examples.
        processor: Processor of the model.
        arguments: Those of TRL's trainer.
    """

    def __init__(self, examples: Examples, processor: Any, **arguments: Any) -> None:
        self._samples = examples.samples
        self._batch: list[torch.Tensor] = []
        super().__init__(
            train_dataset=Dataset.from_dict({"index": range(len(examples))}),
            data_collator=_Reader(examples, Collator(processor)),
            processing_class=processor,
            **arguments,
        )
        # Qwen2.5-VL says that its own loss is no mean over all tokens of an update. TRL's, which is taken
        # here, is one once the trainer counts them.
        self.model_accepts_loss_kwargs = True
        self._stop = StopAtNaN(self._ids_of_batch)
        self.add_callback(self._stop)
        self.remove_callback(PrinterCallback)

    def get_batch_samples(self, *arguments: Any, **named: Any) -> tuple[list[Any], Any]:
        """The batches of an update; remembers which examples they are made of."""
        batches, items = super().get_batch_samples(*arguments, **named)
        self._batch = [batch.pop("index") for batch in batches]
        return batches, items

    def compute_loss(self, *arguments: Any, **named: Any) -> Any:
        """The loss of a batch, which must be finite."""
        loss = super().compute_loss(*arguments, **named)
        self._stop.check(loss, self.state.global_step)
        return loss

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None beside checkpoints."""

    def _ids_of_batch(self) -> Sequence[str]:
        return [self._samples[index].id for indices in self._batch for index in indices.tolist()]


class _Reader:
    """Reads examples and collates them, in the worker processes where there are some."""

    def __init__(self, examples: Examples, collate: Collator) -> None:
        self._examples = examples
        self._collate = collate

    def __call__(self, rows: Sequence[dict[str, int]]) -> dict[str, torch.Tensor]:
        batch = self._collate([self._examples[row["index"]] for row in rows])
        return {**batch, "index": torch.tensor([row["index"] for row in rows])}
