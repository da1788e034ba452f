"""The vision tower over many small images at once, for the pretraining of nano models.

The tower of Qwen2.5-VL attends within one image after the other and works out positions image by image: with
hundreds of small images a batch that is nearly all of its time on a GPU, and a good part of it on a CPU. Here
images of equal size go through it together, with the same results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    apply_rotary_pos_emb_vision,
    eager_attention_forward,
)
from transformers.vision_utils import get_vision_position_ids

from mmrad.image import RGB
from mmrad.train.devices import use_linear_patches

Images = dict[str, torch.Tensor]
"""Images by size: `HEIGHTxWIDTH` to shape `(n, 3, H, W)`, uint8; and `order`, see `gathered`."""


def gathered(images: Sequence[RGB]) -> Images:
    """Images grouped by size.

    Returns:
        Beside the groups, `order`: for each image its place in the groups, one group after the other.
    """
    groups: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault(f"{image.shape[0]}x{image.shape[1]}", []).append(index)
    stacked = {
        size: torch.from_numpy(np.stack([images[index] for index in indices])).permute(0, 3, 1, 2)
        for size, indices in groups.items()
    }
    places = [index for indices in groups.values() for index in indices]
    return {**stacked, "order": torch.tensor(np.argsort(places))}


def see(visual: Any, image_processor: Any, images: Images) -> list[torch.Tensor]:
    """What the vision tower makes of images.

    Args:
        visual: The tower, see `prepare_tower`.
        image_processor: That of the model.
        images: From `gathered`.

    Returns:
        For each image, in the order in which they were given, its tokens, shape `(tokens, width)`.
    """
    seen: list[torch.Tensor] = []
    for size, group in images.items():
        if size != "order":
            seen += _see_equal(visual, image_processor, group)
    return [seen[place] for place in images["order"].tolist()]


def _see_equal(visual: Any, image_processor: Any, images: torch.Tensor) -> list[torch.Tensor]:
    patches = image_processor(
        images, do_resize=False, input_data_format="channels_first", return_tensors="pt"
    )["pixel_values"]
    count, side = len(images), visual.config.patch_size
    grid = torch.tensor([[1, images.shape[2] // side, images.shape[3] // side]], device=images.device)
    tokens = len(patches) // count // visual.spatial_merge_unit
    bounds = torch.arange(count + 1, dtype=torch.int32, device=images.device) * (len(patches) // count)
    seen = visual(
        patches,
        grid_thw=grid.expand(count, 3),
        position_ids=get_vision_position_ids(grid, visual.spatial_merge_size).repeat(count, 1),
        cu_seqlens=bounds,
        # Windows as large as images: every layer attends to whole ones, see `build_nano`.
        window_index=torch.arange(count * tokens, device=images.device),
        cu_window_seqlens=bounds,
    ).pooler_output
    return list(seen.split(tokens))


def prepare_tower(visual: Any) -> None:
    """Let a vision tower whose layers all attend to whole images compute in large steps; results stay equal.

    Args:
        visual: The tower of a nano model; from here on it takes images of equal size only, see `see`.
    """
    use_linear_patches(visual)
    for block in visual.blocks:
        block.attn.forward = _Attention(block.attn)


class _Attention:
    """Attention within each of `n` images of equal size, as one product; by the kernel of the model."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(
        self,
        hidden_states: torch.Tensor,
        cu_seqlens: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        **_: Any,
    ) -> torch.Tensor:
        layer, count = self.layer, len(cu_seqlens) - 1
        length = len(hidden_states)
        query, key, value = layer.qkv(hidden_states).reshape(length, 3, layer.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (
            states.reshape(count, length // count, layer.num_heads, -1).transpose(1, 2)
            for states in (query, key, value)
        )
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(
            layer.config._attn_implementation, eager_attention_forward
        )
        attended, _ = attend(
            layer, query, key, value, attention_mask=None, scaling=layer.scaling, is_causal=False
        )
        mixed: torch.Tensor = layer.proj(attended.reshape(length, -1))
        return mixed
