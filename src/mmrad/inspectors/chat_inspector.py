"""Any chat model as an inspector: behind an OpenAI-compatible endpoint, or of inspect-ai's providers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmrad.endpoint import Endpoint, ResponseCache, Spending
from mmrad.endpoint.background import in_background
from mmrad.endpoint.model import Chat, ChatModel
from mmrad.errors import DataError
from mmrad.inspectors.allowance import Allowance
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.plan import Plan, plan_of
from mmrad.inspectors.reply import verdict_from_reply
from mmrad.sample import Pair, Verdict
from mmrad.view import View, view_reader

TOP_LOGPROBS = 20

KEPT_REFERENCES = 64
"""Views of references that are kept, since one reference serves many queries."""

NOT_OF_INSPECT = ("min_p", "logprobs", "top_logprobs")
"""Parameters that inspect-ai has no name for, or whose outcome it does not hand back here."""


class ChatInspector:
    """Inspect with a chat model.

    What fails in spite of retries is a verdict `failed` for that pair alone, see `mmrad.endpoint.Client`. A
    reply from another model than the asked one is a verdict `wrong_model`, by the rule of `is_same_model`.

    Args:
        model: The model, and how it takes requests.
        settings: How to ask.
        name: Name for tables; the model's by default.
        logprobs: Whether to ask for the probabilities of tokens, from which the score is made.
        rejects: Parameters that are not sent, besides those that an endpoint rejects.
        cache: Answers known before, and where new ones are kept; only endpoints use one.
        spending: The cap on money, with what was spent before.
        about: What tables say of the model besides its price, see `Inspector.about`.

    Raises:
        ProviderError: When there is neither a key nor an endpoint that may need none.
        UsageError: When there is a cap and the price is unknown.
    """

    def __init__(
        self,
        model: ChatModel,
        settings: InspectionSettings | None = None,
        *,
        name: str | None = None,
        logprobs: bool = False,
        rejects: Sequence[str] = (),
        cache: ResponseCache | None = None,
        spending: Spending | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        if isinstance(model, Endpoint):
            model.api_key()
        self.name = name or model.model
        self.model = model
        self.settings = settings or InspectionSettings()
        self.allowance = Allowance(self.name, spending or Spending(), model.price, self.settings.max_tokens)
        known = model.rejects if isinstance(model, Endpoint) else NOT_OF_INSPECT
        asked = _parameters(self.settings, logprobs)
        rejected = {*rejects, *known}
        self.parameters = {name: value for name, value in asked.items() if name not in rejected}
        self.dropped = {name: value for name, value in asked.items() if name in rejected}
        self._cache = cache
        self._about = dict(about or {})

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer: what is sent, not what was asked for."""
        settings = {name: value for name, value in self.settings.key().items() if name not in self.dropped}
        return {
            "inspector": "chat",
            **self.model.key(),
            "logprobs": "logprobs" in self.parameters,
            **settings,
        }

    def about(self) -> dict[str, Any]:
        """What tables say of it."""
        price = self.model.price
        found = {"price": asdict(price) if price else None}
        return {**self._about, **found, **({"dropped": self.dropped} if self.dropped else {})}

    def plan(self, pairs: Sequence[Pair]) -> Plan:
        """What inspecting these pairs would take; nothing is asked and no image is read."""
        return plan_of(pairs, self.settings, self.model.price)

    def inspect(self, pairs: Sequence[Pair]) -> Generator[tuple[int, Verdict], None, None]:
        """Yield `(index into pairs, verdict)` as the answers come; closing it cancels the open requests.

        Raises:
            ProviderError: When nothing has been answered and every pair would fail the same way.
            BudgetReached: When all that was begun is in and the cap leaves pairs unasked.
        """
        reference_view = view_reader(self.settings.budget, keep=KEPT_REFERENCES)

        async def one(chat: Chat, index: int) -> tuple[int, Verdict | None]:
            try:
                return index, await self._ask(chat, pairs[index], reference_view)
            except DataError as error:
                return index, failed_verdict("failed", str(error))

        # While requests are under way, the next pairs are prepared; an endpoint's client limits the requests.
        ahead = self.model.concurrency
        ahead += ahead // 4 if isinstance(self.model, Endpoint) else 0
        self.allowance.begin()
        unasked = 0
        for index, verdict in in_background(len(pairs), one, self._connect, ahead):
            if verdict:
                yield index, verdict
            else:
                unasked += 1
        if unasked:
            raise self.allowance.reached(unasked, len(pairs))

    async def _ask(self, chat: Chat, pair: Pair, reference_view: Callable[[Path], View]) -> Verdict | None:
        """The verdict; None when the cap leaves no money for it."""
        if self.allowance.closed:
            return None
        messages, view = await asyncio.to_thread(self.settings.ask, pair, reference_view)
        estimate = self.allowance.estimate(messages)
        if not await self.allowance.wait_and_take(estimate):
            return None
        reply = await chat.ask(messages, self.parameters)
        await self.allowance.give_back_and_tell(estimate, reply.usage)
        return verdict_from_reply(reply, view, settings=self.settings)

    def _connect(self) -> AbstractAsyncContextManager[Chat]:
        return self.model.connect(self._cache) if isinstance(self.model, Endpoint) else self.model.connect()


def _parameters(settings: InspectionSettings, logprobs: bool) -> dict[str, Any]:
    """Fields of a request besides model and messages."""
    return {
        "temperature": settings.temperature,
        "seed": settings.seed,
        "max_tokens": settings.max_tokens,
        **({"min_p": settings.min_p} if settings.min_p > 0 else {}),
        **({"logprobs": True, "top_logprobs": TOP_LOGPROBS} if logprobs else {}),
    }
