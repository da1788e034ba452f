"""Tiny random models of the families that mmrad loads, with their real processors, written into folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing
from transformers import (
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3Processor,
    Glm4vConfig,
    Glm4vForConditionalGeneration,
    Glm4vProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    Llama4Config,
    Llama4ForConditionalGeneration,
    Llama4ImageProcessor,
    Llama4Processor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    set_seed,
)

SPECIAL = ("<pad>", "<bos>", "<end>", "<start>", "<stop>", "<image>", "<video>", "<other>")
"""<start>, <image> and <stop> stand around and for images; <other> also ends answers."""

LLAMA = tuple(
    f"<|{name}|>"
    for name in ("image", "patch", "image_start", "image_end", "tile_x_separator", "tile_y_separator")
)
"""What Llama's processor calls them; it takes no other names."""

TEXTS = (
    "<think>no spot differs</think><answer>Yes. {'bbox_2d': [0, 10, 250, 999], 'label': 'dent'}</answer> No",
) * 9

LANGUAGE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 8192,
}


def _template(image: str) -> str:
    return (
        "{{ bos_token }}{% for message in messages %}[{{ message['role'] }}] "
        "{% for part in message['content'] %}"
        "{% if part['type'] == 'image' %}" + image + "{% else %}{{ part['text'] }}{% endif %}"
        "{% endfor %}<end>{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
    )


def _tokenizer(**named: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE that begins each text with <bos>, as the tokenizers of Gemma and Llama do."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=[*SPECIAL, *LLAMA], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<bos>",
        eos_token="<end>",
        pad_token="<pad>",
        extra_special_tokens=named,
    )


def _qwen2_5_vl(ids: dict[str, int]) -> tuple[Any, Any]:
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
              "patch_size": 14, "fullatt_block_indexes": [0]}  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config={**LANGUAGE, "vocab_size": ids["size"], "rope_parameters": rope},
        vision_config=vision,
        image_token_id=ids["<image>"],
        video_token_id=ids["<video>"],
        vision_start_token_id=ids["<start>"],
        vision_end_token_id=ids["<stop>"],
    )
    tokenizer = _tokenizer(image_token="<image>", video_token="<video>")
    template = _template("<start><image><stop>")
    images = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=28 * 28 * 4)  # smaller than the views
    processor = Qwen2_5_VLProcessor(images, tokenizer, Qwen2VLVideoProcessor(), chat_template=template)
    return Qwen2_5_VLForConditionalGeneration(config), processor


def _qwen3_vl(ids: dict[str, int]) -> tuple[Any, Any]:
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [4, 2, 2]}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
              "patch_size": 16, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}  # fmt: skip
    config = Qwen3VLConfig(
        text_config={**LANGUAGE, "vocab_size": ids["size"], "rope_parameters": rope},
        vision_config=vision,
        image_token_id=ids["<image>"],
        video_token_id=ids["<video>"],
        vision_start_token_id=ids["<start>"],
        vision_end_token_id=ids["<stop>"],
    )
    names = {"vision_start_token": "<start>", "vision_end_token": "<stop>"}
    tokenizer = _tokenizer(image_token="<image>", video_token="<video>", **names)
    template = _template("<start><image><stop>")
    images = Qwen2VLImageProcessor(patch_size=16, min_pixels=32 * 32, max_pixels=32 * 32 * 64)
    video = Qwen3VLVideoProcessor()
    return Qwen3VLForConditionalGeneration(config), Qwen3VLProcessor(images, tokenizer, video, template)


def _internvl(ids: dict[str, int]) -> tuple[Any, Any]:
    vision = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32,
              "image_size": [28, 28], "patch_size": [14, 14]}  # fmt: skip
    config = InternVLConfig(
        text_config={**LANGUAGE, "vocab_size": ids["size"], "model_type": "qwen2"},
        vision_config=vision,
        image_token_id=ids["<image>"],
        image_seq_length=1,
    )
    names = {"start_image_token": "<start>", "end_image_token": "<stop>", "context_image_token": "<image>"}
    tokenizer = _tokenizer(video_token="<video>", **names)
    from transformers import GotOcr2ImageProcessor, InternVLVideoProcessor

    images = GotOcr2ImageProcessor(size={"height": 28, "width": 28}, min_patches=1, max_patches=4)
    video = InternVLVideoProcessor()
    made = InternVLProcessor(images, tokenizer, video, image_seq_length=1, chat_template=_template("<image>"))
    return InternVLForConditionalGeneration(config), made


def _gemma3(ids: dict[str, int]) -> tuple[Any, Any]:
    from transformers import Gemma3ImageProcessor

    vision = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 56, "patch_size": 14}  # fmt: skip
    config = Gemma3Config(
        text_config={**LANGUAGE, "vocab_size": ids["size"]},
        vision_config=vision,
        mm_tokens_per_image=4,
        boi_token_index=ids["<start>"],
        eoi_token_index=ids["<stop>"],
        image_token_index=ids["<image>"],
    )
    tokenizer = _tokenizer(image_token="<image>", boi_token="<start>", eoi_token="<stop>")
    images = Gemma3ImageProcessor(size={"height": 56, "width": 56}, do_pan_and_scan=True)
    made = Gemma3Processor(images, tokenizer, chat_template=_template("<start>"), image_seq_length=4)
    return Gemma3ForConditionalGeneration(config), made


def _glm4v(ids: dict[str, int]) -> tuple[Any, Any]:
    from transformers import Glm4vImageProcessor, Glm4vVideoProcessor

    rope = {
        "rope_type": "default",
        "rope_theta": 1e4,
        "mrope_section": [2, 1, 1],
        "partial_rotary_factor": 0.5,
    }
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 32,
              "image_size": 56, "patch_size": 14}  # fmt: skip
    text = {name: value for name, value in LANGUAGE.items() if name != "head_dim"}
    config = Glm4vConfig(
        text_config={**text, "vocab_size": ids["size"], "rope_parameters": rope},
        vision_config=vision,
        image_token_id=ids["<image>"],
        video_token_id=ids["<video>"],
        image_start_token_id=ids["<start>"],
        image_end_token_id=ids["<stop>"],
    )
    tokenizer = _tokenizer(image_token="<image>", video_token="<video>")
    template = _template("<start><image><stop>")
    made = Glm4vProcessor(Glm4vImageProcessor(), tokenizer, Glm4vVideoProcessor(), template)
    return Glm4vForConditionalGeneration(config), made


def _llama4(ids: dict[str, int]) -> tuple[Any, Any]:
    vision = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 56, "patch_size": 14, "vision_output_dim": 32, "projector_input_dim": 32,
              "projector_output_dim": 32}  # fmt: skip
    config = Llama4Config(
        text_config={
            **LANGUAGE,
            "vocab_size": ids["size"],
            "intermediate_size_mlp": 64,
            "num_local_experts": 2,
        },
        vision_config=vision,
        boi_token_index=ids["<|image_start|>"],
        eoi_token_index=ids["<|image_end|>"],
        image_token_index=ids["<|patch|>"],
    )
    images = Llama4ImageProcessor(size={"height": 56, "width": 56}, max_patches=4)
    made = Llama4Processor(images, _tokenizer(), chat_template=_template("<|image|>"))
    return Llama4ForConditionalGeneration(config), made


FAMILIES: dict[str, Callable[[dict[str, int]], tuple[Any, Any]]] = {
    "qwen2_5_vl": _qwen2_5_vl,
    "qwen3_vl": _qwen3_vl,
    "internvl": _internvl,
    "gemma3": _gemma3,
    "glm4v": _glm4v,
    "llama4": _llama4,
}


def write_tiny(family: str, folder: Path) -> Path:
    """Write a model of that family with its processor; answers end with <end> or <other>."""
    set_seed(7)
    plain = _tokenizer()
    ids = {token: plain.convert_tokens_to_ids(token) for token in (*SPECIAL, *LLAMA)}
    model, processor = FAMILIES[family]({**ids, "size": len(plain)})
    model.generation_config.eos_token_id = [ids["<other>"], ids["<end>"]]
    model.generation_config.pad_token_id = ids["<pad>"]
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
