"""Contrastive sampling: every group of responses gets right and wrong ones (paper, section 4.1).

Where all responses to a query earn the same, their advantages are zero and nothing is learned from them. So
the verified text of the query takes the place of one response of each group, and where all are right still,
two others are replaced by texts that answer wrongly, made beforehand (`mmrad negatives`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrad.box import Box
from mmrad.train.reinforcement.rewards import Judgement, judge

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

    The deviation is the one of a sample (N - 1), as in the trainers that the paper and mmrad use.

    Returns:
        Array of the same length; all 0 where all rewards are equal, which teaches nothing.
    """
    values = np.asarray(rewards, dtype=np.float64)
    spread = values - values.mean()
    deviation = values.std(ddof=1)
    return spread / deviation if deviation > 1e-9 else np.zeros_like(values)


@dataclass(slots=True)
class Contrast:
    """How the responses and groups of one or more rollouts fared, for the log of a training.

    All are sums, so that those of several devices add up. Rewards, answers and overlaps are of the responses
    as the model gave them: what was put in would flatter it.

    Attributes:
        groups: All of them.
        equal: Those whose responses all earned the same, of their own.
        equal_still: Those that do so after sampling.
        injected_reference: Responses replaced by verified texts.
        injected_negatives: Responses replaced by texts that answer wrongly.
        lacking_reference: Groups that lacked a verified text to contrast.
        lacking_negatives: Groups that lacked texts that answer wrongly.
        responses: All of them.
        readable: Those with an answer that can be read.
        yes: Those that say Yes.
        correct: Those that say the truth of the query as a whole.
        reward: Their rewards.
        squares: The squares of their rewards.
        places: True places, once for each response.
        overlap: Best IoU of each with an answered place.
        tokens: Tokens of the responses.
    """

    groups: float = 0
    equal: float = 0
    equal_still: float = 0
    injected_reference: float = 0
    injected_negatives: float = 0
    lacking_reference: float = 0
    lacking_negatives: float = 0
    responses: float = 0
    readable: float = 0
    yes: float = 0
    correct: float = 0
    reward: float = 0
    squares: float = 0
    places: float = 0
    overlap: float = 0
    tokens: float = 0

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
        self.injected_reference += plan.reference is not None
        self.injected_negatives += len(plan.negatives)
        self.lacking_reference += plan.lacking == "reference"
        self.lacking_negatives += plan.lacking == "negatives"
        for judgement in sampled:
            self.responses += 1
            self.readable += judgement.anomalous is not None
            self.yes += judgement.anomalous is True
            self.correct += judgement.correct
            self.reward += judgement.reward
            self.squares += judgement.reward**2
            self.places += len(judgement.overlaps)
            self.overlap += sum(judgement.overlaps)

    def figures(self) -> dict[str, float]:
        """What a line of the log says of them; a mean of nothing is left out."""
        mean = self.reward / max(1, self.responses)
        shares = {
            "parse_rate": (self.readable, self.responses),
            "answer_yes": (self.yes, self.readable),
            "correct": (self.correct, self.responses),
            "mean_iou": (self.overlap, self.places),
            "zero_advantage": (self.equal, self.groups),
            "zero_advantage_after": (self.equal_still, self.groups),
            "completion_tokens": (self.tokens, self.responses),
        }
        counts = ("injected_reference", "injected_negatives", "lacking_reference", "lacking_negatives")
        return {
            "reward": mean,
            "reward_std": math.sqrt(max(0.0, self.squares / max(1, self.responses) - mean**2)),
            **{name: part / whole for name, (part, whole) in shares.items() if whole},
            **{name: getattr(self, name) for name in counts},
        }
