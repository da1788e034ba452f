"""Models of inspect-ai's providers (Anthropic, Google, Bedrock, …), asked like an endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from mmrad.endpoint.messages import data_url
from mmrad.endpoint.price import Price
from mmrad.endpoint.reply import Reply, ReplyStatus, is_same_model
from mmrad.errors import MissingExtraError, ProviderError
from mmrad.prompt import Message
from mmrad.sample import Usage

_ENDED: dict[str, ReplyStatus] = {
    "max_tokens": "truncated",
    "model_length": "truncated",
    "content_filter": "refused",
}


@dataclass(frozen=True, slots=True)
class InspectModel:
    """A model as inspect-ai names it, such as `anthropic/claude-sonnet-4-6`.

    Keys, retries and rate limits are the provider's, as inspect-ai documents them.

    Attributes:
        model: Provider and name.
        concurrency: Requests at once.
        price: What its tokens cost; None where unknown.
    """

    model: str
    concurrency: int = 16
    price: Price | None = None

    def key(self) -> dict[str, Any]:
        """What can change an answer."""
        return {"model": self.model, "provider": "inspect"}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[_Chat]:
        """Open the model.

        Raises:
            MissingExtraError: When inspect-ai is not installed.
            ProviderError: When it does not know the model, or a package or key of the provider is missing.
        """
        try:
            from inspect_ai.model import get_model
        except ImportError as error:
            raise MissingExtraError(error.name or "inspect-ai", "providers") from None
        try:
            model = get_model(self.model)
        except Exception as error:  # each provider has errors of its own for a missing package or key
            raise ProviderError(f"{self.model}: {error}") from error
        async with model:
            yield _Chat(self.model, model)


@dataclass(frozen=True, slots=True)
class _Chat:
    name: str
    model: Any

    async def ask(self, messages: Sequence[Message], parameters: dict[str, Any]) -> Reply:
        from inspect_ai.model import GenerateConfig

        started = time.perf_counter()
        asked = await asyncio.to_thread(_messages, messages)
        try:
            output = await self.model.generate(asked, config=GenerateConfig(**parameters))
        except Exception as error:  # noqa: BLE001 - each provider has its own; inspect-ai has retried
            return Reply("failed", detail=f"{type(error).__name__}: {error}")
        return _reply(self.name, output, time.perf_counter() - started)


def _messages(messages: Sequence[Message]) -> list[Any]:
    from inspect_ai.model import (
        ChatMessageAssistant,
        ChatMessageSystem,
        ChatMessageUser,
        ContentImage,
        ContentText,
    )

    kinds = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}

    def content(part: Any) -> Any:
        if isinstance(part, str):
            return ContentText(text=part)
        return ContentImage(image=data_url(part), detail="high")

    return [kinds[message.role](content=[content(part) for part in message.parts]) for message in messages]


def _reply(asked: str, output: Any, seconds: float) -> Reply:
    reported = output.model or None
    tokens = output.usage
    usage = (
        Usage(tokens.input_tokens, tokens.output_tokens, seconds) if tokens else Usage(None, None, seconds)
    )
    if output.error or not output.choices:
        return Reply("failed", detail=str(output.error or "no answer"), usage=usage, model_reported=reported)
    text = output.completion
    name = asked.partition("/")[2]
    if reported and not is_same_model(name, reported) and not is_same_model(asked, reported):
        detail = f"asked {asked!r}, but {reported!r} answered; name it as the model if meant"
        return Reply("wrong_model", text, detail, usage, reported)
    status = _ENDED.get(output.stop_reason, "ok")
    if status == "ok" and not text.strip():
        return Reply("empty", detail=f"no text ({output.stop_reason})", usage=usage, model_reported=reported)
    return Reply(status, text, "" if status == "ok" else output.stop_reason, usage, reported)
