"""A model behind an OpenAI-compatible endpoint: where it is, how it takes requests, what it costs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from mmrad.endpoint.messages import to_openai
from mmrad.endpoint.price import Price
from mmrad.errors import ProviderError
from mmrad.prompt import Message

if TYPE_CHECKING:
    from mmrad.endpoint.cache import ResponseCache
    from mmrad.endpoint.client import Client

DEFAULT_URL = "https://api.openai.com/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model behind an OpenAI-compatible endpoint, and how it takes requests.

    Attributes:
        model: Name the endpoint knows the model by.
        base_url: The endpoint; by default `OPENAI_BASE_URL`, else OpenAI's own.
        api_key_env: Environment variable that holds its key. An endpoint given by URL may need none.
        concurrency: Requests at once, at all addresses together; fewer while the endpoint limits the rate.
        timeout: Seconds that a request may stay without a byte of the reply.
        retries: How often a request is tried again.
        token_param: What the endpoint calls the limit of an answer.
        stream: Whether to ask for a stream, as models that only stream need.
        system: Whether the model takes a system message.
        extra: Further fields of every request, such as `{"reasoning_effort": "low"}`.
        price: What its tokens cost; None where unknown.
        more_urls: Further addresses of the same model, among which requests are shared out.
        rejects: Parameters that the model does not take and that are never sent, by the names mmrad has for
            them (`temperature`, `seed`, …); see `dropped`.
        reported_as: Other names that the model's replies may carry.
        requests_per_minute: Most requests a minute, at all addresses together; None for no limit.
        tokens_per_minute: Most tokens a minute, read and written; None for no limit.
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
    more_urls: tuple[str, ...] = ()
    rejects: tuple[str, ...] = ()
    reported_as: tuple[str, ...] = ()
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None

    @property
    def url(self) -> str:
        """The first address; it may hold a secret."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL

    @property
    def urls(self) -> tuple[str, ...]:
        """All addresses; they may hold secrets."""
        return (self.url, *self.more_urls)

    @property
    def host(self) -> str:
        """Host and port of the first address, for messages; never a name or password of the URL."""
        return host_of(self.url)

    def key(self) -> dict[str, Any]:
        """What can change an answer, without secrets."""
        return {
            "model": self.model,
            "base_url": _without_secrets(self.url),
            "token_param": self.token_param,
            **({} if self.system else {"system": False}),
            **({"extra": self.extra} if self.extra else {}),
            **({"more_urls": [_without_secrets(url) for url in self.more_urls]} if self.more_urls else {}),
            **({"rejects": sorted(self.rejects)} if self.rejects else {}),
            **({"reported_as": sorted(self.reported_as)} if self.reported_as else {}),
        }

    def dropped(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Those of the parameters, with their values, that the model rejects and that are not sent."""
        return {name: value for name, value in parameters.items() if name in self.rejects}

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

    def check_urls(self) -> None:
        """Refuse addresses that hold a name or password: they would be kept with what is asked there.

        Raises:
            ProviderError: When one does.
        """
        for url in self.urls:
            if urlsplit(url).username:
                raise ProviderError(
                    f"the address of {self.model!r} at {host_of(url)} holds a name or password; leave them "
                    f"out and set {self.api_key_env}"
                )

    def connect(self, cache: ResponseCache | None = None) -> AbstractAsyncContextManager[Client]:
        """Open the endpoint; leaving the context closes its connections.

        Args:
            cache: Answers known before, and where new ones are kept.
        """
        from mmrad.endpoint.client import connect

        return connect(self, cache)


def request_of(endpoint: Endpoint, messages: Sequence[Message], parameters: dict[str, Any]) -> dict[str, Any]:
    """The body of a chat completion.

    Args:
        endpoint: Who is asked.
        messages: The conversation.
        parameters: `temperature`, `seed`, `max_tokens` (under the name the endpoint has for it), `min_p`, …;
            those that the endpoint rejects are left out.
    """
    return {
        **settings_of(endpoint, parameters),
        "messages": to_openai(messages, system=endpoint.system),
    }


def settings_of(endpoint: Endpoint, parameters: dict[str, Any]) -> dict[str, Any]:
    """The body of a chat completion without its messages, see `request_of`."""
    named = {
        endpoint.token_param if name == "max_tokens" else name: value
        for name, value in parameters.items()
        if name not in endpoint.rejects
    }
    return {"model": endpoint.model, **named, **(endpoint.extra or {})}


def host_of(url: str) -> str:
    """Host and port of an address, for messages."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _without_secrets(url: str) -> str:
    return urlsplit(url)._replace(netloc=host_of(url), query="", fragment="").geturl().rstrip("/")
