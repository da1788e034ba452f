"""Whole frozen networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrad.errors import MissingExtraError, UsageError
from mmrad.features.backbones import BACKBONES, Backbone
from mmrad.features.weights import Weights, load_weights

if TYPE_CHECKING:
    import torch


def load_backbone(name: str, weights: Path | None = None) -> tuple[torch.nn.Module, Weights]:
    """A whole network with its weights, on the CPU, for evaluation, without gradients.

    It wants images normalised by its `Backbone.statistics`. A `vit` takes images of any size that its patches
    divide: its position embeddings are resampled from those of its own size.

    Args:
        name: A name of `BACKBONES`.
        weights: A file with its weights, see `load_weights`, or DINOv2's own file; None for those of its
            package or the hub.

    Raises:
        UsageError: When there is no such network, or the file does not fit it.
        MissingExtraError: When a package is not installed.
        ProviderError: When the weights cannot be had; it says which file to put where.
    """
    backbone = known_backbone(name)
    try:
        import timm
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "timm", "local") from None
    found = load_weights(backbone, weights)
    any_size: dict[str, Any] = {"dynamic_img_size": True} if backbone.kind == "vit" else {}
    with torch.device("meta"):  # the weights it would be made with take seconds of a large network
        model: torch.nn.Module = timm.create_model(backbone.timm, **any_size)
    if backbone.kind == "vit" and "mask_token" in found.tensors:  # in the names of DINOv2's authors
        from timm.models.vision_transformer import checkpoint_filter_fn

        network: Any = model
        found = replace(found, tensors=checkpoint_filter_fn(dict(found.tensors), network))
    misfit = _misfit(model.state_dict(), found.tensors)
    if misfit:
        raise UsageError(f"{weights or found.tag}: not the weights of {backbone.timm}: {misfit}")
    model.load_state_dict(found.tensors, assign=True)
    return model.requires_grad_(False).eval(), found


def known_backbone(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        UsageError: When there is none; the message names those there are.
    """
    if name not in BACKBONES:
        raise UsageError(f"no backbone {name!r}; there are {', '.join(BACKBONES)}")
    return BACKBONES[name]


def _misfit(wanted: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> str | None:
    """The first difference between two sets of weights in words, in the network's order; None for none."""
    for key in wanted:
        if key.endswith("num_batches_tracked"):  # a counter of training, which older files lack
            continue
        if key not in found:
            return f"it has no {key}"
        if wanted[key].shape != found[key].shape:
            return f"its {key} is {tuple(found[key].shape)}, not {tuple(wanted[key].shape)}"
    more = next((key for key in found if key not in wanted), None)
    return more and f"it has {more}, which the network has not"
