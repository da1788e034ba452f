"""anomaly-r1-nano: a Qwen2.5-VL of about 3 million parameters, built from nothing.

It has the classes, the processor and the coordinates of the 7B model, so that all code that serves, measures
and trains the large one runs on a laptop with the small one. Only its tokenizer differs: it is trained on the
texts the model will see, and writes every number below 1000 as one token.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    set_seed,
)

SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>",
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# Words, single numbers of up to three digits, and runs of signs; the tags of the answer grammar stay whole.
_PIECES = (
    r"</?(?:think|answer)>|\{'bbox_2d': \[|\], 'label': '|'\}| ?\p{L}+|\p{N}{1,3}|, | ?[^\s\p{L}\p{N}]|\s+"
)


@dataclass(frozen=True, slots=True)
class NanoSize:
    """Widths and depths of the nano model."""

    text_width: int = 192
    text_layers: int = 4
    text_heads: int = 4
    text_mlp: int = 512
    vision_width: int = 128
    vision_layers: int = 3
    vision_heads: int = 4
    vision_mlp: int = 256
    vocabulary: int = 3072
    rope_theta: float = 10.0
    """Far below the 7B's: sequences are short, and neighbouring image tokens must be told apart."""


def train_tokenizer(texts: Iterable[str], size: NanoSize) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer for the given texts, in which every number below 1000 is one token.

    Args:
        texts: Texts the model will read and write.
        size: Its `vocabulary` bounds the number of tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size.vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    numbers = " ".join(str(number) for number in range(1000))
    tokenizer.train_from_iterator([*texts, *[numbers] * 100], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", padding_side="left"
    )


def build_nano(
    tokenizer: PreTrainedTokenizerFast, size: NanoSize, *, seed: int
) -> tuple[Any, Qwen2_5_VLProcessor]:
    """An untrained nano model and its processor.

    Args:
        tokenizer: From `train_tokenizer`.
        size: Widths and depths.
        seed: Seed of the initial weights.

    Returns:
        The model (float32) and a processor that leaves views of any size unchanged.
    """
    set_seed(seed)
    model = Qwen2_5_VLForConditionalGeneration(_config(tokenizer, size))
    image_processor = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=28 * 28 * 16384)
    processor = Qwen2_5_VLProcessor(
        image_processor, tokenizer, Qwen2VLVideoProcessor(), chat_template=CHAT_TEMPLATE
    )
    return model, processor


def _config(tokenizer: PreTrainedTokenizerFast, size: NanoSize) -> Qwen2_5_VLConfig:
    token: dict[str, Any] = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    frequencies = size.text_width // size.text_heads // 2
    plane = frequencies * 3 // 8  # as in the 7B: height and width get three eighths each, time the rest
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": size.text_width,
        "intermediate_size": size.text_mlp,
        "num_hidden_layers": size.text_layers,
        "num_attention_heads": size.text_heads,
        "num_key_value_heads": size.text_heads,
        "max_position_embeddings": 4096,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": size.rope_theta,
            "mrope_section": [frequencies - 2 * plane, plane, plane],
        },
        "bos_token_id": None,
        "eos_token_id": token["<|im_end|>"],
        "pad_token_id": token["<|endoftext|>"],
        "tie_word_embeddings": True,
    }
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_width,
        "intermediate_size": size.vision_mlp,
        "num_heads": size.vision_heads,
        "out_hidden_size": size.text_width,
        "patch_size": 14,
        "fullatt_block_indexes": list(range(size.vision_layers)),  # small views need no windows
    }
    return Qwen2_5_VLConfig(
        text_config=text,
        vision_config=vision,
        image_token_id=token["<|image_pad|>"],
        video_token_id=token["<|video_pad|>"],
        vision_start_token_id=token["<|vision_start|>"],
        vision_end_token_id=token["<|vision_end|>"],
        tie_word_embeddings=True,
    )
