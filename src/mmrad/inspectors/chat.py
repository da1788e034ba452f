"""From messages to the tensors of a local chat model, the same way for inspection and for training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmrad.inspectors.families import UNCHANGED
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
    processing: Mapping[str, Any] = UNCHANGED,
) -> Any:
    """Tensors for a batch of conversations.

    Args:
        processor: A transformers processor.
        conversations: B conversations, each with an image.
        completions: B texts that follow the generation prompt, for training; each gets the end-of-turn token.
        processing: Options of the processor, see `Family`.

    Returns:
        The processor's batch: `input_ids` of shape `(B, T)`, `attention_mask`, `pixel_values`, and what else
        the model takes.
    """
    prompts = [
        processor.apply_chat_template(to_chat(messages), tokenize=False, add_generation_prompt=True)
        for messages in conversations
    ]
    if completions is not None:
        end = processor.tokenizer.eos_token
        prompts = [f"{prompt}{text}{end}" for prompt, text in zip(prompts, completions, strict=True)]
    images = [
        [part.image for message in messages for part in message.parts if not isinstance(part, str)]
        for messages in conversations
    ]
    return processor(
        text=prompts,
        images=images,
        padding=True,
        add_special_tokens=False,  # the template has written them
        input_data_format="channels_last",
        return_tensors="pt",
        **processing,
    )
