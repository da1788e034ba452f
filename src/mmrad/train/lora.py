"""Low-rank adapters of the language model (paper, Appendix D)."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig, PeftModel, get_peft_model

from mmrad.errors import UsageError
from mmrad.train.recipe import Lora


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
