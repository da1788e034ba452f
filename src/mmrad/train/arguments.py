"""What supervised and reinforcement learning tell TRL in the same way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from mmrad.errors import UsageError
from mmrad.train.devices import has_fast_bf16
from mmrad.train.recipe import Optimisation


def common_arguments(part: Optimisation, folder: Path) -> dict[str, Any]:
    """Keyword arguments that TRL's `SFTConfig` and `GRPOConfig` share.

    Batch sizes are not among them, see `split_batch`; nor are the reports to TensorBoard, which need a
    folder that transformers takes from the environment only, see `mmrad.train.callbacks.TensorBoard`.

    Args:
        part: The recipe's `[sft]` or `[grpo]`.
        folder: Of the training; checkpoints come into `checkpoints/`.
    """
    return {
        "output_dir": str(folder / "checkpoints"),
        "max_steps": part.steps or -1,
        "num_train_epochs": part.epochs,
        "learning_rate": part.learning_rate,
        "lr_scheduler_type": part.schedule,
        # Below 1 it is a share of all updates.
        "warmup_steps": part.warmup,
        "weight_decay": part.weight_decay,
        "max_grad_norm": part.max_grad_norm,
        "seed": part.seed,
        "data_seed": part.seed,
        "bf16": has_fast_bf16(),
        "use_cpu": not torch.cuda.is_available(),
        "activation_checkpointing": False,
        "save_steps": part.save_steps,
        "save_total_limit": 2,
        "logging_steps": part.logging_steps,
        "logging_first_step": True,
        # `StopAtNaN` ends the training; a filter would write a mean in place of what was found.
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "remove_unused_columns": False,
        "dataloader_num_workers": part.workers,
        "dataloader_pin_memory": torch.cuda.is_available(),
    }


def split_batch(batch: int, micro_batch: int) -> tuple[int, int]:
    """How a batch over all devices is made: sequences at once on each device, and how often before an update.

    Args:
        batch: Sequences of an update, over all devices.
        micro_batch: At most this many at once on each device; the largest number that divides evenly
            is taken.

    Raises:
        UsageError: When the devices cannot share the batch evenly.
    """
    devices = int(os.environ.get("WORLD_SIZE", "1"))
    if batch % devices:
        raise UsageError(
            f"a batch of {batch} sequences cannot be shared evenly by {devices} devices; "
            f"choose a multiple of {devices}"
        )
    share = batch // devices
    at_once = next(size for size in range(min(micro_batch, share), 0, -1) if share % size == 0)
    return at_once, share // at_once
