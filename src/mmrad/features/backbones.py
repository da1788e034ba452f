"""The networks whose features are used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALF = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

Statistics = tuple[tuple[float, float, float], tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Backbone:
    """A frozen network.

    Attributes:
        name: What users call it.
        kind: `cnn` gives maps of its stages, `vit` tokens of its blocks.
        timm: Its architecture in timm.
        weights: Tag of its weights on the Hugging Face hub; None for weights that an installed package
            carries.
        statistics: Mean and deviation by which images are normalised, RGB in [0, 1].
        stages: Stages that may be asked for, by stride; empty for a `vit`.
    """

    name: str
    kind: Literal["cnn", "vit"]
    timm: str
    weights: str | None
    statistics: Statistics = _IMAGENET
    stages: tuple[int, ...] = ()

    def normalised(self, pixels: NDArray[np.uint8], device: str) -> torch.Tensor:
        """A batch of images as the network wants it.

        Args:
            pixels: RGB, shape `(N, height, width, 3)`.
            device: Where the batch is put.

        Returns:
            Shape `(N, 3, height, width)`, float32.
        """
        import torch

        mean, deviation = (
            torch.tensor(value, dtype=torch.float32, device=device).view(3, 1, 1) * 255
            for value in self.statistics
        )
        return (torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() - mean) / deviation


_STRIDES = (4, 8, 16)

BACKBONES = {
    one.name: one
    for one in (
        Backbone("lite0", "cnn", "tf_efficientnet_lite0", None, _HALF, _STRIDES),
        # The papers of PaDiM and PatchCore used torchvision's weights, which timm's bare names are not.
        Backbone("resnet18", "cnn", "resnet18", "resnet18.tv_in1k", _IMAGENET, _STRIDES),
        Backbone("wide_resnet50_2", "cnn", "wide_resnet50_2", "wide_resnet50_2.tv_in1k", _IMAGENET, _STRIDES),
        # HGAD's; its repository's old timm meant the AutoAugment weights by the bare name.
        Backbone(
            "efficientnet_b6", "cnn", "tf_efficientnet_b6", "tf_efficientnet_b6.aa_in1k", _IMAGENET, _STRIDES
        ),
        *(
            Backbone(
                f"dinov2_{size}",
                "vit",
                f"vit_{size}_patch14_reg4_dinov2",
                f"vit_{size}_patch14_reg4_dinov2.lvd142m",
            )
            for size in ("small", "base", "large")
        ),
    )
}
