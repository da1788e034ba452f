"""How much memory a training will take on each device, from a model's configuration alone.

Weights, gradients and the two moments of AdamW are counted exactly. What the forward pass keeps for the
backward pass is, for each token and layer of width h, with queries of width q, keys and values of width k and
an MLP of width m, computed in c bytes a number:

    26 h + 2 c (q + k) + 4 c m

The count follows Korthikanti et al. 2022 (arXiv 2205.05198, section 4) with the layer of Qwen2.5 in the
place of GPT's: two norms that keep their input and its normalised form in float32, and their output once for
each of the linear layers that read it; queries, keys, values and the attended values; gate, its activation,
up and their product. Attention itself keeps nothing that grows with the square of the length where it is
fused, as on GPUs; elsewhere it keeps the probabilities. With checkpointing only the input of each layer is
kept, and one layer at a time is computed again. Logits never exist as a whole: TRL computes them in tiles.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from mmrad.errors import ProviderError, UsageError
from mmrad.train.arguments import split_batch
from mmrad.train.devices import has_fast_bf16
from mmrad.train.lora import with_adapters
from mmrad.train.models import located
from mmrad.train.recipe import Lora, Recipe
from mmrad.train.reinforcement.presets import preset_arguments
from mmrad.view import FACTOR

VLLM_SHARE = 0.3
"""The share of a GPU that vLLM takes unless told otherwise (TRL, `vllm_gpu_memory_utilization`)."""

_GB = 1e9

_TEXT_TOKENS = 512
"""More than the text of a prompt has, unless it tells much domain knowledge."""


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes on each device.

    Attributes:
        parameters: Parameters of the model, adapters included.
        trainable: Those that are trained.
        weights: All parameters as they are kept.
        copies: Weights in the precision of the computation, kept from the forward to the backward pass.
        reference: The second model that divergence is measured from; adapters need none.
        gradients: Of the trained parameters, in float32.
        optimizer: The two moments of AdamW, in float32.
        activations: What one micro-batch of the longest sequences keeps for the backward pass.
        generation: Keys, values and the largest intermediate result while responses are sampled.
        available: What the device has; None without a GPU.
        rollout: Patches of the images of all responses, in float32, which TRL keeps while a rollout is used.
    """

    parameters: int
    trainable: int
    weights: int
    copies: int
    reference: int
    gradients: int
    optimizer: int
    activations: int
    generation: int
    available: int | None
    rollout: int = 0

    @property
    def total(self) -> int:
        """The larger of what an update and what sampling takes; neither needs what only the other has."""
        update = self.copies + self.gradients + self.activations
        held = self.weights + self.reference + self.optimizer + self.rollout
        return held + max(update, self.generation)

    @property
    def fits(self) -> bool | None:
        """Whether it fits the device; None without a GPU."""
        return None if self.available is None else self.total <= self.available

    def table(self) -> str:
        """For people, one line a row."""
        share = self.trainable / self.parameters
        rows = [
            f"{'parameters':<24}{self.parameters:>16,}",
            f"{'  trained':<24}{self.trainable:>16,}  ({share:.2%})",
        ]
        parts = (
            *("weights", "copies", "reference", "gradients", "optimizer", "activations", "generation"),
            "rollout",
        )
        rows += [f"{name:<24}{getattr(self, name) / _GB:>13.2f} GB" for name in parts if getattr(self, name)]
        rows.append(f"{'at most, per device':<24}{self.total / _GB:>13.2f} GB")
        if self.available is not None:
            verdict = "fits" if self.fits else "does not fit"
            rows.append(f"{'the device has':<24}{self.available / _GB:>13.2f} GB  ({verdict})")
        return "\n".join(rows)


@dataclass(frozen=True, slots=True)
class Device:
    """What a training runs on.

    Attributes:
        memory: Bytes of a GPU; None for a CPU.
        computed: Bytes of a number in the forward pass.
    """

    memory: int | None
    computed: int

    @classmethod
    def here(cls) -> Device:
        """The GPU of this machine, or its CPU."""
        gpu = torch.cuda.is_available()
        memory = torch.cuda.get_device_properties(0).total_memory if gpu else None
        return cls(memory, 2 if has_fast_bf16() else 4)

    @classmethod
    def gpu(cls, memory: int) -> Device:
        """A GPU that computes in bfloat16, to plan for elsewhere; `memory` in bytes."""
        return cls(memory, 2)


def estimate(
    recipe: Recipe, stage: Literal["sft", "grpo"], model: str | Path, device: Device | None = None
) -> MemoryEstimate:
    """Estimate the memory of a stage; no weights are loaded.

    Fragmentation, the context of CUDA (about 0.5 GB) and buffers of communication come on top.

    Args:
        recipe: The recipe.
        stage: Which of its trainings.
        model: Folder with a `config.json`, or a name on a model hub.
        device: What it will run on; what there is here by default.

    Raises:
        UsageError: When the recipe has no such stage, or its batch cannot be shared by the devices.
        ProviderError: When there is no such model.
    """
    device = device or Device.here()
    lora = recipe.base.lora if recipe.base else None
    sequences, longest = _micro_batch(recipe, stage)
    config, parameters, trainable = count_parameters(model, lora)
    kept = 2 if lora and device.memory and device.computed == 2 else 4  # see `weights_dtype`
    frozen = parameters - trainable
    part = recipe.grpo if stage == "grpo" else None
    reinforced = part is not None
    diverges = part is not None and preset_arguments(part)["beta"] > 0
    return MemoryEstimate(
        parameters=parameters,
        trainable=trainable,
        weights=frozen * kept + trainable * 4,
        copies=trainable * 2 if device.computed == 2 else 0,
        reference=parameters * kept if diverges and not lora else 0,
        gradients=trainable * 4,
        optimizer=trainable * 8,
        activations=_activations(config, recipe, device, sequences, longest, kept),
        generation=_generation(config, recipe, device, parameters, kept) if reinforced else 0,
        available=device.memory,
        rollout=_responses(recipe) * _patches(config, recipe) * _patch_bytes(config) if reinforced else 0,
    )


def count_parameters(model: str | Path, lora: Lora | None) -> tuple[Any, int, int]:
    """The configuration of a model, its parameters, and how many of them are trained.

    Args:
        model: Folder with a `config.json`, or a name on a model hub.
        lora: Adapters; counted too.

    Raises:
        ProviderError: When there is no such model.
        UsageError: When the adapters fit no layer of it.
    """
    try:
        config = AutoConfig.from_pretrained(located(model))
        with torch.device("meta"):
            built: Any = AutoModelForImageTextToText.from_config(config)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip() or repr(error)).partition("\n")[0]
        raise ProviderError(f"cannot read the configuration of the model {str(model)!r}: {reason}") from error
    if lora:
        built = with_adapters(built, lora)
    weights = list(built.parameters())
    return (
        config,
        sum(one.numel() for one in weights),
        sum(one.numel() for one in weights if one.requires_grad),
    )


@dataclass(frozen=True, slots=True)
class _Layers:
    """Layers of equal shape; widths of hidden states, of queries, of keys or values, and of the MLP."""

    count: int
    width: int
    queries: int
    keys: int
    mlp: int
    heads: int

    def kept(self, tokens: int, length: int, device: Device, residual: int, checkpointing: bool) -> int:
        """Bytes that `tokens` tokens in sequences of some length keep for the backward pass."""
        numbers = 2 * (self.queries + self.keys) + 4 * self.mlp
        layer = 26 * self.width + device.computed * numbers
        if device.memory is None:
            layer += self.heads * length * (6 if device.computed == 2 else 4)
        if checkpointing:
            return tokens * (self.count * self.width * residual + layer)
        return tokens * self.count * layer


def _language(config: Any) -> _Layers:
    text = config.get_text_config()
    heads = text.num_attention_heads
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    keys = text.num_key_value_heads * head
    return _Layers(
        text.num_hidden_layers, text.hidden_size, heads * head, keys, text.intermediate_size, heads
    )


def _vision(config: Any) -> _Layers:
    tower = config.vision_config
    depth = getattr(tower, "depth", None) or tower.num_hidden_layers
    heads = getattr(tower, "num_heads", None) or tower.num_attention_heads
    width = tower.hidden_size
    return _Layers(depth, width, width, width, tower.intermediate_size, heads)


def _micro_batch(recipe: Recipe, stage: str) -> tuple[int, int]:
    """How many sequences are in memory at once, and the longest that there may be."""
    part = recipe.sft if stage == "sft" else recipe.grpo
    if part is None:
        raise UsageError(f"the recipe {recipe.name!r} has no [{stage}] table")
    if stage == "sft" and recipe.sft:
        return (
            split_batch(recipe.sft.batch, part.micro_batch)[0],
            _longest_prompt(recipe) + recipe.asking.max_tokens,
        )
    assert recipe.grpo is not None
    update = recipe.grpo.prompts * recipe.grpo.responses // recipe.grpo.updates
    return split_batch(update, part.micro_batch)[0], _longest_prompt(recipe) + recipe.grpo.max_tokens


def _longest_prompt(recipe: Recipe) -> int:
    """Tokens of a prompt, at most: its images, and room for the text about them."""
    images = 2 if recipe.data.references else 1
    cells = images * recipe.asking.max_pixels // FACTOR**2
    return min(recipe.data.max_prompt_tokens, cells + _TEXT_TOKENS)


def _activations(
    config: Any, recipe: Recipe, device: Device, sequences: int, longest: int, residual: int
) -> int:
    checkpointing = recipe.base is not None and recipe.base.checkpointing
    tokens = sequences * longest
    kept = _language(config).kept(tokens, longest, device, residual, checkpointing)
    if recipe.base is None or recipe.base.lora is None:
        image = recipe.asking.max_pixels // _patch_side(config) ** 2
        patches = sequences * _patches(config, recipe)
        kept += _vision(config).kept(patches, image, device, residual, checkpointing)
    return kept


def _generation(config: Any, recipe: Recipe, device: Device, parameters: int, kept: int) -> int:
    """Sampling all responses of a rollout at once, as TRL does; vLLM takes a share of the device instead."""
    assert recipe.grpo is not None
    if recipe.grpo.vllm:
        return max(2 * parameters, int(VLLM_SHARE * (device.memory or 0)))
    layers, prompt = _language(config), _longest_prompt(recipe)
    cache = 2 * layers.count * layers.keys * kept * (prompt + recipe.grpo.max_tokens)
    prefill = 3 * layers.mlp * kept * prompt  # gate, up and their product, of one layer
    return _responses(recipe) * (cache + prefill)


def _responses(recipe: Recipe) -> int:
    """Responses of a rollout on each device."""
    assert recipe.grpo is not None
    return recipe.grpo.prompts * recipe.grpo.responses // int(os.environ.get("WORLD_SIZE", "1"))


def _patches(config: Any, recipe: Recipe) -> int:
    """Patches of the images of a prompt, at most."""
    images = 2 if recipe.data.references else 1
    return images * (recipe.asking.max_pixels // _patch_side(config) ** 2)


def _patch_side(config: Any) -> int:
    side = config.vision_config.patch_size
    return int(side if isinstance(side, int) else side[0])


def _patch_bytes(config: Any) -> int:
    """Of a patch in float32; images count as videos of two equal frames."""
    return 4 * 3 * int(getattr(config.vision_config, "temporal_patch_size", 1)) * _patch_side(config) ** 2
