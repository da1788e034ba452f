"""TRL's own GRPO loss of given log-probabilities, without a language model."""

from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from trl import GRPOConfig, GRPOTrainer

from mmrad.train.reinforcement.shaping import ShapedLoss


class _Given:
    """Log-probabilities that are given, in place of a model's."""

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        return self.logps, torch.zeros_like(self.logps), None


class _Trainer(ShapedLoss, _Given, GRPOTrainer):
    def __init__(self, config: GRPOConfig, logps: torch.Tensor, shaping: float) -> None:
        self.args, self.logps, self.shaping = config, logps, shaping
        self.model = SimpleNamespace(training=True)
        self.accelerator = Accelerator(cpu=True)
        for name in (
            "beta", "delta", "importance_sampling_level", "loss_type", "off_policy_mask_threshold",
            "top_entropy_quantile", "use_vllm", "vllm_importance_sampling_correction",
        ):  # fmt: skip
            setattr(self, name, getattr(config, name))
        self.max_completion_length = config.max_completion_length
        self.epsilon_low = config.epsilon
        self.epsilon_high = config.epsilon if config.epsilon_high is None else config.epsilon_high
        self.aux_loss_enabled = self._entropy_bonus_enabled = False
        self.current_gradient_accumulation_steps = config.gradient_accumulation_steps
        self._metrics = {"train": defaultdict(list)}


def trl_loss(
    arguments: dict[str, Any],
    logps: torch.Tensor,
    *,
    old: torch.Tensor,
    reference: torch.Tensor,
    mask: torch.Tensor,
    advantages: torch.Tensor,
    shaped: torch.Tensor | None = None,
    shaping: float = 0.0,
) -> torch.Tensor:
    """The loss of one update whose batch is the whole rollout; matrices of shape `(B, T)`."""
    config = GRPOConfig(
        output_dir="nowhere",
        per_device_train_batch_size=len(logps),
        num_generations=len(logps),
        max_completion_length=16,
        bf16=False,
        use_cpu=True,
        activation_checkpointing=False,
        report_to=[],
        **arguments,
    )
    prompt = torch.ones(len(logps), 1, dtype=torch.long)
    batch = {
        "prompt_ids": prompt,
        "prompt_mask": prompt,
        "completion_ids": torch.zeros_like(mask),
        "completion_mask": mask,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "advantages": advantages,
        "num_items_in_batch": mask.sum(),
        **({} if shaped is None else {"shaped": shaped}),
    }
    return _Trainer(config, logps, shaping)._compute_loss(None, batch)
