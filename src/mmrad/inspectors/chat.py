"""From messages to the tensors of a local chat model, the same way for inspection and for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmrad.prompt import Message


def to_chat(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in the form that transformers' chat templates take; images are left as placeholders."""
    return [
        {
            "role": message.role,
            "content": [
                {"type": "text", "text": part} if isinstance(part, str) else {"type": "image"}
                for part in message.parts
            ],
        }
        for message in messages
    ]


def encode(
    processor: Any,
    conversations: Sequence[Sequence[Message]],
    *,
    completions: Sequence[str] | None = None,
) -> Any:
    """Tensors for a batch of conversations.

    Views are passed as they are (`do_resize=False`): they already have the size the model needs, and a
    second resize would move every coordinate.

    Args:
        processor: A transformers processor of the Qwen2-VL family.
        conversations: B conversations.
        completions: B texts that follow the generation prompt, for training; each gets the end-of-turn token.

    Returns:
        The processor's batch: `input_ids` of shape `(B, T)`, `attention_mask`, `pixel_values`,
        `image_grid_thw`, …
    """
    prompts = [
        processor.apply_chat_template(to_chat(messages), tokenize=False, add_generation_prompt=True)
        for messages in conversations
    ]
    if completions is not None:
        end = processor.tokenizer.eos_token
        prompts = [f"{prompt}{text}{end}" for prompt, text in zip(prompts, completions, strict=True)]
    images = [
        part.image
        for messages in conversations
        for message in messages
        for part in message.parts
        if not isinstance(part, str)
    ]
    return processor(
        text=prompts,
        images=images,
        padding=True,
        do_resize=False,
        input_data_format="channels_last",
        return_tensors="pt",
    )
