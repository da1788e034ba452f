"""The vision tower over many small images at once, for the pretraining of nano models.

The tower of Qwen2.5-VL attends within one image after the other and works out positions image by image: with
hundreds of small images a batch that is nearly all of its time on a GPU, and a good part of it on a CPU. Here
images go through it together, those of fewer patches filled up, with the same results.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    apply_rotary_pos_emb_vision,
    eager_attention_forward,
)

from mmrad.train.pretraining.patches import MERGED, Patches, places


def see(visual: Any, image_processor: Any, patches: Patches) -> torch.Tensor:
    """What the vision tower makes of images.

    Args:
        visual: The tower, see `prepare_tower`.
        image_processor: That of the model.
        patches: The images.

    Returns:
        Their tokens, shape `(N, L / 4, width)`; those that fill up mean nothing.
    """
    pixels, grids = patches["pixels"], patches["grids"]
    count, length = pixels.shape[:2]
    at, inside = places(grids, length)
    states = _embedded(visual.patch_embed.proj.weight, image_processor, pixels).flatten(0, 1)
    turns = visual.rotary_pos_emb(states, at.flatten(0, 1))
    for block in visual.blocks:
        states = block(states, cu_seqlens=None, position_embeddings=turns, inside=inside)
    merged: torch.Tensor = visual.merger(states)
    return merged.reshape(count, length // MERGED, -1)


def _embedded(weight: torch.Tensor, image_processor: Any, pixels: torch.Tensor) -> torch.Tensor:
    """The patch embedding as the matrix product that it is: its Conv3d is slow, above all backwards.

    An image is a video of two equal frames to the tower, so that the weights of both frames add up.
    """
    mean, deviation = (
        torch.tensor(values, device=pixels.device)[:, None, None] / image_processor.rescale_factor
        for values in (image_processor.image_mean, image_processor.image_std)
    )
    return functional.linear(((pixels - mean) / deviation).flatten(2), weight.sum(dim=2).flatten(1))


def prepare_tower(visual: Any) -> None:
    """Let a vision tower whose layers all attend to whole images compute in large steps; results stay equal.

    Args:
        visual: The tower of a nano model; from here on it is called by `see` only.
    """
    for block in visual.blocks:
        block.attn.forward = _Attention(block.attn)


class _Attention:
    """Attention within each of N images as one product; by the kernel of the model."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(
        self,
        hidden_states: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        inside: torch.Tensor,
        **_: Any,
    ) -> torch.Tensor:
        layer, (count, length) = self.layer, inside.shape
        query, key, value = layer.qkv(hidden_states).reshape(-1, 3, layer.num_heads, layer.head_dim).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (
            states.reshape(count, length, layer.num_heads, -1).transpose(1, 2)
            for states in (query, key, value)
        )
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            layer.config._attn_implementation, eager_attention_forward
        )
        hidden = torch.zeros(inside.shape, dtype=query.dtype, device=inside.device)
        hidden = hidden.masked_fill(~inside, torch.finfo(query.dtype).min)
        attended, _weights = attend(
            layer,
            query,
            key,
            value,
            attention_mask=hidden[:, None, None].expand(-1, -1, length, -1),
            scaling=layer.scaling,
            is_causal=False,
        )
        mixed: torch.Tensor = layer.proj(attended.reshape(count * length, -1))
        return mixed
