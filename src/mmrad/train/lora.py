"""Low-rank adapters of the language model (paper, Appendix D)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from mmrad.errors import UsageError
from mmrad.train.devices import fit_to_device, weights_dtype
from mmrad.train.models import load_model
from mmrad.train.recipe import Base, Lora


def load_trained(base: Base | None, start: str | Path, *, seed: int) -> tuple[Any, Any]:
    """A model ready to be trained, and its processor.

    Args:
        base: The recipe's `[base]`; its `lora` gives the model adapters, without it all weights are trained.
        start: Folder of the model, or its name on a model hub.
        seed: Seed of the adapters.

    Raises:
        ProviderError: When there is no such model.
        UsageError: When the adapters do not fit it.
    """
    lora = base.lora if base else None
    model, processor = load_model(start, dtype=weights_dtype(frozen=lora is not None))
    fit_to_device(model)
    if lora:
        torch.manual_seed(seed)
        model = with_adapters(model, lora)
    return model, processor


def with_adapters(model: Any, lora: Lora) -> PeftModel:
    """The model with fresh adapters, which alone are trained.

    Args:
        model: A loaded model; its layers are replaced in place.
        lora: The adapters.

    Raises:
        UsageError: When `lora.targets` matches no module of the model, or one without weights to adapt.
    """
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise UsageError(
            f"base.lora.targets = {lora.targets!r} does not fit the model {type(model).__name__}: "
            f"{str(error).partition(chr(10))[0]}"
        ) from error


def merged(model: PeftModel) -> Any:
    """The plain model with the adapters added to its weights; the given one is used up.

    Raises:
        ValueError: When an adapter holds numbers that are not finite.
    """
    return model.merge_and_unload(safe_merge=True)
