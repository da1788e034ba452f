"""A streamed chat completion put together again, for models that only stream (QVQ, thinking Qwen)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")


class CutStreamError(Exception):
    """The stream ended before the model had finished."""


async def gather(chunks: AsyncIterator[Any]) -> str:
    """The chunks of a stream as the JSON body of the completion they are parts of.

    Args:
        chunks: `chat.completion.chunk` objects; the last one may hold the usage only
            (`stream_options.include_usage`).

    Raises:
        CutStreamError: When no chunk said why the model stopped.
    """
    texts: dict[str, str] = {}
    logprobs: list[Any] = []
    model = usage = finish = None
    async for chunk in chunks:
        part = chunk.model_dump()
        model, usage = part.get("model") or model, part.get("usage") or usage
        for choice in (part.get("choices") or ())[:1]:
            delta = choice.get("delta") or {}
            for name in _TEXTS:
                if isinstance(delta.get(name), str):
                    texts[name] = texts.get(name, "") + delta[name]
            logprobs += (choice.get("logprobs") or {}).get("content") or ()
            finish = choice.get("finish_reason") or finish
    if finish is None:
        raise CutStreamError("the stream ended before the model had finished")
    choice = {"message": texts, "finish_reason": finish, "logprobs": {"content": logprobs or None}}
    return json.dumps({"model": model, "choices": [choice], "usage": usage})
