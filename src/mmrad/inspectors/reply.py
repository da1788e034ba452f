"""What an OpenAI-compatible endpoint replies, and how it becomes a verdict."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from mmrad.inspectors.base import failed_verdict, verdict_from_text
from mmrad.inspectors.coordinates import CoordinateSpace
from mmrad.sample import Usage, Verdict
from mmrad.view import View

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{2}-\d{4}|\d{3,8})")
_SHOWN = 300


class _Chance(BaseModel):
    token: str
    logprob: float


class _Token(_Chance):
    top_logprobs: list[_Chance] = []


class _Logprobs(BaseModel):
    content: list[_Token] | None = None


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


class _Reply(BaseModel):
    """The fields of a chat completion that matter here; servers add others of their own."""

    model: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None


def verdict_from_reply(
    body: str, view: View, *, model: str, space: CoordinateSpace, seconds: float | None = None
) -> Verdict:
    """The verdict in the body of a chat completion.

    Args:
        body: The HTTP body, JSON if all is well.
        view: View of the query.
        model: The model that was asked.
        space: Convention of its boxes.
        seconds: How long the request took.

    Returns:
        A verdict whose boxes are in original pixels. Not a chat completion gives `failed`, another model's
        answer `wrong_model`, a refusal or a content filter `refused`, the token limit `truncated`, no text
        `empty`, unreadable text `unparsed`.
    """
    try:
        reply = _Reply.model_validate_json(body)
    except ValidationError:
        return failed_verdict(
            "failed", f"the reply is no chat completion: {shortened(body)!r}", raw_text=body
        )
    choice, reported = reply.choices[0], reply.model
    text = _text(choice.message)

    def without(status: Any, detail: str) -> Verdict:
        return failed_verdict(status, detail, raw_text=text, model_reported=reported)

    if reported is not None and not is_same_model(model, reported):
        return without(
            "wrong_model", f"asked {model!r}, but {reported!r} answered; name it as the model if meant"
        )
    if choice.message.refusal or choice.finish_reason == "content_filter":
        return without("refused", choice.message.refusal or "stopped by the provider's content filter")
    if choice.finish_reason == "error":
        return without("failed", "the server ended the answer with an error")
    truncated = choice.finish_reason == "length"
    if not truncated and not (choice.message.content or "").strip():
        return without("empty", f"the answer has no text (finish reason {choice.finish_reason!r})")
    tokens = reply.usage or _Tokens()
    return verdict_from_text(
        text,
        view,
        space=space,
        truncated=truncated,
        score=_score(choice.logprobs),
        usage=Usage(tokens.prompt_tokens, tokens.completion_tokens, seconds),
        model_reported=reported,
    )


def is_same_model(asked: str, reported: str) -> bool:
    """Whether the model a reply reports is the one that was asked.

    It is when the names are equal, or when the reported one is the asked one plus a snapshot: a hyphen and a
    date or a number of at least three digits (`gpt-4o` and `gpt-4o-2024-08-06`). `gpt-4o-mini` is not
    `gpt-4o`, and `claude-opus-4-1` is not `claude-opus-4`.
    """
    return reported == asked or (
        reported.startswith(asked) and _SNAPSHOT.fullmatch(reported[len(asked) :]) is not None
    )


def shortened(text: str) -> str:
    """The start of a server's text, for messages."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _text(message: _Message) -> str:
    """The answer with its reasoning in tags, wherever the server put it."""
    content = message.content or ""
    reasoning = message.reasoning_content or message.reasoning
    return f"<think>{reasoning}</think>{content}" if reasoning and "<think>" not in content else content


def _score(logprobs: _Logprobs | None) -> float | None:
    """P(Yes) / (P(Yes) + P(No)) where the verdict was given, None when there is no such place."""
    tokens = (logprobs.content if logprobs else None) or []
    position = _verdict_position([token.token for token in tokens])
    if position is None:
        return None
    likely = {chance.token: chance.logprob for chance in [*tokens[position].top_logprobs, tokens[position]]}
    yes, no = (
        sum(math.exp(logprob) for token, logprob in likely.items() if _word(token) == word)
        for word in ("yes", "no")
    )
    return yes / (yes + no) if yes + no > 0 else None


def _verdict_position(tokens: list[str]) -> int | None:
    """Index of the token that says Yes or No first thing in the answer, of several answers in the last."""
    before = ""
    position = None
    for index, token in enumerate(tokens):
        if _word(token) in ("yes", "no") and (not before.strip() or before.rstrip().endswith("<answer>")):
            position = index
        before = (before + token)[-32:]  # longer than the tag with the space around it
    return position


def _word(token: str) -> str:
    return token.strip().lower()
