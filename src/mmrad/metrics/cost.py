"""What the answers of a run cost."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from mmrad.sample import Verdict

if TYPE_CHECKING:
    from mmrad.endpoint import Price


@dataclass(frozen=True, slots=True)
class Cost:
    """What the answers that count cost.

    Attributes:
        answers: How many there are.
        dollars: Their cost; None when the price is unknown or no answer tells its tokens. Where some do not,
            it is a lower bound.
        unpriced: How many answers do not tell their tokens.
        cached: How many came out of a response cache, and cost nothing this time.
        input_tokens: Sum over the answers that tell it; None when none does.
        output_tokens: Likewise.
        seconds_median: Median seconds of an answer, those out of the cache left out; None when unknown.
    """

    answers: int
    dollars: float | None
    unpriced: int
    cached: int
    input_tokens: int | None
    output_tokens: int | None
    seconds_median: float | None


def cost(verdicts: Collection[Verdict], price: Price | None) -> Cost:
    """What verdicts cost.

    Args:
        verdicts: Those that count; answers that were asked again later are not among them.
        price: Of the model, or None where unknown.
    """
    usages = [verdict.usage for verdict in verdicts]
    dollars = [price.cost(usage) if price else None for usage in usages]
    priced = [amount for amount in dollars if amount is not None]
    seconds = [usage.seconds for usage in usages if usage.seconds is not None and not usage.cached]
    inputs = [usage.input_tokens for usage in usages if usage.input_tokens is not None]
    outputs = [usage.output_tokens for usage in usages if usage.output_tokens is not None]
    untold = sum(usage.input_tokens is None or usage.output_tokens is None for usage in usages)
    return Cost(
        answers=len(usages),
        dollars=sum(priced) if priced else None,
        unpriced=untold,
        cached=sum(usage.cached for usage in usages),
        input_tokens=sum(inputs) if inputs else None,
        output_tokens=sum(outputs) if outputs else None,
        seconds_median=median(seconds) if seconds else None,
    )
