"""Asking a model behind an OpenAI-compatible endpoint (vLLM, SGLang, Ollama, most vendors)."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import aiohttp
import openai

from mmrad.endpoint.messages import to_openai
from mmrad.endpoint.price import Price
from mmrad.endpoint.reply import Reply, read_reply, shortened
from mmrad.endpoint.slots import Slots
from mmrad.endpoint.stream import gather
from mmrad.errors import ProviderError
from mmrad.prompt import Message

DEFAULT_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 10.0

_FIRST_PAUSE, _LONGEST_PAUSE, _LONGEST_NAMED = 0.5, 60.0, 600.0
"""Seconds before the first retry where the server names none, at most before any other, and at most that a
server may name."""

_FILTERED = ("content_filter", "content_policy_violation")
"""Codes of a 400 that is about the images, not about how they were sent."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible endpoint, and how it takes requests.

    Attributes:
        model: Name the endpoint knows the model by.
        base_url: The endpoint; by default `OPENAI_BASE_URL`, else OpenAI's own.
        api_key_env: Environment variable that holds its key. An endpoint given by URL may need none.
        concurrency: Requests at once; fewer while the endpoint limits the rate.
        timeout: Seconds that a request may stay without a byte of the reply.
        retries: How often a request is tried again.
        token_param: What the endpoint calls the limit of an answer.
        stream: Whether to ask for a stream, as models that only stream need.
        system: Whether the model takes a system message.
        extra: Further fields of every request, such as `{"reasoning_effort": "low"}`.
        price: What its tokens cost; None where unknown.
    """

    model: str
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    concurrency: int = 16
    timeout: float = 120.0
    retries: int = 4
    token_param: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    stream: bool = False
    system: bool = True
    extra: dict[str, Any] | None = None
    price: Price | None = None

    @property
    def url(self) -> str:
        """The address; it may hold a secret."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL

    @property
    def host(self) -> str:
        """Host and port, for messages; never a name or password of the URL."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def key(self) -> dict[str, Any]:
        """What can change an answer, without secrets."""
        url = urlsplit(self.url)
        return {
            "model": self.model,
            "base_url": url._replace(netloc=self.host, query="", fragment="").geturl().rstrip("/"),
            "token_param": self.token_param,
            **({} if self.system else {"system": False}),
            **({"extra": self.extra} if self.extra else {}),
        }

    def api_key(self) -> str:
        """The key, `none` for an endpoint of one's own that needs none.

        Raises:
            ProviderError: When there is neither a key nor an endpoint that may need none.
        """
        own = self.base_url or os.environ.get("OPENAI_BASE_URL")
        found = os.environ.get(self.api_key_env) or ("none" if own else "")
        if not found:
            raise ProviderError(
                f"no key for {self.model!r}: set {self.api_key_env}, "
                "or give --base-url for an endpoint of your own"
            )
        return found

    def without_key(self, text: str) -> str:
        """A text for people, without the key."""
        key = self.api_key()
        return text.replace(key, "***") if key != "none" else text

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Client]:
        """Open the endpoint; leaving the context closes its connections."""
        if urlsplit(self.url).username:
            raise ProviderError(
                f"the address of {self.model!r} at {self.host} holds a name or password; leave them out and "
                f"set {self.api_key_env}"
            )
        timeout = openai.Timeout(self.timeout, connect=min(self.timeout, CONNECT_SECONDS))
        async with openai.AsyncOpenAI(
            base_url=self.url,
            api_key=self.api_key(),
            max_retries=0,  # they are ours: what the endpoint says of its rate steers how much is asked
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(timeout=timeout),  # half the work of the default one
        ) as api:
            yield Client(self, api)


class Client:
    """An open endpoint.

    Rate limits, server errors, timeouts, lost connections and cut streams are tried again with growing pauses
    (or after the server's `Retry-After`); what still fails is a reply `failed`. Only when nothing has been
    answered yet and the endpoint is unreachable, refuses the key, or does not know the model or a parameter,
    is a ProviderError raised: every request would fail the same way.

    Args:
        endpoint: The endpoint.
        api: Its connections.
    """

    def __init__(self, endpoint: Endpoint, api: openai.AsyncOpenAI) -> None:
        self.endpoint = endpoint
        self.api = api
        self.slots = Slots(endpoint.concurrency)
        self._answered = False

    async def ask(self, messages: Sequence[Message], parameters: dict[str, Any]) -> Reply:
        """The model's reply to a conversation.

        Args:
            messages: The conversation.
            parameters: Fields of the request besides model and messages, see `request_of`.

        Raises:
            ProviderError: When nothing has been answered and every request would fail the same way.
        """
        body = await asyncio.to_thread(request_of, self.endpoint, messages, parameters)
        for attempt in range(self.endpoint.retries + 1):
            try:
                async with self.slots.one():
                    started = time.perf_counter()
                    text = await self._send(body)
                break
            except openai.APIError as error:
                pause = _pause(error, attempt)
                if isinstance(error, openai.RateLimitError):
                    self.slots.limited(pause)
                if attempt == self.endpoint.retries or not _passes(error):
                    return self._failure(error)
                await asyncio.sleep(pause)
        self._answered = True
        await self.slots.succeeded()
        return read_reply(text, self.endpoint.model, seconds=time.perf_counter() - started)

    async def _send(self, body: dict[str, Any]) -> str:
        if not self.endpoint.stream:
            # The typed call would go through all of the body, images too, once more.
            return await self.api.post("/chat/completions", cast_to=str, body=body)
        chunks: Any = await self.api.chat.completions.create(
            model=body["model"],
            messages=body["messages"],
            stream=True,
            stream_options={"include_usage": True},
            extra_body=body,
        )
        try:
            return await gather(chunks)
        except openai.APIError:
            raise
        except Exception as error:
            raise openai.APIConnectionError(request=chunks.response.request) from error
        finally:
            await chunks.close()

    def _failure(self, error: openai.APIError) -> Reply:
        endpoint = self.endpoint
        remedy = _remedy(error, endpoint)
        if remedy and (not self._answered or _is_quota(error)):
            raise ProviderError(endpoint.without_key(f"{endpoint.model!r} at {endpoint.host}: {remedy}"))
        if getattr(error, "code", None) in _FILTERED:
            self._answered = True
            return Reply("refused", detail="stopped by the provider's content filter")
        cause = f" ({error.__cause__!r})" if isinstance(error, openai.APIConnectionError) else ""
        detail = f"{endpoint.host}: {shortened(error.message)}{cause}"
        return Reply("failed", detail=endpoint.without_key(detail))


def request_of(endpoint: Endpoint, messages: Sequence[Message], parameters: dict[str, Any]) -> dict[str, Any]:
    """The body of a chat completion.

    Args:
        endpoint: Who is asked.
        messages: The conversation.
        parameters: `temperature`, `seed`, `max_tokens` (under the name the endpoint has for it), `min_p`, …
    """
    named = {
        endpoint.token_param if name == "max_tokens" else name: value for name, value in parameters.items()
    }
    return {
        "model": endpoint.model,
        "messages": to_openai(messages, system=endpoint.system),
        **named,
        **(endpoint.extra or {}),
    }


def _passes(error: openai.APIError) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(error, openai.RateLimitError):
        return not _is_quota(error)
    if isinstance(error, openai.APIStatusError):
        return error.status_code in (408, 409) or error.status_code >= 500
    return isinstance(error, openai.APIConnectionError)


def _pause(error: openai.APIError, attempt: int) -> float:
    """Seconds before the next try: what the server says, or twice as long each time, spread out."""
    grown = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt) * random.uniform(0.75, 1.25)
    if not isinstance(error, openai.APIStatusError):
        return grown
    try:
        named = float(error.response.headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        return grown
    return min(_LONGEST_NAMED, named) if named >= 0 else grown


def _is_quota(error: openai.APIError) -> bool:
    """Whether the money behind the key is used up, which no pause mends."""
    return isinstance(error, openai.RateLimitError) and error.code == "insufficient_quota"


def _remedy(error: openai.APIError, endpoint: Endpoint) -> str | None:
    """What was found and what to do, when every other request would fail the same way; else None."""
    if isinstance(error, openai.AuthenticationError):
        return f"the endpoint does not accept the key (HTTP 401); set {endpoint.api_key_env} to a valid one"
    if isinstance(error, openai.PermissionDeniedError):
        return "the key may not use this model (HTTP 403); use another key or model"
    if isinstance(error, openai.NotFoundError):
        return "no such model or address (HTTP 404); check --model and the path of --base-url (often /v1)"
    if isinstance(error, openai.BadRequestError) and (error.code or "").startswith("unsupported_"):
        return f"the parameter {error.param!r} cannot be sent to this model; {shortened(error.message)}"
    if _is_quota(error):
        return "the quota of this key is used up (HTTP 429, insufficient_quota); raise it or use another key"
    if _cannot_connect(error):
        return "the endpoint cannot be reached; check that it runs, --base-url and the network"
    return None


def _cannot_connect(error: openai.APIError) -> bool:
    """Whether nobody is there; a slow or cut answer is one request's trouble."""
    cause: BaseException | None = error
    while cause:  # the layer between calls every lost connection a ConnectTimeout
        if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return True
        cause = cause.__cause__
    return False
