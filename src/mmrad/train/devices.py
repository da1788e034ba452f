"""What trainings do differently on a GPU and on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def has_fast_bf16() -> bool:
    """Whether bfloat16 is faster than float32 here: on GPUs, and on CPUs with its own instructions."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def weights_dtype(*, frozen: bool) -> torch.dtype:
    """In which precision the weights of the base are kept.

    Args:
        frozen: Whether they are not trained. Those that are need float32: in bfloat16 most updates are
            smaller than half a unit in the last place, and lost.
    """
    return torch.bfloat16 if frozen and torch.cuda.is_available() and has_fast_bf16() else torch.float32


def fit_to_device(model: Any) -> None:
    """Choose the kernels whose backward pass is the faster one on this machine; GPUs have them by default."""
    if torch.cuda.is_available():
        return
    # The backward pass of fused attention is the slower one on CPUs.
    model.set_attn_implementation("eager")
    if hasattr(getattr(model.model, "visual", None), "patch_embed"):
        use_linear_patches(model.model.visual)


def use_linear_patches(visual: Any) -> None:
    """Compute the patch embedding of a vision tower as the matrix product it is.

    Its Conv3d has a kernel as large as its stride; the backward pass of that convolution takes half a
    training step on a CPU, the same product as a linear layer almost nothing.
    """
    embed = visual.patch_embed

    def forward(patches: torch.Tensor) -> torch.Tensor:
        weight = embed.proj.weight
        return functional.linear(patches.reshape(-1, weight[0].numel()).to(weight.dtype), weight.flatten(1))

    embed.forward = forward
