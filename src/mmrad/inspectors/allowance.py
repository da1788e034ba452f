"""What an inspector may spend: no request is begun that could pass the cap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from mmrad.endpoint import Price, Spending, usage_of
from mmrad.errors import BudgetReached, UsageError
from mmrad.prompt import Message
from mmrad.sample import Usage


class Allowance:
    """Lets requests begin while even the dearest outcome of all open ones stays within the cap.

    A request counts with the longest answer it may get until it is in, and then with what it cost; its input
    is estimated as `usage_of` does. A request that does not fit waits until those under way are in.

    Args:
        name: Whose it is, for messages.
        spending: The cap and what was spent before; may be shared with others that ask before or after.
        price: What tokens cost.
        max_tokens: Limit of an answer.

    Attributes:
        closed: Whether the money is used up; nothing more is begun then.

    Raises:
        UsageError: When there is a cap and no price: it could not be kept.
    """

    def __init__(self, name: str, spending: Spending, price: Price | None, max_tokens: int) -> None:
        if spending.limit is not None and price is None:
            raise UsageError(
                f"{name}: its price is not known, so that a cap on money could not be kept; leave the cap "
                "out, or give the price in a file of your own entries (--models)"
            )
        self.name, self._spending, self._price, self._max_tokens = name, spending, price, max_tokens
        self.closed = False
        self._open: list[float] = []
        self._changed = asyncio.Condition()

    def begin(self) -> None:
        """Before the first request of an asking; what an earlier one left open counts as estimated."""
        while self._open:
            self._spending.settle(self._open.pop(), None)
        self.closed = False
        self._changed = asyncio.Condition()  # belongs to the event loop that first waits for it

    def estimate(self, messages: Sequence[Message]) -> float:
        """The most dollars that an answer to these messages may cost; 0 where the price is unknown."""
        dearest = usage_of(messages, self._max_tokens)
        return (self._price.cost(dearest) or 0.0) if self._price else 0.0

    def take(self, estimate: float) -> bool:
        """Begin a request if it fits now."""
        if not (self._fits(estimate) and self._spending.reserve(estimate)):
            return False
        self._open.append(estimate)
        return True

    async def wait_and_take(self, estimate: float) -> bool:
        """Begin a request as soon as it fits; False, and closed, when it does not although none is open."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(estimate) or not self._open)
            self.closed = self.closed or not self.take(estimate)
            return not self.closed

    def give_back(self, estimate: float, usage: Usage) -> None:
        """A request is over; where its tokens are unknown the estimate stands in."""
        self._open.remove(estimate)
        self._spending.settle(estimate, self._price.cost(usage) if self._price else 0.0)

    def add(self, usage: Usage) -> None:
        """A request of an earlier process has been answered; unknown tokens count nothing."""
        self._spending.settle(0.0, self._price.cost(usage) if self._price else 0.0)

    async def give_back_and_tell(self, estimate: float, usage: Usage) -> None:
        """The same, for those who wait."""
        async with self._changed:
            self.give_back(estimate, usage)
            self._changed.notify_all()

    def reached(self, unasked: int, count: int) -> BudgetReached:
        """The error that says how many of the pairs were not asked."""
        return BudgetReached(
            f"{self.name}: {unasked} of {count} pairs were not asked: the cap of ${self._spending.limit:.2f} "
            f"leaves no room for them (${self._spending.spent:.4f} spent); all answers are kept, the same "
            "command with a higher cap asks the others"
        )

    def _fits(self, estimate: float) -> bool:
        limit = self._spending.limit
        return limit is None or self._spending.spent + sum(self._open) + estimate <= limit
