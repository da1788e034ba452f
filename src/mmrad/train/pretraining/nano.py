"""anomaly-r1-nano: a Qwen2.5-VL of about 5 million parameters, built from nothing.

It has the classes, the processor and the coordinates of the 7B model, so that all code that serves, measures
and trains the large one runs on a laptop with the small one. Only its tokenizer differs: it is trained on the
texts the model will see, and writes every number below 1000 as one token.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
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


NUMBERS = 1000
"""Every number below is one token."""


INITIAL_DEVIATION = 0.06
"""Of the weights; about one over the root of the widths, as the 7B's 0.02 is for its own."""


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
    numbers = " ".join(str(number) for number in range(NUMBERS))
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
    _order_numbers(model.model.language_model.embed_tokens.weight, tokenizer)
    image_processor = Qwen2VLImageProcessor(min_pixels=28 * 28, max_pixels=28 * 28 * 16384)
    processor = Qwen2_5_VLProcessor(
        image_processor, tokenizer, Qwen2VLVideoProcessor(), chat_template=CHAT_TEMPLATE
    )
    return model, processor


def _order_numbers(embeddings: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> None:
    """Give the tokens of near numbers near embeddings: what is learned of one serves its neighbours.

    Each number becomes waves of wavelengths from 8 to 2000 (as positions in the first transformers).
    """
    numbers = torch.arange(NUMBERS)
    ids = tokenizer.convert_tokens_to_ids([str(number) for number in numbers.tolist()])
    wavelengths = torch.logspace(math.log10(8), math.log10(2000), embeddings.shape[1] // 2)
    turns = 2 * math.pi * numbers[:, None] / wavelengths
    waves = torch.cat([turns.sin(), turns.cos()], dim=1)
    with torch.no_grad():
        embeddings[ids, : waves.shape[1]] = waves * math.sqrt(2) * embeddings.std()


def whiten_patches(model: Any, pixel_values: torch.Tensor) -> None:
    """Let the patch embedding of a new model start with the whitened principal components of real patches.

    From random weights it sees brightness and colour, which vary hundreds of times more than fine structure.

    Args:
        model: The model.
        pixel_values: Patches from the processor, shape `(N, 1176)`.
    """
    patches = pixel_values.double()
    patches = patches - patches.mean(dim=0)
    variances, components = torch.linalg.eigh(patches.T @ patches / len(patches))
    weight = model.model.visual.patch_embed.proj.weight
    largest = slice(-weight.shape[0], None)
    scale = (variances[largest] + 0.01 * variances[largest].mean()).sqrt()
    with torch.no_grad():
        weight.copy_((components[:, largest] / scale).T.reshape_as(weight))


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
        "initializer_range": INITIAL_DEVIATION,
    }
    vision = {
        "depth": size.vision_layers,
        "hidden_size": size.vision_width,
        "intermediate_size": size.vision_mlp,
        "num_heads": size.vision_heads,
        "out_hidden_size": size.text_width,
        "patch_size": 14,
        "initializer_range": INITIAL_DEVIATION,
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
