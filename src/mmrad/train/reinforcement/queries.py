"""The queries of a reinforcement learning as TRL's trainer reads them.

TRL asks its data loader for the whole rollout again before each of the batches that are made of it, and uses
the first time only. Here all times but the first are filled with `REUSED` rows, so that images are decoded
once in a rollout, and each once for all responses to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from datasets import Dataset
from torch.utils.data import Sampler

from mmrad.inspectors.chat import to_chat
from mmrad.train.examples.example import Example, Examples
from mmrad.view import View

REUSED = -1
"""Number of the query of rows that are not read."""

Row = dict[str, Any]


class Order(Protocol):
    """Which queries a rollout asks."""

    rollouts: int
    """Rollouts that all queries fill: an epoch."""

    def queries_of(self, rollout: int) -> Sequence[int]:
        """The queries of a rollout, counted from the beginning of the training; each once."""


@dataclass(frozen=True)
class Rollouts:
    """The shape of a training.

    Attributes:
        queries: How many there are to ask.
        count: Rollouts of the whole training.
        prompts: Queries of a rollout, over all devices.
        responses: Responses to each.
        repeats: How often TRL's trainer asks for a rollout.
        updates: Updates made of it.
    """

    queries: int
    count: int
    prompts: int
    responses: int
    repeats: int
    updates: int

    @property
    def size(self) -> int:
        """Responses of a rollout."""
        return self.prompts * self.responses


def query_rows(queries: int, epochs: int) -> Dataset:
    """The rows of all epochs, one after another, and a last one that is not read."""
    return Dataset.from_dict(
        {
            "epoch": np.append(np.repeat(np.arange(epochs), queries), 0),
            "query": np.append(np.tile(np.arange(queries), epochs), REUSED),
        }
    )


class RolloutSampler(Sampler[int]):
    """Numbers of rows of `query_rows`: those of each rollout once, then the one that is not read.

    The whole training is one reading, which begins with the rollout that comes next: a resumed training goes
    on there without a look at those before.

    Args:
        order: Which queries a rollout asks.
        rollouts: Shape of the training.
        done: How many rollouts are done; asked when the reading begins.
    """

    def __init__(self, order: Order, rollouts: Rollouts, done: Callable[[], int]) -> None:
        self._order = order
        self._rollouts = rollouts
        self._done = done

    def __len__(self) -> int:
        """How many numbers the whole training has."""
        return self._rollouts.count * self._rollouts.size * self._rollouts.repeats

    def __iter__(self) -> Iterator[int]:
        shape = self._rollouts
        unread = epochs_of(self._order, shape.count) * shape.queries
        for rollout in range(self._done(), shape.count):
            first = rollout // self._order.rollouts * shape.queries
            for query in self._order.queries_of(rollout):
                yield from [first + query] * shape.responses
            yield from [unread] * (shape.size * (shape.repeats - 1))


def epochs_of(order: Order, rollouts: int) -> int:
    """Epochs that so many rollouts reach into."""
    return math.ceil(rollouts / order.rollouts)


class QueryReader:
    """Collator that reads examples for TRL's trainer; rows of the same query share one.

    Args:
        examples: What is asked.
    """

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __call__(self, rows: Sequence[Mapping[str, int]]) -> list[Row]:
        """What TRL reads, `prompt` and `images`, and beside them `example` and its number, `query`."""
        read: dict[tuple[int, int], Row] = {(0, REUSED): {"prompt": None, "query": REUSED}}
        for epoch, query in {(row["epoch"], row["query"]) for row in rows} - read.keys():
            self._examples.set_epoch(epoch)
            read[epoch, query] = {**_asked(self._examples[query]), "query": query}
        return [read[row["epoch"], row["query"]] for row in rows]


def _asked(example: Example) -> Row:
    parts = (part for message in example.messages for part in message.parts)
    return {
        "prompt": to_chat(example.messages),
        # Arrays, for their channels are last beyond doubt: sides of views are multiples of 28.
        "images": [part.image for part in parts if isinstance(part, View)],
        "example": example,
    }
