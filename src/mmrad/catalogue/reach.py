"""How a chat model is reached: at an endpoint, or by inspect-ai."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.catalogue.entry import Model
    from mmrad.endpoint.model import ChatModel

Provider = Literal["openai", "inspect"]
"""`openai` is any endpoint with its API, `inspect` any provider of inspect-ai."""


def chat_model(
    name: str, known: Model | None, *, provider: Provider | None, base_urls: Sequence[str], concurrency: int
) -> ChatModel:
    """The model, reached as one asks for, else as the catalogue says.

    Args:
        name: Its name.
        known: What the catalogue says of it.
        provider: How it is reached.
        base_urls: Endpoints that have it, side by side.
        concurrency: Requests at once, at all addresses together.

    Raises:
        UsageError: When nothing says how to reach it, or the arguments contradict each other.
    """
    from mmrad.endpoint import Endpoint
    from mmrad.endpoint.inspect_models import InspectModel

    listed = known is not None and known.backend == "inspect"
    if provider == "inspect" or (listed and provider is None and not base_urls):
        if base_urls:
            raise UsageError(
                f"{name}: inspect-ai has its own addresses; leave out either --base-url or --provider"
            )
        if known and not listed:
            raise UsageError(
                f"{name}: the catalogue does not say what inspect-ai calls it; leave --provider out, or give "
                "inspect-ai's name (such as openai/gpt-4o) and --space"
            )
        price = known.price.to_price() if known and known.price else None
        return InspectModel(known.api_model if known else name, concurrency, price)
    if known:
        return known.endpoint(concurrency=concurrency, base_urls=base_urls)
    if not (base_urls or provider):
        raise UsageError(
            f"no model {name!r} in the catalogue (see  mmrad models): give --base-url for an endpoint that "
            "has it, or --provider inspect for a name of inspect-ai"
        )
    first = base_urls[0] if base_urls else None
    return Endpoint(name, first, more_urls=tuple(base_urls[1:]), concurrency=concurrency)
