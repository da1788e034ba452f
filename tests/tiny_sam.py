"""Segment Anything models of a few thousand random weights, with their processors, for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers as hf

SIDE = 64
"""Side in pixels of the square that the tiny models see."""

KINDS = ("sam", "sam_hq", "sam2", "sam2_video")


def save_tiny_sam(folder: Path, kind: str) -> Path:
    """Write a model of one of `KINDS` with its processor into a folder."""
    torch.manual_seed(0)
    model, processor = _sam2(kind) if kind.startswith("sam2") else _sam(kind)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _sam(kind: str) -> tuple[Any, Any]:
    names = {"sam": "Sam", "sam_hq": "SamHQ"}

    def named(rest: str) -> Any:
        return getattr(hf, names[kind] + rest)

    vision = named("VisionConfig")(
        hidden_size=16, output_channels=8, num_hidden_layers=2, num_attention_heads=2, image_size=SIDE,
        patch_size=8, mlp_dim=32, window_size=4, global_attn_indexes=[1], num_pos_feats=4,
    )  # fmt: skip
    prompts = named("PromptEncoderConfig")(
        hidden_size=8, image_size=SIDE, patch_size=8, mask_input_channels=4
    )
    decoder = named("MaskDecoderConfig")(
        hidden_size=8, mlp_dim=16, num_attention_heads=2, iou_head_hidden_dim=8,
        **({"vit_dim": 16} if kind == "sam_hq" else {}),
    )  # fmt: skip
    config = named("Config")(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    images = hf.SamImageProcessor(
        size={"longest_edge": SIDE}, pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE // 4}, mask_pad_size={"height": SIDE // 4, "width": SIDE // 4},
    )  # fmt: skip
    return named("Model")(config), named("Processor")(images)


def _sam2(kind: str) -> tuple[Any, Any]:
    backbone = hf.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[SIDE, SIDE], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4], global_attention_blocks=[3],
        window_positional_embedding_background_size=[2, 2],
    )  # fmt: skip
    vision = hf.Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[64, 32, 16, 8],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]], fpn_hidden_size=32,
    )  # fmt: skip
    video = kind == "sam2_video"
    prompts = (hf.Sam2VideoPromptEncoderConfig if video else hf.Sam2PromptEncoderConfig)(
        hidden_size=32, image_size=SIDE, patch_size=16, mask_input_channels=4
    )
    decoder = (hf.Sam2VideoMaskDecoderConfig if video else hf.Sam2MaskDecoderConfig)(
        hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
    )
    parts = {
        "vision_config": vision,
        "prompt_encoder_config": prompts,
        "mask_decoder_config": decoder,
    }
    images = hf.Sam2ImageProcessor(
        size={"height": SIDE, "width": SIDE}, mask_size={"height": 16, "width": 16}
    )
    if not video:
        return hf.Sam2Model(hf.Sam2Config(**parts)), hf.Sam2Processor(images, target_size=SIDE)
    config = hf.Sam2VideoConfig(
        **parts, image_size=SIDE, memory_attention_hidden_size=32, memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32, memory_encoder_hidden_size=32,
        memory_encoder_output_channels=8, mask_downsampler_embed_dim=32, memory_fuser_num_layers=1,
        memory_fuser_embed_dim=32, memory_fuser_intermediate_dim=32,
        memory_attention_rope_feat_sizes=[4, 4],
    )  # fmt: skip
    return hf.Sam2VideoModel(config), hf.Sam2Processor(images, target_size=SIDE)
