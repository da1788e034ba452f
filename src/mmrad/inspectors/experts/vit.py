"""anomalib's models of a frozen vision transformer, made around one whose weights are already here."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import nn


def model_around(
    network: Any, architecture: str, module: ModuleType, name: str, *, seed: int, **options: Any
) -> nn.Module:
    """An untrained model of anomalib whose frozen encoder is a given network.

    anomalib makes the encoder itself, with weights that it always fetches from the hub, and knows only some
    shapes, by the encoder's name. Both are replaced while the model is made: by one thread at a time.

    Args:
        network: A vision transformer with all its weights, see `mmrad.features.load_backbone`.
        architecture: Its name in timm.
        module: Where the model is defined in anomalib.
        name: Of its class there.
        seed: Seed of its first parameters; torch's own random numbers go on as if none had been drawn.
        options: The model's own, besides its encoder.

    Returns:
        The model; its `encoder.feature_extractor` is `network`.
    """
    model_class, extractor_class = getattr(module, name), module.TimmFeatureExtractor
    shape = shape_of(network)

    def extractor(**wanted: Any) -> nn.Module:
        with torch.device("meta"):  # the network that it makes is dropped at once
            made: nn.Module = extractor_class(**wanted | {"pre_trained": False})
        made.feature_extractor = network
        return made

    with (
        torch.random.fork_rng(devices=[]),
        patch.object(module, "TimmFeatureExtractor", extractor),
        patch.object(model_class, "_get_architecture_config", staticmethod(lambda *_: shape)),
    ):
        torch.manual_seed(seed)
        model: nn.Module = model_class(architecture, target_layers=shape["target_layers"], **options)
        _initialise(trained_part(model))
    return model


def shape_of(network: Any) -> dict[str, Any]:
    """What anomalib wants to know of a vision transformer, and the blocks whose tokens are rebuilt."""
    stride = len(network.blocks) // 12
    return {
        "embed_dim": network.embed_dim,
        "num_heads": network.blocks[0].attn.num_heads,
        # Eight in the middle, as published: every one of 12, every second of 24.
        "target_layers": list(range(2 * stride, 10 * stride, stride)),
    }


def trained_part(model: nn.Module) -> nn.ModuleDict:
    """All that has parameters besides the encoder, under anomalib's names."""
    parts = dict(model.named_children())
    del parts["encoder"]
    return nn.ModuleDict({name: part for name, part in parts.items() if list(part.parameters())})


def _initialise(part: nn.Module) -> None:
    """The first parameters of linear layers and norms, as published."""
    for module in part.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.01, a=-0.03, b=0.03)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
        if isinstance(module, nn.Linear | nn.LayerNorm) and module.bias is not None:
            nn.init.zeros_(module.bias)
