"""What teachers and judges need of a chat model, whoever serves it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from mmrad.endpoint.price import Price
from mmrad.endpoint.reply import Reply
from mmrad.prompt import Message


class Chat(Protocol):
    """An open connection to a chat model."""

    async def ask(self, messages: Sequence[Message], parameters: dict[str, Any]) -> Reply:
        """The model's reply to a conversation; parameters are temperature, seed, max_tokens and so on."""


class ChatModel(Protocol):
    """A chat model: `Endpoint`, or one of inspect-ai's providers.

    Attributes:
        model: Its name.
        concurrency: Requests at once.
        price: What its tokens cost; None where unknown.
    """

    @property
    def model(self) -> str: ...  # noqa: D102 - see the class
    @property
    def concurrency(self) -> int: ...  # noqa: D102 - see the class
    @property
    def price(self) -> Price | None: ...  # noqa: D102 - see the class

    def key(self) -> dict[str, Any]:
        """What can change an answer, without secrets."""

    def connect(self) -> AbstractAsyncContextManager[Chat]:
        """Open it."""
