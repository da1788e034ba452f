"""What a response earns in reinforcement learning (paper, section 4.1); no trainer in sight.

    reward = result + consistency
    result       1 when the answer says Yes of an anomalous query or No of a normal one, else 0
    consistency  -0.2 for each true place without an answered one at IoU > 0.5

A response without a readable answer has a wrong result, and all true places count as not found: that is
all the handling of the format there is. Instead of the step at IoU 0.5, the soft form charges each true place
`0.2 x (1 - IoU)` for its best answered place, so that a box that comes nearer earns more before it matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.answer import AnswerStatus, parse
from mmrad.box import Box, iou_matrix


@dataclass(frozen=True, slots=True)
class RewardRules:
    """The numbers in the reward; the defaults are the paper's.

    Attributes:
        penalty: Charged for each true place that is not found.
        iou: A true place is found by an answered place above this IoU.
        soft: Whether a place is charged by how far its best answered place is from it, not all or nothing.
    """

    penalty: float = 0.2
    iou: float = 0.5
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a response is worth.

    Attributes:
        status: How the answer ended, see `mmrad.answer.Answer`.
        anomalous: What it says; None when it cannot be read.
        correct: Whether it says the truth of the query as a whole; such a response is a positive one.
        overlaps: Best IoU with an answered place, for each true place.
        undetected: True places without a match.
        reward: The reward.
    """

    status: AnswerStatus
    anomalous: bool | None
    correct: bool
    overlaps: tuple[float, ...]
    undetected: int
    reward: float


def judge(text: str, truth: Sequence[Box], rules: RewardRules = RewardRules()) -> Judgement:
    """Judge a response.

    Args:
        text: The whole response.
        truth: The true boxes, in the pixels in which the response gives places; none for a normal query.
        rules: The numbers in the reward.
    """
    answer = parse(text)
    claimed = [place.box for place in answer.instances] if answer.anomalous else []
    best = iou_matrix(truth, claimed).max(axis=1) if truth and claimed else np.zeros(len(truth))
    undetected = int((best <= rules.iou).sum())
    correct = answer.anomalous is bool(truth)
    charged = float((1 - best).sum()) if rules.soft else undetected
    return Judgement(
        status=answer.status,
        anomalous=answer.anomalous,
        correct=correct,
        overlaps=tuple(best.tolist()),
        undetected=undetected,
        reward=float(correct) - rules.penalty * charged,
    )
