"""Providers of inspect-ai, through its own mock provider."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import numpy as np
import pytest

from mmrad.endpoint import Price, Reply
from mmrad.endpoint.inspect_models import InspectModel
from mmrad.errors import MissingExtraError, ProviderError
from mmrad.prompt import Message
from mmrad.view import View

pytest.importorskip("inspect_ai")
# Raised inside inspect-ai by its use of tenacity.
pytestmark = pytest.mark.filterwarnings("ignore:The 'initial' parameter:DeprecationWarning")

MESSAGES = [
    Message("system", ("Be brief.",)),
    Message("user", (View(np.zeros((28, 56, 3), np.uint8), (56, 28)), "What is it?")),
    Message("assistant", ("A part.",)),
    Message("user", ("Which?",)),
]


def ask(output: Any, monkeypatch: pytest.MonkeyPatch, seen: list[Any] | None = None) -> Reply:
    """The reply to a conversation, which inspect-ai's mock answers with that output."""
    from inspect_ai import model as models

    made = models.get_model("mockllm/model", custom_outputs=[output], memoize=False)
    generate = made.generate

    async def watched(messages: Any, **options: Any) -> Any:
        if seen is not None:
            seen.extend([messages, options["config"]])
        return await generate(messages, **options)

    monkeypatch.setattr(made, "generate", watched)
    monkeypatch.setattr(models, "get_model", lambda name: made)

    async def once() -> Reply:
        async with InspectModel("mockllm/model").connect() as chat:
            return await chat.ask(MESSAGES, {"temperature": 0.0, "seed": 3, "max_tokens": 9})

    return asyncio.run(once())


def output(text: str, stop: Any = "stop", model: str = "mockllm/model") -> Any:
    from inspect_ai.model import ModelOutput, ModelUsage

    made = ModelOutput.from_content(model, text, stop_reason=stop)
    # Without it inspect-ai's mock counts tokens by a file from the internet.
    made.usage = ModelUsage(input_tokens=11, output_tokens=7, total_tokens=18)
    return made


def test_messages_images_and_parameters_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    reply = ask(output("It is."), monkeypatch, seen)
    assert (reply.status, reply.text, reply.model_reported) == ("ok", "It is.", "mockllm/model")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (11, 7)
    messages, config = seen
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    image, text = messages[1].content
    assert image.image.startswith("data:image/png;base64,iVBOR") and text.text == "What is it?"
    assert (config.temperature, config.seed, config.max_tokens) == (0.0, 3, 9)


@pytest.mark.parametrize(
    ("text", "stop", "model", "status"),
    [
        ("half", "max_tokens", "mockllm/model", "truncated"),
        ("", "stop", "mockllm/model", "empty"),
        ("no", "content_filter", "mockllm/model", "refused"),
        ("fine", "stop", "other-model", "wrong_model"),
        ("fine", "stop", "model-2026-01-31", "ok"),
    ],
)
def test_how_answers_end(
    monkeypatch: pytest.MonkeyPatch, text: str, stop: str, model: str, status: str
) -> None:
    assert ask(output(text, stop, model), monkeypatch).status == status


def test_errors_are_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise RuntimeError("overloaded")

    from inspect_ai import model as models

    made = models.get_model("mockllm/model", custom_outputs=fails, memoize=False)
    monkeypatch.setattr(models, "get_model", lambda name: made)

    async def once() -> Reply:
        async with InspectModel("mockllm/model").connect() as chat:
            return await chat.ask(MESSAGES, {})

    reply = asyncio.run(once())
    assert reply.status == "failed" and "overloaded" in reply.detail


def test_an_unknown_provider_is_explained() -> None:
    async def connect() -> None:
        async with InspectModel("nobody/model").connect():
            raise AssertionError("connected")

    with pytest.raises(ProviderError, match="nobody/model"):
        asyncio.run(connect())


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.model", None)

    async def connect() -> None:
        async with InspectModel("mockllm/model", price=Price(1, 2)).connect():
            raise AssertionError("connected")

    with pytest.raises(MissingExtraError, match=r"mmrad\[providers\]"):
        asyncio.run(connect())
