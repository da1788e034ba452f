"""What a teaching would take, before anything is asked: requests, tokens and money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmrad.corpus import Corpus
from mmrad.endpoint import estimated_usage
from mmrad.endpoint.spending import OUTPUT_TOKENS
from mmrad.sample import Pair, Sample, Usage
from mmrad.teach.course import Keys, answers_under, next_turn
from mmrad.teach.lesson import Teacher
from mmrad.teach.mllm import PROMPT_CHARACTERS
from mmrad.teach.run import Teaching
from mmrad.teach.texts import reviewed_answers, text_of, text_path
from mmrad.view import Budget, view_size


@dataclass(frozen=True, slots=True)
class Plan:
    """What one teacher's course would take.

    Attributes:
        teacher: Its name.
        samples: Samples that have no verified text by it or, as far as is known, by an earlier teacher.
        least: Requests if every text passed at once; 0 for a later teacher, who may not be needed.
        most: Requests if every try were needed.
        usage: Tokens of one request, on average.
        dollars: Cost of the least and the most; None where the price is unknown.
    """

    teacher: str
    samples: int
    least: int
    most: int
    usage: Usage
    dollars: tuple[float, float] | None


def plan(
    corpus: Corpus, teachers: Sequence[Teacher], samples: Sequence[Sample] | None, teaching: Teaching
) -> list[Plan]:
    """What `teach` would take, see there for the arguments.

    Tokens are estimated: images as Qwen2.5-VL counts them (references as large as their queries), texts by
    length, answers by the length of the paper's.
    """
    pairs = corpus.pairs(corpus.samples if samples is None else samples)
    plans: list[Plan] = []
    for position, teacher in enumerate(teachers):
        made, pairs = _of_teacher(corpus, teacher, pairs, teaching, first=position == 0)
        plans.append(made)
    return plans


def _of_teacher(
    corpus: Corpus, teacher: Teacher, pairs: Sequence[Pair], teaching: Teaching, *, first: bool
) -> tuple[Plan, list[Pair]]:
    keys = Keys(teacher, teaching.budget, teaching.seed)
    known = reviewed_answers(corpus, text_path(corpus, teacher.name))
    unverified: list[Pair] = []
    asked: list[Pair] = []
    least = most = 0
    for pair in pairs:
        key = keys.of(pair) if pair.sample.id in known else None
        answers = answers_under(key or "", known.get(pair.sample.id, ()))
        turn, text = next_turn(teacher, answers), text_of(answers)
        if text is None or text.get("verified") is not True:
            unverified.append(pair)
        if turn:
            asked.append(pair)
            least += len(turn.numbers)
            most += len(turn.numbers) + teacher.best_of * (
                teacher.tries - 1 - len(answers) // teacher.best_of
            )
    usage = _usage(asked, teaching.budget)
    price = teacher.price.cost(usage) if teacher.price else None
    least = least if first else 0
    dollars = None if price is None else (least * price, most * price)
    return Plan(teacher.name, len(asked), least, most, usage, dollars), unverified


def _usage(pairs: Sequence[Pair], budget: Budget) -> Usage:
    """Tokens of one request, on average."""
    sizes = [view_size(pair.sample.size_wh, budget) for pair in pairs]
    usages = [estimated_usage([size, size], PROMPT_CHARACTERS, OUTPUT_TOKENS) for size in sizes]
    tokens = sum(usage.input_tokens or 0 for usage in usages)
    return Usage(round(tokens / max(1, len(usages))), OUTPUT_TOKENS)
