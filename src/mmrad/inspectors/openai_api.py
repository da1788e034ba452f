"""Any model behind an OpenAI-compatible endpoint as an inspector."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import openai

from mmrad.errors import DataError, ProviderError
from mmrad.image import encode_png
from mmrad.inspectors.background import in_background
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.coordinates import CoordinateSpace
from mmrad.inspectors.reply import shortened, verdict_from_reply
from mmrad.prompt import Message
from mmrad.sample import Pair, Verdict
from mmrad.view import View

DEFAULT_URL = "https://api.openai.com/v1"
TOP_LOGPROBS = 20
CONNECT_SECONDS = 10.0

_FILTERED = ("content_filter", "content_policy_violation")
"""Codes of a 400 that is about the images, not about how they were sent."""


class OpenAIInspector:
    """Inspect with a model behind an OpenAI-compatible endpoint (vLLM, SGLang, Ollama, most vendors).

    Rate limits, server errors, timeouts and lost connections are tried again with growing pauses (or after
    the server's `Retry-After`); what still fails is a verdict `failed` for that pair alone. Only when nothing
    has been answered yet and the endpoint is unreachable, refuses the key, or does not know the model or a
    parameter, is a ProviderError raised: every pair would fail the same way. A reply from another model than
    the asked one is a verdict `wrong_model`, by the rule of `mmrad.inspectors.reply.is_same_model`.

    Args:
        model: Name the endpoint knows the model by.
        base_url: The endpoint; by default `OPENAI_BASE_URL`, else OpenAI's own.
        api_key: Its key; by default `OPENAI_API_KEY`. An endpoint given by URL may need none.
        settings: How to ask.
        space: Convention of the model's boxes.
        concurrency: Requests at once.
        timeout: Seconds that a request may stay without a byte of the reply.
        retries: How often a request is tried again.
        name: Name for tables; the model's by default.
        token_param: What the endpoint calls the limit of an answer.
        logprobs: Whether to ask for the probabilities of tokens, from which the score is made.

    Raises:
        ProviderError: When there is neither a key nor an endpoint that may need none.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        settings: InspectionSettings | None = None,
        *,
        space: CoordinateSpace = CoordinateSpace.VIEW,
        concurrency: int = 16,
        timeout: float = 120.0,
        retries: int = 4,
        name: str | None = None,
        token_param: Literal["max_tokens", "max_completion_tokens"] = "max_tokens",
        logprobs: bool = False,
    ) -> None:
        self.name = name or model
        self.model = model
        self.settings = settings or InspectionSettings()
        self.space = space
        self.concurrency = concurrency
        self.timeout = timeout
        self.retries = retries
        self.token_param = token_param
        self.logprobs = logprobs
        own_url = base_url or os.environ.get("OPENAI_BASE_URL")
        self._base_url = own_url or DEFAULT_URL
        self._api_key = api_key or os.environ.get("OPENAI_API_KEY") or ("none" if own_url else "")
        if not self._api_key:
            raise ProviderError(
                f"no key for {model!r}: set OPENAI_API_KEY, or give --base-url for an endpoint of your own"
            )

    @property
    def host(self) -> str:
        """The endpoint's host and port, for messages; never a name or password of its URL."""
        return urlsplit(self._base_url).netloc.rpartition("@")[2]

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer; no secret."""
        url = urlsplit(self._base_url)
        return {
            "inspector": "openai",
            "model": self.model,
            "base_url": url._replace(netloc=self.host, query="", fragment="").geturl().rstrip("/"),
            "space": self.space.value,
            "token_param": self.token_param,
            "logprobs": self.logprobs,
            **self.settings.key(),
        }

    def inspect(self, pairs: Sequence[Pair]) -> Generator[tuple[int, Verdict], None, None]:
        """Yield `(index into pairs, verdict)` as the answers come; closing it cancels the open requests.

        Raises:
            ProviderError: When nothing has been answered and every pair would fail the same way.
        """
        asking = _Asking(self, pairs)
        yield from in_background(len(pairs), asking.one, self._client, self.concurrency)

    def _client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(
            base_url=self._base_url,
            api_key=self._api_key,
            max_retries=self.retries,
            timeout=openai.Timeout(self.timeout, connect=min(self.timeout, CONNECT_SECONDS)),
        )

    def _parameters(self) -> dict[str, Any]:
        parameters: dict[str, Any] = {
            "model": self.model,
            "temperature": self.settings.temperature,
            "seed": self.settings.seed,
            self.token_param: self.settings.max_tokens,
        }
        if self.settings.min_p > 0:  # not OpenAI's own, but vLLM's and SGLang's
            parameters["extra_body"] = {"min_p": self.settings.min_p}
        if self.logprobs:
            parameters |= {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
        return parameters

    def _without_key(self, text: str) -> str:
        return text.replace(self._api_key, "***") if self._api_key != "none" else text


def to_openai(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages as the JSON of chat completions: texts, and images as PNG data URLs, in reading order."""
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


@dataclass
class _Asking:
    """One call of `inspect`: asks about pairs, and knows whether anything was answered yet."""

    inspector: OpenAIInspector
    pairs: Sequence[Pair]
    answered: bool = False

    async def one(self, client: openai.AsyncOpenAI, index: int) -> tuple[int, Verdict]:
        try:
            messages, view = await asyncio.to_thread(self._prepare, self.pairs[index])
        except DataError as error:
            return index, failed_verdict("failed", str(error))
        started = time.perf_counter()
        try:
            reply = await client.chat.completions.with_raw_response.create(
                messages=messages, **self.inspector._parameters()
            )
        except openai.APIError as error:
            return index, self._failure(error)
        self.answered = True
        inspector, seconds = self.inspector, time.perf_counter() - started
        verdict = verdict_from_reply(
            reply.text, view, model=inspector.model, space=inspector.space, seconds=seconds
        )
        return index, verdict

    def _prepare(self, pair: Pair) -> tuple[Any, View]:
        messages, view = self.inspector.settings.ask(pair)
        return to_openai(messages), view

    def _failure(self, error: openai.APIError) -> Verdict:
        inspector = self.inspector
        if not self.answered and (remedy := _remedy(error)):
            raise ProviderError(inspector._without_key(f"{inspector.model!r} at {inspector.host}: {remedy}"))
        if getattr(error, "code", None) in _FILTERED:
            self.answered = True
            return failed_verdict("refused", "stopped by the provider's content filter")
        cause = f" ({error.__cause__!r})" if isinstance(error, openai.APIConnectionError) else ""
        detail = f"{inspector.host}: {shortened(error.message)}{cause}"
        return failed_verdict("failed", inspector._without_key(detail))


def _remedy(error: openai.APIError) -> str | None:
    """What was found and what to do, when every other pair would fail the same way; else None."""
    if isinstance(error, openai.AuthenticationError):
        return "the endpoint does not accept the key (HTTP 401); set OPENAI_API_KEY to a valid one"
    if isinstance(error, openai.PermissionDeniedError):
        return "the key may not use this model (HTTP 403); use another key or model"
    if isinstance(error, openai.NotFoundError):
        return "no such model or address (HTTP 404); check --model and the path of --base-url (often /v1)"
    if isinstance(error, openai.BadRequestError) and (error.code or "").startswith("unsupported_"):
        return f"the parameter {error.param!r} cannot be sent to this model; {shortened(error.message)}"
    if _cannot_connect(error):
        return "the endpoint cannot be reached; check that it runs, --base-url and the network"
    return None


def _cannot_connect(error: openai.APIError) -> bool:
    if isinstance(error, openai.APITimeoutError):
        # A slow answer is one pair's trouble. By name: which HTTP library is below differs between versions.
        return type(error.__cause__).__name__ == "ConnectTimeout"
    return isinstance(error, openai.APIConnectionError)
