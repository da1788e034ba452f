"""Which families of models mmrad loads itself, in which convention each writes boxes, how it takes views.

Declared, never guessed: a model of another type is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmrad.coordinates import CoordinateSpace
from mmrad.errors import ProviderError, UsageError

UNCHANGED: Mapping[str, Any] = {"do_resize": False}
"""Options of a processor that takes views as they are: they have the size the model needs, and a second
resize would move every coordinate."""


@dataclass(frozen=True, slots=True)
class Family:
    """A family of models.

    Attributes:
        space: The convention in which it writes boxes.
        processing: Options of its processor in transformers.
    """

    space: CoordinateSpace
    processing: Mapping[str, Any] = field(default_factory=dict)

    def space_for(self, asked: CoordinateSpace | None, model: str) -> CoordinateSpace:
        """The convention to ask in: the one asked for, else the family's.

        Args:
            asked: What the user says, for a model that was trained to another convention.
            model: Its name, for messages.

        Raises:
            UsageError: For pixels of the view with a processor that resizes views: the model never sees them.
        """
        if asked is CoordinateSpace.VIEW and self.processing != UNCHANGED:
            raise UsageError(
                f"{model}: its processor resizes every view, so that pixels of the view mean nothing to it; "
                f"leave --space out (it is {self.space.value})"
            )
        return asked or self.space


_QWEN2 = Family(CoordinateSpace.VIEW, UNCHANGED)  # QwenLM/Qwen3-VL, issues 676 and 940
_THOUSAND = Family(CoordinateSpace.THOUSAND)

FAMILIES: Mapping[str, Family] = {
    "qwen2_vl": _QWEN2,
    "qwen2_5_vl": _QWEN2,
    "qwen3_vl": _THOUSAND,  # QwenLM/Qwen3-VL, README and issue 1741
    "qwen3_vl_moe": _THOUSAND,
    "internvl": _THOUSAND,  # OpenGVLab/InternVL, issues 227, 285, 1009; InternVL3 and 3.5 as -HF
    "glm4v": _THOUSAND,  # GLM-4.1V; zai-org/GLM-V, README
    "glm4v_moe": _THOUSAND,  # GLM-4.5V
    # Users report that it imitates Gemini's, no page says so; its crops (pan and scan) would confuse boxes.
    "gemma3": Family(CoordinateSpace.THOUSAND_YX, {"do_pan_and_scan": False}),
    "llama4": _THOUSAND,  # asked for; llama.com names no format
}
"""By `model_type` of a model's `config.json`."""


def family_of(model: str | Path) -> Family:
    """The family of a model by its `config.json`.

    Args:
        model: Folder with the model, or a name on a model hub.

    Raises:
        ProviderError: When there is no such file, or it names none of `FAMILIES`.
    """
    from transformers import PreTrainedConfig

    reason = "its config.json says no model_type"
    try:
        model_type = PreTrainedConfig.get_config_dict(model)[0].get("model_type")
    except (OSError, ValueError) as error:
        model_type, reason = None, str(error).strip().partition("\n")[0]
    if model_type is None:
        raise ProviderError(f"cannot load the model {str(model)!r}: {reason}; give a folder with its files")
    if found := FAMILIES.get(model_type):
        return found
    remedy = (
        "take its twin for transformers, whose name ends in -HF"
        if model_type == "internvl_chat"
        else "serve it behind an OpenAI-compatible endpoint and say its convention with --space"
    )
    raise ProviderError(
        f"{str(model)!r} is a model of the type {model_type!r}; mmrad knows how to ask and read only "
        f"{', '.join(FAMILIES)}: {remedy}"
    )
