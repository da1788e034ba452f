"""Contrastive sampling: every group of responses gets right and wrong ones (paper, section 4.1).

Where all responses to a query earn the same, their advantages are zero and nothing is learned from them. So
the verified text of the query takes the place of one response of each group, and where all are right still,
two others are replaced by texts that answer wrongly, made beforehand (`mmrad negatives`).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box
from mmrad.train.rewards import Judgement, judge

NEGATIVES = 2
"""How many responses of a group that is all right are replaced by wrong ones."""


def worse(texts: Iterable[str], truth: Sequence[Box]) -> Iterator[str]:
    """Those of the texts that earn less than a right answer; another label alone costs nothing.

    Args:
        texts: Negatives of a query.
        truth: Its true boxes, in the pixels of the texts.
    """
    return (text for text in texts if judge(text, truth).reward < 1)


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """Which responses of a group are replaced.

    Attributes:
        reference: Index of the response in whose place the verified text comes; None for none.
        negatives: By index of a response, which of the negatives comes in its place.
        lacking: What would have been needed to make the group contrast: `reference`, `negatives`, or nothing.
    """

    reference: int | None
    negatives: dict[int, int]
    lacking: str = ""

    def apply(self, responses: Sequence[str], reference: str | None, negatives: Sequence[str]) -> list[str]:
        """The responses with their replacements."""
        replaced = list(responses)
        if self.reference is not None and reference is not None:
            replaced[self.reference] = reference
        for index, negative in self.negatives.items():
            replaced[index] = negatives[negative]
        return replaced


def plan_group(
    correct: Sequence[bool], *, has_reference: bool, negatives: int, rng: random.Random
) -> GroupPlan:
    """Decide what to replace in a group of responses to one query.

    The verified text takes the place of a random response of the larger kind, so that it never removes the
    only right or the only wrong one. The responses stay in their places otherwise.

    Args:
        correct: Whether each response is right, see `Judgement.correct`; at least two.
        has_reference: Whether the query has a verified text.
        negatives: How many wrong texts the query has.
        rng: Source of the choices.
    """
    right = [index for index, good in enumerate(correct) if good]
    wrong = [index for index, good in enumerate(correct) if not good]
    reference = rng.choice(max(right, wrong, key=len)) if has_reference else None
    if not right and reference is None:
        return GroupPlan(None, {}, lacking="reference")
    if wrong and wrong != [reference]:
        return GroupPlan(reference, {})
    others = [index for index in range(len(correct)) if index != reference]
    count = min(NEGATIVES, negatives, len(correct) - 1)  # a right one is left
    replaced = zip(sorted(rng.sample(others, count)), rng.sample(range(negatives), count), strict=True)
    return GroupPlan(reference, dict(replaced), lacking="" if count else "negatives")


def advantages(rewards: Sequence[float]) -> NDArray[np.float64]:
    """The rewards of a group, less their mean, by their standard deviation (paper, Eq. 2).

    Returns:
        Array of the same length; all 0 where all rewards are equal, which teaches nothing.
    """
    values = np.asarray(rewards, dtype=np.float64)
    spread = values - values.mean()
    deviation = values.std()
    return spread / deviation if deviation > 1e-9 else np.zeros_like(values)


@dataclass(slots=True)
class Contrast:
    """How the groups of a training fared, for its log.

    Attributes:
        groups: All of them.
        equal: Those whose responses all earned the same, of their own.
        equal_still: Those that do so after sampling.
        lacking: How many lacked a verified text or negatives to contrast, by which.
    """

    groups: int = 0
    equal: int = 0
    equal_still: int = 0
    lacking_reference: int = 0
    lacking_negatives: int = 0

    def count(self, sampled: Sequence[Judgement], plan: GroupPlan, used: Sequence[Judgement]) -> None:
        """Count a group.

        Args:
            sampled: Its responses as the model gave them.
            plan: What was replaced.
            used: Its responses after that.
        """
        self.groups += 1
        self.equal += len({judgement.reward for judgement in sampled}) == 1
        self.equal_still += len({judgement.reward for judgement in used}) == 1
        self.lacking_reference += plan.lacking == "reference"
        self.lacking_negatives += plan.lacking == "negatives"
