"""The chat model that a command's options name."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.catalogue import Model
    from mmrad.endpoint.model import ChatModel


class Provider(Enum):
    """Values of `--provider`."""

    OPENAI = "openai"
    INSPECT = "inspect"


ProviderOption = Annotated[
    Provider | None,
    typer.Option(
        help="`openai` is any compatible endpoint, `inspect` any of inspect-ai; else the catalogue's."
    ),
]


def chat_model(
    name: str, known: Model | None, base_url: str | None, provider: Provider | None, concurrency: int
) -> ChatModel:
    """The model, reached as the options say, else as the catalogue does.

    Args:
        name: Its name.
        known: What the catalogue says of it.
        base_url: An endpoint that has it.
        provider: How it is reached.
        concurrency: Requests at once.

    Raises:
        UsageError: When nothing says how to reach it.
    """
    from mmrad.endpoint import Endpoint
    from mmrad.endpoint.inspect_models import InspectModel

    ours = known if known and known.backend == "inspect" else None
    if provider is Provider.INSPECT or (ours and provider is None and base_url is None):
        price = ours.price.to_price() if ours and ours.price else None
        return InspectModel(ours.api_model if ours else name, concurrency, price)
    if known:
        return known.endpoint(concurrency=concurrency, base_urls=(base_url,) if base_url else ())
    if base_url is None and provider is None:
        raise UsageError(
            f"no model {name!r} in the catalogue (see  mmrad models): give --base-url for an endpoint that "
            "has it, or --provider inspect for a name of inspect-ai"
        )
    return Endpoint(name, base_url, concurrency=concurrency)
