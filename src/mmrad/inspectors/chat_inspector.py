"""Any model behind an OpenAI-compatible endpoint as an inspector."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from dataclasses import asdict
from typing import Any

from mmrad.endpoint import Client, Endpoint
from mmrad.endpoint.background import in_background
from mmrad.errors import DataError
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.reply import verdict_from_reply
from mmrad.sample import Pair, Verdict

TOP_LOGPROBS = 20


class OpenAIInspector:
    """Inspect with a model behind an OpenAI-compatible endpoint.

    What fails in spite of retries is a verdict `failed` for that pair alone, see `mmrad.endpoint.Client`. A
    reply from another model than the asked one is a verdict `wrong_model`, by the rule of `is_same_model`.

    Args:
        endpoint: The model, and how it takes requests.
        settings: How to ask.
        name: Name for tables; the model's by default.
        logprobs: Whether to ask for the probabilities of tokens, from which the score is made.

    Raises:
        ProviderError: When there is neither a key nor an endpoint that may need none.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        settings: InspectionSettings | None = None,
        *,
        name: str | None = None,
        logprobs: bool = False,
    ) -> None:
        endpoint.api_key()
        self.name = name or endpoint.model
        self.endpoint = endpoint
        self.settings = settings or InspectionSettings()
        self.logprobs = logprobs

    def key(self) -> dict[str, Any]:
        """Everything besides the images that can change an answer; no secret."""
        return {
            "inspector": "openai",
            **self.endpoint.key(),
            "logprobs": self.logprobs,
            **self.settings.key(),
        }

    def about(self) -> dict[str, Any]:
        """What tables say of it."""
        price = self.endpoint.price
        return {"price": asdict(price) if price else None}

    def inspect(self, pairs: Sequence[Pair]) -> Generator[tuple[int, Verdict], None, None]:
        """Yield `(index into pairs, verdict)` as the answers come; closing it cancels the open requests.

        Raises:
            ProviderError: When nothing has been answered and every pair would fail the same way.
        """

        async def one(client: Client, index: int) -> tuple[int, Verdict]:
            try:
                messages, view = await asyncio.to_thread(self.settings.ask, pairs[index])
            except DataError as error:
                return index, failed_verdict("failed", str(error))
            reply = await client.ask(messages, self._parameters())
            return index, verdict_from_reply(reply, view, settings=self.settings)

        yield from in_background(len(pairs), one, self.endpoint.connect, self.endpoint.concurrency)

    def _parameters(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "temperature": settings.temperature,
            "seed": settings.seed,
            "max_tokens": settings.max_tokens,
            **({"min_p": settings.min_p} if settings.min_p > 0 else {}),
            **({"logprobs": True, "top_logprobs": TOP_LOGPROBS} if self.logprobs else {}),
        }
