"""What is known of one model: how it is reached and asked, what it costs, and where each fact was read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from mmrad.coordinates import CoordinateSpace
from mmrad.errors import UsageError
from mmrad.recipe import Table

if TYPE_CHECKING:
    from mmrad.endpoint import Endpoint, Price

NOTICE_DAYS = 60
"""A retirement nearer than this is warned of."""

OPENAI_URL = "https://api.openai.com/v1"


class PriceEntry(Table):
    """A price as it was read, in US dollars per million tokens.

    A price that is not known is no entry at all, never 0.

    Attributes:
        input: Of prompt tokens, images included.
        output: Of completion tokens, hidden reasoning included.
        as_of: The day it was looked up.
        source: Where it was read.
        host: Host of the only endpoint that it holds for, for a model that many serve; by default that of the
            model's own address.
    """

    input: float = Field(gt=0)
    output: float = Field(gt=0)
    as_of: date
    source: str = Field(min_length=1)
    host: str | None = None

    def to_price(self) -> Price:
        """The price as endpoints take it."""
        from mmrad.endpoint import Price

        return Price(self.input, self.output, as_of=self.as_of.isoformat())


class Model(Table):
    """A model of the catalogue.

    Attributes:
        name: What users call it, and the name of its runs.
        title: Its name in tables.
        vendor: Who makes it.
        backend: How it is reached: `openai` through an OpenAI-compatible endpoint, `inspect` through
            inspect-ai's provider of the vendor, `local` by a worker in an environment of its own.
        api_model: Its name at the endpoint or provider, or its id on Hugging Face.
        base_url: Address of the vendor's endpoint; None where the user serves it or names the host.
        api_key_env: Environment variable that holds the key.
        reported_as: Further names that its replies may carry as their model; snapshots of `api_model` are
            known by themselves.
        space: The convention in which it is asked for boxes and its answers are read.
        box_source: Whether the vendor documents that convention (`documented`), users saw it (`reported`),
            or it is what mmrad asks for and nobody vouches for (`assumed`): then run `mmrad probe`.
        max_pixels: Area of the views it is sent, in pixels; None for mmrad's default.
        token_param: What its endpoint calls the limit of an answer.
        max_tokens: A limit that leaves room for its reasoning.
        temperature: The vendor's temperature, where another one harms or is refused; None for the caller's.
        sampling: The vendor's further sampling, sent with every request.
        thinking: Whether it reasons before it answers: `none`, `optional` (switched by `extra`) or `always`.
        extra: Further fields of every request, such as `{"reasoning_effort": "medium"}`.
        rejects: Parameters that its endpoint refuses, and that are therefore not sent.
        stream: Whether it only streams.
        system: Whether it takes a system message.
        logprobs: Whether it gives the probabilities of tokens.
        price: What it costs; None where unknown.
        retires_on: The day the vendor switches it off.
        replacement: What the vendor names as its successor.
        published: Its row in the paper's Table 4.
        how_to_reach: What to do to get at a model that has no address of its own, for error messages.
        installed: Where the user has installed a model of the backend `local`, see `docs/anomalygpt.md`; it
            stands in the user's own file.
        sources: Where each fact was read, by fact (`space`, `retires_on`, `parameters`, …).
        unverified: Facts that nobody has checked.
        notes: What else one must know before asking it.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")
    title: str
    vendor: str = ""
    backend: Literal["openai", "inspect", "local"] = "openai"
    api_model: str = Field(min_length=1)
    base_url: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    reported_as: tuple[str, ...] = ()
    space: CoordinateSpace
    box_source: Literal["documented", "reported", "assumed"] = "assumed"
    max_pixels: int | None = Field(default=None, ge=28 * 28)
    token_param: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_tokens: int = Field(default=4096, ge=1)
    temperature: float | None = Field(default=None, ge=0)
    sampling: dict[str, float | int] = Field(default_factory=dict)
    thinking: Literal["none", "optional", "always"] = "none"
    extra: dict[str, Any] = Field(default_factory=dict)
    rejects: tuple[str, ...] = ()
    stream: bool = False
    system: bool = True
    logprobs: bool = False
    price: PriceEntry | None = None
    retires_on: date | None = None
    replacement: str | None = None
    published: str | None = None
    how_to_reach: str | None = None
    installed: dict[str, Any] = Field(default_factory=dict)
    sources: dict[str, str] = Field(default_factory=dict)
    unverified: tuple[str, ...] = ()
    notes: str = ""

    @model_validator(mode="after")
    def _price_has_a_host(self) -> Model:
        if self.price and self.backend == "openai" and not (self.base_url or self.price.host):
            raise ValueError("a price of a model without base_url must name the host it holds for")
        return self

    def retired(self, today: date, *, notice_days: int = NOTICE_DAYS) -> str | None:
        """A warning when the model is gone, or goes within the notice; else None.

        Args:
            today: The day it is for.
            notice_days: How many days ahead to warn.
        """
        if self.retires_on is None:
            return None
        days = (self.retires_on - today).days
        if days > notice_days:
            return None
        when = "was retired on" if days <= 0 else f"retires in {days} day{'s' * (days > 1)}, on"
        successor = f"; its successor is {self.replacement}" if self.replacement else ""
        return f"{self.name} {when} {self.retires_on}{successor}"

    def endpoint(self, *, concurrency: int = 16, base_urls: Sequence[str] = ()) -> Endpoint:
        """The model's endpoint; it knows the price only where the price holds for its host.

        Args:
            concurrency: Requests at once.
            base_urls: Addresses to use instead of the vendor's; several serve the same model side by side.

        Raises:
            UsageError: When it is not reached through an endpoint, or has no address and none is given.
        """
        from mmrad.endpoint import Endpoint

        if self.backend != "openai":
            raise UsageError(
                f"{self.name}: not asked through an OpenAI-compatible endpoint; {self._remedy()}"
            )
        urls = tuple(base_urls) or (self._own_url(),)
        endpoint = Endpoint(
            model=self.api_model,
            base_url=urls[0],
            more_urls=tuple(url for url in urls[1:] if url),
            api_key_env=self.api_key_env,
            concurrency=concurrency,
            token_param=self.token_param,
            stream=self.stream,
            system=self.system,
            extra={**self.sampling, **self.extra} or None,
            rejects=self.rejects,
            reported_as=self.reported_as,
        )
        return replace(endpoint, price=self._price_at(endpoint.host))

    def _own_url(self) -> str | None:
        """The address where none is given; None for OpenAI's, or `OPENAI_BASE_URL` instead of it."""
        if self.base_url == OPENAI_URL or (self.base_url is None and os.environ.get("OPENAI_BASE_URL")):
            return None
        if self.base_url is None:
            raise UsageError(f"{self.name}: no address; {self._remedy()}")
        return self.base_url

    def _remedy(self) -> str:
        if self.how_to_reach:
            return self.how_to_reach
        if self.backend == "inspect":
            return f"it is asked through inspect-ai as {self.api_model}: leave --base-url out"
        return f"serve it, as with  vllm serve {self.api_model}  or choose a host, and give --base-url"

    def _price_at(self, host: str) -> Price | None:
        if self.price is None:
            return None
        holds_at = self.price.host or urlsplit(self.base_url or "").netloc
        return self.price.to_price() if host == holds_at else None
