"""Reinforcement learning by GRPO with contrastive sampling (paper, section 4.1), on TRL's trainer."""

from __future__ import annotations

import copy
import json
import math
import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl.trainer.grpo_config import GRPOConfig

from mmrad.errors import MissingExtraError, UsageError
from mmrad.inspectors.families import UNCHANGED
from mmrad.inspectors.local import vision_tokens
from mmrad.train.arguments import common_arguments, split_batch
from mmrad.train.callbacks import Progress, SampleTexts, TensorBoard, TrainingLog
from mmrad.train.checkpoints import MarkWhole, latest_checkpoint
from mmrad.train.claim import PACE, claim
from mmrad.train.examples.example import Examples
from mmrad.train.examples.lengths import refuse_long
from mmrad.train.lora import load_trained
from mmrad.train.recipe import Recipe, Reinforcement
from mmrad.train.reinforcement.curriculum import Outcomes, QueryOrder
from mmrad.train.reinforcement.presets import preset_arguments
from mmrad.train.reinforcement.queries import Rollouts
from mmrad.train.reinforcement.rollout import ContrastiveTrainer
from mmrad.train.sft import train_to_end

OUTCOMES_FILE = "outcomes.jsonl"

_NAMES = (
    *("loss", "reward", "reward_std", "kl", "learning_rate", "grad_norm"),
    *("parse_rate", "answer_yes", "correct", "mean_iou", "zero_advantage", "zero_advantage_after"),
    *("injected_reference", "injected_negatives", "lacking_reference", "lacking_negatives"),
    "completion_tokens",
)
_FIELDS = {name: name for name in _NAMES}
"""What `log.jsonl` holds."""


def grpo(
    recipe: Recipe, examples: Examples, out: Path, *, start: str | Path, progress: Progress | None = None
) -> Path:
    """Train a model by what its own responses earn; the divergence is the one from `start`.

    Called again after an interruption, it goes on from the last whole checkpoint and gives the same losses as
    without one, but for vLLM, which draws responses with random numbers of its own; called again after its
    end, it only returns the model.

    Args:
        recipe: The recipe; `base.lora` trains adapters, else all weights are trained.
        examples: What to ask; their completions and negatives are put among the responses.
        out: Folder of the training: `recipe.json`, `checkpoints/`, `tensorboard/`, `log.jsonl`,
            `samples.jsonl`, with a curriculum `outcomes.jsonl`, and at the end `model/`, with adapters
            `adapter/` too. A line of the log has `step`, `epoch`, `seconds` and `_FIELDS`; what concerns
            responses is of those that the model gave in the rollouts since the last line, before any were
            replaced, and counts are means per rollout.
        start: Folder of the model to start from, or its name on a model hub.
        progress: Called with updates done and updates in all.

    Returns:
        `out/model`: weights as safetensors, adapters merged, with processor and `mmrad.json`.

    Raises:
        UsageError: When the recipe has no `[grpo]` or its numbers do not fit together, the folder was begun
            with another recipe or another start, or vLLM is asked for and there is no GPU.
        DataError: When a prompt is longer than `data.max_prompt_tokens`, an image cannot be read, or there
            are fewer examples than a rollout asks.
        MissingExtraError: When vLLM is asked for and not installed.
        ProviderError: When there is no such model.
        TrainingError: When a loss is not finite, or a checkpoint cannot be written.
    """
    part = recipe.grpo
    if part is None:
        raise UsageError(f"the recipe {recipe.name!r} has no [grpo] table")
    batch_arguments(part)  # before anything is written
    if part.vllm:
        _refuse_missing_vllm()
    settings = recipe.model_dump(mode="json", include={"name", "data", "asking", "base", "grpo"})
    claim(out, {**settings, "start": str(start)}, [f"grpo.{name}" for name in PACE])
    if (out / "model").exists():
        return out / "model"
    model, processor = load_trained(recipe.base, start, seed=part.seed)
    refuse_long(examples, processor, recipe.data.max_prompt_tokens)
    trainer = make_trainer(
        recipe,
        part,
        examples,
        out,
        model=model,
        processor=processor,
        callbacks=[
            TrainingLog(out, progress, fields=_FIELDS),
            SampleTexts(examples, processor, out, steps=part.sample_steps, max_tokens=part.max_tokens),
            TensorBoard(out),
            MarkWhole(),
        ],
    )
    return train_to_end(trainer, processor, recipe.asking, out)


def make_trainer(
    recipe: Recipe,
    part: Reinforcement,
    examples: Examples,
    out: Path,
    *,
    model: Any,
    processor: Any,
    callbacks: Sequence[TrainerCallback] = (),
) -> ContrastiveTrainer:
    """The trainer of `grpo`.

    Args:
        recipe: The recipe.
        part: Its `[grpo]`.
        examples: What to ask.
        out: Folder of the training.
        model: The model as training starts, with its adapters if it has any.
        processor: Its processor.
        callbacks: What watches it.

    Raises:
        UsageError: When the recipe's numbers do not fit together.
        DataError: When there are fewer examples than a rollout asks.
    """
    batches = batch_arguments(part)
    outcomes = _outcomes(part, out, len(examples))
    order = QueryOrder(
        [sample.anomalous for sample in examples.samples],
        prompts=part.prompts,
        seed=part.seed,
        balance=part.balance,
        outcomes=outcomes,
    )
    count = part.steps // part.updates or math.ceil(part.epochs * order.rollouts)
    repeats = batches["steps_per_generation"]
    arguments = {
        **common_arguments(part, out),
        **preset_arguments(part),
        **batches,
        **_sampling_arguments(part, recipe.data.max_prompt_tokens, model.config),
        "max_steps": count * part.updates,
        "activation_checkpointing": recipe.base is not None and recipe.base.checkpointing,
        "ignore_data_skip": True,  # `RolloutSampler` begins where it must
        "log_multimodal": False,
    }
    return ContrastiveTrainer(
        examples,
        part,
        order,
        Rollouts(len(examples), count, part.prompts, part.responses, repeats, part.updates),
        outcomes=outcomes,
        model=model,
        processing_class=_taking_views(processor),
        args=GRPOConfig(**arguments),
        callbacks=list(callbacks),
    )


def batch_arguments(part: Reinforcement) -> dict[str, Any]:
    """TRL's arguments that make a rollout of so many queries, and so many updates of it.

    Args:
        part: The recipe's `[grpo]`.

    Raises:
        UsageError: When numbers do not divide as they must, or devices cannot share a rollout.
    """
    if part.prompts % part.updates:
        raise UsageError(
            f"grpo.updates = {part.updates} does not divide grpo.prompts = {part.prompts}, and each update "
            "takes as many queries of a rollout"
        )
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    if part.prompts % devices:
        raise UsageError(
            f"grpo.prompts = {part.prompts} cannot be shared by {devices} devices, for all responses to a "
            f"query are sampled on one; choose a multiple of {devices}"
        )
    for name, steps in (("save_steps", part.save_steps), ("steps", part.steps)):
        if steps % part.updates:
            above = math.ceil(steps / part.updates) * part.updates
            raise UsageError(
                f"grpo.{name} = {steps} ends within a rollout of grpo.updates = {part.updates}, where a "
                f"training cannot go on; take {above}"
            )
    at_once, accumulated = split_batch(part.prompts * part.responses // part.updates, part.micro_batch)
    return {
        "per_device_train_batch_size": at_once,
        "gradient_accumulation_steps": accumulated,
        "steps_per_generation": accumulated * part.updates,
        "num_generations": part.responses,
        "num_iterations": 1,
    }


def _outcomes(part: Reinforcement, out: Path, queries: int) -> Outcomes | None:
    """What a curriculum draws by, as the last checkpoint knows it; None without a curriculum."""
    if not part.curriculum:
        return None
    checkpoint = latest_checkpoint(out / "checkpoints")
    state = json.loads((checkpoint / "trainer_state.json").read_text("utf-8")) if checkpoint else {}
    return Outcomes(
        out / OUTCOMES_FILE,
        queries=queries,
        done=state.get("global_step", 0) // part.updates,
        writes=os.environ.get("RANK", "0") == "0",
    )


def _sampling_arguments(part: Reinforcement, max_prompt_tokens: int, config: Any) -> dict[str, Any]:
    """How responses are sampled.

    vLLM runs beside the trainer on the same GPUs and gives back its memory while weights are updated. It has
    not been run for this project: what TRL is asked for is tested, not what comes of it.
    """
    arguments: dict[str, Any] = {
        "max_completion_length": part.max_tokens,
        "temperature": part.temperature,
        "top_p": part.top_p,
    }
    forbidden = vision_tokens(config)
    if not part.vllm:
        return {**arguments, "generation_kwargs": {"suppress_tokens": forbidden}}
    return {
        **arguments,
        "use_vllm": True,
        "vllm_mode": "colocate",
        "vllm_enable_sleep_mode": True,
        "vllm_max_model_length": max_prompt_tokens + part.max_tokens,
        "generation_kwargs": {"logit_bias": dict.fromkeys(forbidden, -100.0)},
    }


def _refuse_missing_vllm() -> None:
    if find_spec("vllm") is None:
        raise MissingExtraError("vllm", "vllm")
    if not torch.cuda.is_available():
        raise UsageError("grpo.vllm = true needs a GPU and this machine has none; set it to false")


def _taking_views(processor: Any) -> Any:
    """A copy of the processor for TRL's trainer, which leaves views as they are and pads on the left."""
    taking = copy.deepcopy(processor)
    for name, value in UNCHANGED.items():
        setattr(taking.image_processor, name, value)
    taking.tokenizer.padding_side = "left"
    return taking
