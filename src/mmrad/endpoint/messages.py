"""Messages as the JSON of chat completions."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

from mmrad.image import encode_png
from mmrad.prompt import Message
from mmrad.view import View


def to_openai(messages: Sequence[Message], *, system: bool = True) -> list[dict[str, Any]]:
    """Messages as JSON: texts, and images as PNG data URLs, in reading order.

    Args:
        messages: The conversation.
        system: Whether the model takes a system message; otherwise its text opens the first user message.
    """
    if not system and len(messages) > 1 and messages[0].role == "system":
        first = messages[1]
        messages = [Message(first.role, (*messages[0].parts, *first.parts)), *messages[2:]]
    return [{"role": message.role, "content": _content(message.parts)} for message in messages]


def _content(parts: tuple[str | View, ...]) -> str | list[dict[str, Any]]:
    match parts:
        case (str() as text,):
            return text  # some servers take no list in a system message
        case _:
            return [_part(part) for part in parts]


def _part(part: str | View) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    data = base64.b64encode(encode_png(part.image)).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
