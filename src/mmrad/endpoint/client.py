"""Asking a model behind an OpenAI-compatible endpoint (vLLM, SGLang, Ollama, most vendors)."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import openai
from openai import RequestOptions
from openai.types.chat import ChatCompletionChunk

from mmrad.endpoint.cache import ResponseCache
from mmrad.endpoint.endpoint import Endpoint, host_of, settings_of
from mmrad.endpoint.faults import (
    cannot_connect,
    described,
    is_filtered,
    is_of_server,
    is_quota,
    passes,
    pause_after,
    remedy,
)
from mmrad.endpoint.messages import json_of, to_openai
from mmrad.endpoint.pace import Pace
from mmrad.endpoint.reply import Reply, read_reply
from mmrad.endpoint.servers import Server, Servers
from mmrad.endpoint.slots import Slots
from mmrad.endpoint.spending import tokens_of, usage_of
from mmrad.endpoint.stream import gather
from mmrad.errors import ProviderError
from mmrad.prompt import Message
from mmrad.view import View

CONNECT_SECONDS = 10.0

_PATH = "/chat/completions"
_JSON: RequestOptions = {"headers": {"Content-Type": "application/json"}}


@asynccontextmanager
async def connect(endpoint: Endpoint, cache: ResponseCache | None) -> AsyncIterator[Client]:
    """Open an endpoint, see `Endpoint.connect`."""
    endpoint.check_urls()
    timeout = openai.Timeout(endpoint.timeout, connect=min(endpoint.timeout, CONNECT_SECONDS))
    share = math.ceil(endpoint.concurrency / len(endpoint.urls))
    async with AsyncExitStack() as stack:
        servers = []
        for url in endpoint.urls:
            api = openai.AsyncOpenAI(
                base_url=url,
                api_key=endpoint.api_key(),
                max_retries=0,  # they are ours: what the endpoint says of its rate steers how much is asked
                timeout=timeout,
                http_client=openai.DefaultAioHttpClient(timeout=timeout),  # half the work of the default one
            )
            servers.append(Server(host_of(url), await stack.enter_async_context(api), Slots(share)))
        yield Client(endpoint, Servers(servers), cache)


class Client:
    """An open endpoint.

    Rate limits, server errors, timeouts, lost connections and cut streams are tried again with growing pauses
    (or after the server's `Retry-After`), or at once at another address; what still fails is a reply
    `failed`. Only when nothing has been answered yet and the endpoint is unreachable, refuses the key, or
    does not know the model or a parameter, is a ProviderError raised: every request would fail the same way.

    Args:
        endpoint: The endpoint.
        servers: Its addresses, open.
        cache: Answers known before, and where new ones are kept.
    """

    def __init__(self, endpoint: Endpoint, servers: Servers, cache: ResponseCache | None = None) -> None:
        self.endpoint = endpoint
        self._servers = servers
        self._cache = cache
        self._requests = Pace(endpoint.requests_per_minute) if endpoint.requests_per_minute else None
        self._tokens = Pace(endpoint.tokens_per_minute) if endpoint.tokens_per_minute else None
        self._answered = False

    async def ask(self, messages: Sequence[Message], parameters: dict[str, Any]) -> Reply:
        """The model's reply to a conversation.

        Args:
            messages: The conversation.
            parameters: Fields of the request besides model and messages, see `request_of`.

        Raises:
            ProviderError: When nothing has been answered and every request would fail the same way.
        """
        settings = settings_of(self.endpoint, parameters)
        content = await asyncio.to_thread(self._content, settings, messages)
        if self._cache is None:
            return await self._ask(content, messages)
        return await self._ask_once(self._cache, settings, content, messages)

    def _content(self, settings: dict[str, Any], messages: Sequence[Message]) -> bytes:
        endpoint = self.endpoint
        streamed = {"stream": True, "stream_options": {"include_usage": True}} if endpoint.stream else {}

        def body_with(url_of: Callable[[View], str]) -> dict[str, Any]:
            said = to_openai(messages, system=endpoint.system, url_of=url_of)
            return {**settings, **streamed, "messages": said}

        return json_of(body_with)

    async def _ask_once(
        self, cache: ResponseCache, settings: dict[str, Any], content: bytes, messages: Sequence[Message]
    ) -> Reply:
        """The reply out of the cache, or a new one, which is kept there."""
        key = await asyncio.to_thread(cache.key_of, self.endpoint, settings, content)
        found = await asyncio.to_thread(cache.get, key) if key else None
        if found is None:
            found = await self._ask(content, messages)
            if key:
                await asyncio.to_thread(cache.put, key, found)
        return found

    async def _ask(self, content: bytes, messages: Sequence[Message]) -> Reply:
        tries = self.endpoint.retries + len(self._servers)  # each address may fail once on top
        tokens = tokens_of(usage_of(messages)) if self._tokens else 0
        for attempt in range(tries):
            server = self._servers.choose()
            try:
                return await self._once(server, content, tokens)
            except openai.APIError as error:
                pause = pause_after(error, attempt)
                if isinstance(error, openai.RateLimitError):
                    server.slots.limited(pause)
                elsewhere = self._goes_elsewhere(server, error)
                if attempt == tries - 1 or not (elsewhere or passes(error)):
                    return self._failure(server, error)
                if not elsewhere:
                    await asyncio.sleep(pause)
        raise AssertionError("the last try returns")

    def _goes_elsewhere(self, server: Server, error: openai.APIError) -> bool:
        """Leave a server out that failed; whether another may be asked at once.

        A wrong key or model is told as long as nothing was answered, even where another address is right.
        """
        if not is_of_server(error) or len(self._servers) == 1:
            return False
        other = self._servers.fail(server)
        return other and (self._answered or passes(error))

    async def _once(self, server: Server, content: bytes, tokens: int) -> Reply:
        async with server.slots.one():
            if self._requests:
                await self._requests.take()
            if self._tokens:
                await self._tokens.take(tokens)
            started = time.perf_counter()
            text = await self._send(server.api, content)
            seconds = time.perf_counter() - started
        self._answered = True
        self._servers.answer(server)
        await server.slots.succeeded()
        reply = read_reply(text, self.endpoint.model, seconds=seconds, reported_as=self.endpoint.reported_as)
        if self._tokens and (used := tokens_of(reply.usage)):
            self._tokens.correct(used - tokens)
        return reply

    async def _send(self, api: openai.AsyncOpenAI, content: bytes) -> str:
        # The typed calls would go through all of the request, images too, once more.
        if not self.endpoint.stream:
            return await api.post(_PATH, cast_to=str, content=content, options=_JSON)
        chunks = await api.post(
            _PATH,
            cast_to=ChatCompletionChunk,
            content=content,
            options=_JSON,
            stream=True,
            stream_cls=openai.AsyncStream[ChatCompletionChunk],
        )
        try:
            return await gather(chunks)
        except openai.APIError:
            raise
        except Exception as error:
            raise openai.APIConnectionError(request=chunks.response.request) from error
        finally:
            await chunks.close()

    def _failure(self, server: Server, error: openai.APIError) -> Reply:
        endpoint = self.endpoint
        what_to_do = remedy(error, endpoint)
        if what_to_do and (not self._answered or is_quota(error)):
            where = self._servers.hosts if cannot_connect(error) else server.host
            raise ProviderError(endpoint.without_key(f"{endpoint.model!r} at {where}: {what_to_do}"))
        if is_filtered(error):
            self._answered = True
            return Reply("refused", detail="stopped by the provider's content filter")
        return Reply("failed", detail=endpoint.without_key(f"{server.host}: {described(error)}"))
