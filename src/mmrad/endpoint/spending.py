"""Money: a cap that is never passed, and what requests may cost before they are made."""

from __future__ import annotations

from collections.abc import Sequence

from mmrad.prompt import Message
from mmrad.sample import Usage
from mmrad.view import FACTOR, View

CHARACTERS_A_TOKEN = 4
"""Of English prose, about."""

OUTPUT_TOKENS = 400
"""Assumed of a text; the paper's have about 230 (Table 1: 26.4 M tokens over 113 K texts)."""


class Spending:
    """What is spent, and what the requests under way may still cost.

    Args:
        limit: US dollars in all; None for no cap.
        spent: Dollars spent before.
    """

    def __init__(self, limit: float | None = None, spent: float = 0.0) -> None:
        self.limit = limit
        self.spent = spent
        self.stopped = False
        self._reserved = 0.0

    def reserve(self, estimate: float) -> bool:
        """Set money aside for a request; False when the cap leaves none, and nothing more is begun then."""
        if self.limit is not None and self.spent + self._reserved + estimate > self.limit:
            self.stopped = True
        if self.stopped:
            return False
        self._reserved += estimate
        return True

    def settle(self, estimate: float, cost: float | None) -> None:
        """A request is over; where its cost is unknown the estimate stands in, so that the cap holds."""
        self._reserved -= estimate
        self.spent += estimate if cost is None else cost


def estimated_usage(views_wh: Sequence[tuple[int, int]], characters: int, output_tokens: float) -> Usage:
    """Tokens of a request before it is made, images counted as Qwen2.5-VL counts them.

    Args:
        views_wh: Sizes of its images in pixels.
        characters: Length of its texts.
        output_tokens: What the answer is expected to take.
    """
    images = sum((width // FACTOR) * (height // FACTOR) for width, height in views_wh)
    return Usage(images + characters // CHARACTERS_A_TOKEN, round(output_tokens))


def usage_of(messages: Sequence[Message], output_tokens: float = OUTPUT_TOKENS) -> Usage:
    """Tokens of a conversation before it is asked, see `estimated_usage`."""
    parts = [part for message in messages for part in message.parts]
    views = [part.size_wh for part in parts if isinstance(part, View)]
    characters = sum(len(part) for part in parts if isinstance(part, str))
    return estimated_usage(views, characters, output_tokens)


def tokens_of(usage: Usage) -> int:
    """Tokens read and written, as far as they are known."""
    return (usage.input_tokens or 0) + (usage.output_tokens or 0)
