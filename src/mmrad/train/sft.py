"""Supervised fine-tuning of the nano model with transformers' Trainer."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import (
    AutoProcessor,
    Qwen2_5_VLForConditionalGeneration,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_utils import get_last_checkpoint

from mmrad.files import write_text
from mmrad.train.examples import Collator, ScriptedExamples
from mmrad.train.nano import build_nano, train_tokenizer
from mmrad.train.recipe import Recipe

TOKENIZER_TEXTS = 4000
"""How many texts the tokenizer of a new model is trained on."""


def sft(recipe: Recipe, examples: ScriptedExamples, out: Path, *, start: Path | None = None) -> Path:
    """Train a nano model; called again after an interruption, it goes on from its last checkpoint.

    Args:
        recipe: The recipe.
        examples: What to train on.
        out: Folder for checkpoints and the result.
        start: Folder of a trained model to go on from; None builds a new one.

    Returns:
        `out/model`: weights as safetensors, processor, and `mmrad.json` (how the model wants to be asked).
    """
    untrained = out / "untrained"
    # A later call keeps the first one's tokenizer: trained again, it might number its tokens otherwise.
    model, processor = _start(recipe, examples, untrained if untrained.exists() else start)
    if not untrained.exists():
        save_model(model, processor, recipe, untrained)
    _use_linear_patches(model)
    if not torch.cuda.is_available():
        model.set_attn_implementation(
            "eager"
        )  # the backward pass of fused attention is the slower one on CPUs
    trainer = _CompletionTrainer(
        model=model,
        args=_arguments(recipe, out / "checkpoints"),
        train_dataset=examples,
        data_collator=Collator(processor),
        callbacks=[_Epochs(examples)],
    )
    checkpoints = out / "checkpoints"
    trainer.train(
        resume_from_checkpoint=get_last_checkpoint(str(checkpoints)) if checkpoints.exists() else None
    )
    save_model(model, processor, recipe, out / "model")
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    write_text(out / "losses.jsonl", "".join(json.dumps(entry) + "\n" for entry in history))
    return out / "model"


def save_model(model: Any, processor: Any, recipe: Recipe, folder: Path) -> None:
    """Write a model folder, weights in bfloat16, that `LocalInspector` and plain transformers load."""
    copy.deepcopy(model).to(torch.bfloat16).save_pretrained(folder)
    processor.save_pretrained(folder)
    write_text(folder / "mmrad.json", json.dumps(recipe.asking.model_dump(), indent=2) + "\n")


def _start(recipe: Recipe, examples: ScriptedExamples, start: Path | None) -> tuple[Any, Any]:
    if start is not None:
        return Qwen2_5_VLForConditionalGeneration.from_pretrained(start), AutoProcessor.from_pretrained(start)
    chosen = range(0, len(examples), max(1, len(examples) // TOKENIZER_TEXTS))
    texts = [text for index in chosen for text in _texts(examples, index)]
    return build_nano(train_tokenizer(texts, recipe.model), recipe.model, seed=recipe.training.seed)


def _texts(examples: ScriptedExamples, index: int) -> list[str]:
    example = examples[index]
    said = [part for message in example.messages for part in message.parts if isinstance(part, str)]
    return [example.completion, *said]


class _CompletionTrainer(Trainer):
    """Computes logits only where there is something to learn: most of a sequence is images and prompt."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Mean cross-entropy over the tokens of the completions of the batch."""
        labels = inputs.pop("labels")
        hidden = model.model(**inputs, use_cache=False).last_hidden_state[:, :-1]
        wanted = labels[:, 1:] != -100
        logits = model.lm_head(hidden[wanted]).float()
        loss = functional.cross_entropy(logits, labels[:, 1:][wanted])
        return (loss, {"logits": logits}) if return_outputs else loss


def _arguments(recipe: Recipe, folder: Path) -> TrainingArguments:
    training = recipe.training
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=training.steps,
        per_device_train_batch_size=training.batch_size,
        learning_rate=training.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        max_grad_norm=1.0,
        seed=training.seed,
        data_seed=training.seed,
        bf16=_has_fast_bf16(),
        use_cpu=not torch.cuda.is_available(),
        logging_steps=training.logging_steps,
        save_steps=training.save_steps,
        save_total_limit=2,
        remove_unused_columns=False,
        report_to="none",
        disable_tqdm=False,
        dataloader_num_workers=0,
    )


def _has_fast_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here: on GPUs, and on CPUs with its own instructions."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    amx: bool = torch.cpu._is_amx_tile_supported()
    return amx


def _use_linear_patches(model: Any) -> None:
    """Compute the patch embedding as the matrix product it is.

    Its Conv3d has a kernel as large as its stride; the backward pass of that convolution takes half a
    training step on a CPU, the same product as a linear layer almost nothing.
    """
    embed = model.model.visual.patch_embed

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embed.proj.weight
        return functional.linear(patches.reshape(-1, weight[0].numel()).to(weight.dtype), weight.flatten(1))

    embed.forward = forward


class _Epochs(TrainerCallback):
    """Tells the examples which epoch is read."""

    def __init__(self, examples: ScriptedExamples) -> None:
        self.examples = examples

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.examples.set_epoch(int(state.epoch or 0))
