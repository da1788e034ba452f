"""Pairs in batches, for models that run in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mmrad.errors import DataError
from mmrad.inspectors.base import InspectionSettings, failed_verdict
from mmrad.inspectors.seeds import seed_of
from mmrad.prompt import Message
from mmrad.sample import Pair, Verdict
from mmrad.view import View


@dataclass(frozen=True, slots=True)
class Asked:
    """A pair as a model is asked about it.

    Attributes:
        index: Its index among all pairs.
        seed: Seed of its sampling.
        messages: The conversation.
        view: View of the query.
    """

    index: int
    seed: int
    messages: list[Message]
    view: View


Answered = Iterator[tuple[int, Verdict]]


def in_batches(
    settings: InspectionSettings,
    pairs: Sequence[Pair],
    size: int,
    answer: Callable[[Sequence[Asked]], Answered],
) -> Answered:
    """Yield `(index into pairs, verdict)` batch by batch; a pair that cannot be shown is `failed`.

    Args:
        settings: How the model is asked.
        pairs: The pairs.
        size: How many are asked at once.
        answer: Asks the model.
    """
    asked: list[Asked] = []
    for index, pair in enumerate(pairs):
        try:
            messages, view = settings.ask(pair)
        except DataError as error:
            yield index, failed_verdict("failed", str(error))
            continue
        asked.append(Asked(index, seed_of(settings.seed, pair.sample.id), messages, view))
        if len(asked) == size:
            yield from answer(asked)
            asked = []
    if asked:
        yield from answer(asked)
