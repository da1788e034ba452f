"""What a model behind an endpoint replies, as a value: its text, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from mmrad.sample import Usage

ReplyStatus = Literal["ok", "truncated", "empty", "refused", "wrong_model", "failed"]

_SNAPSHOT = re.compile(r"(?:-(?:\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{3,8})|@[\w.-]+)?")
_SHOWN = 300


class Chance(BaseModel):
    """A token and the logarithm of its probability."""

    token: str
    logprob: float


class Token(Chance):
    """A written token and those that were likely in its place."""

    top_logprobs: list[Chance] = []


class _Logprobs(BaseModel):
    content: list[Token] | None = None


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Tokens(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    """The fields of a chat completion that matter here; servers add others of their own."""

    model: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of a model.

    Attributes:
        status: `ok`, or why there is no whole text.
        text: What was written, reasoning the server kept apart in `<think>` tags before it.
        detail: Why the status is not `ok`, in words.
        usage: What it cost.
        model_reported: The model that the reply says it came from.
        tokens: The written tokens with their probabilities, where asked for.
    """

    status: ReplyStatus
    text: str = ""
    detail: str = ""
    usage: Usage = Usage()
    model_reported: str | None = None
    tokens: tuple[Token, ...] = ()


def read_reply(
    body: str, model: str, *, seconds: float | None = None, reported_as: Sequence[str] = ()
) -> Reply:
    """Read the body of a chat completion.

    Args:
        body: The HTTP body, JSON if all is well.
        model: The model that was asked.
        seconds: How long the request took.
        reported_as: Other names that its replies may carry.

    Returns:
        The reply. Not a chat completion gives `failed`, another model's answer `wrong_model`, a refusal or a
        content filter `refused`, the token limit `truncated`, no text `empty`.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError:
        return Reply("failed", body, f"the reply is no chat completion: {shortened(body)!r}")
    choice, tokens = completion.choices[0], completion.usage or _Tokens()
    status, detail = _outcome(choice, model, completion.model, reported_as)
    return Reply(
        status,
        _text(choice.message),
        detail,
        Usage(tokens.prompt_tokens, tokens.completion_tokens, seconds),
        completion.model,
        tuple((choice.logprobs.content if choice.logprobs else None) or ()),
    )


def _outcome(
    choice: _Choice, asked: str, reported: str | None, reported_as: Sequence[str]
) -> tuple[ReplyStatus, str]:
    if reported is not None and not is_same_model(asked, reported, reported_as):
        return (
            "wrong_model",
            f"asked {asked!r}, but {reported!r} answered; name it as the model if meant",
        )
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return "refused", choice.message.refusal or "stopped by the provider's content filter"
    if choice.finish_reason == "error":
        return "failed", "the server ended the answer with an error"
    if choice.finish_reason == "length":
        return "truncated", "the answer reached the token limit"
    if not (choice.message.content or "").strip():
        return "empty", f"the answer has no text (finish reason {choice.finish_reason!r})"
    return "ok", ""


def is_same_model(asked: str, reported: str, reported_as: Sequence[str] = ()) -> bool:
    """Whether the model a reply reports is the one that was asked.

    It is when the names are equal, or when the reported one is the asked one plus a snapshot: a hyphen and a
    date or a number of at least three digits (`gpt-4o` and `gpt-4o-2024-08-06`), or an @ and a revision, as
    `transformers serve` reports it. `gpt-4o-mini` is not `gpt-4o`, and `claude-opus-4-1` is not
    `claude-opus-4`.

    Args:
        asked: The model that was asked.
        reported: The model that the reply says it came from.
        reported_as: Other names of the asked one, for which the same holds.
    """
    return any(
        reported.startswith(name) and _SNAPSHOT.fullmatch(reported[len(name) :]) is not None
        for name in (asked, *reported_as)
    )


def shortened(text: str) -> str:
    """The start of a server's text, for messages."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(message: _Message) -> str:
    """The answer with its reasoning in tags, wherever the server put it."""
    content = message.content or ""
    reasoning = message.reasoning_content or message.reasoning
    return f"<think>{reasoning}</think>{content}" if reasoning and "<think>" not in content else content
