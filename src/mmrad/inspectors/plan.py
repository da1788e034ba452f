"""What an inspection would take, before anything is asked: requests, tokens and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.endpoint import Price, usage_of
from mmrad.endpoint.spending import OUTPUT_TOKENS
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.hints import Details, detail_budget, surroundings
from mmrad.sample import Pair, Usage
from mmrad.view import Budget, View, view_size


@dataclass(frozen=True, slots=True)
class Plan:
    """What an inspection would take.

    Attributes:
        requests: How many queries there are.
        usage: Tokens of all of them together: images as Qwen2.5-VL counts them (references as large as their
            queries), texts by length, answers by the length of the paper's.
        dollars: What that costs; None where the price is unknown.
        most_dollars: What it costs if every answer is as long as it may be, which a model that reasons at
            length comes near to; None where the price is unknown.
    """

    requests: int
    usage: Usage
    dollars: float | None
    most_dollars: float | None


def plan_of(pairs: Sequence[Pair], settings: InspectionSettings, price: Price | None) -> Plan:
    """What asking about these pairs would take; no image is read.

    Args:
        pairs: Queries with their references.
        settings: How they would be asked.
        price: What tokens cost; None where unknown.
    """
    read = sum(_input_tokens(pair, settings) for pair in pairs)
    written = len(pairs) * min(OUTPUT_TOKENS, settings.max_tokens)
    usage = Usage(read, written)
    most = Usage(read, len(pairs) * settings.max_tokens)
    dollars = [price.cost(one) if price else None for one in (usage, most)]
    return Plan(len(pairs), usage, *dollars)


def blank_view(original_wh: tuple[int, int], budget: Budget) -> View:
    """The view of an image of that size without its pixels, where only sizes count."""
    width, height = view_size(original_wh, budget)
    return View(np.broadcast_to(np.uint8(0), (height, width, 3)), original_wh)


def _input_tokens(pair: Pair, settings: InspectionSettings) -> int:
    view = blank_view(pair.sample.size_wh, settings.budget)
    references = [view] * len(pair.references)
    messages = settings.messages(pair.sample, view, references, _blank_details(pair, settings))
    return usage_of(messages).input_tokens or 0


def _blank_details(pair: Pair, settings: InspectionSettings) -> Details:
    """What `read_details` gives, without pixels."""
    hint = settings.hints.get(pair.sample.id)
    if hint is None or settings.hints_as != "crops":
        return ()
    count, budget = 2 if pair.references else 1, detail_budget(settings.budget)
    shown = [surroundings(place, pair.sample.size_wh).rounded() for place in hint.places]
    return tuple((blank_view((x2 - x1, y2 - y1), budget),) * count for x1, y1, x2, y2 in shown)
