"""The reward, for verl. Written by  mmrad export --to verl.

verl loads this file by the path in `reward.custom_reward_function.path`; the numbers in the reward are
`reward_kwargs` beside it. In the environment of verl mmrad is installed without what it depends on:
`pip install --no-deps mmrad`  is enough here, for judging an answer takes NumPy alone.
"""

from __future__ import annotations

import json
from typing import Any

try:
    from mmrad.box import Box
    from mmrad.train.reinforcement.rewards import RewardRules, judge
except ImportError as error:
    raise ImportError(
        f"responses are judged by mmrad, which cannot be imported here ({error}); "
        "run  pip install --no-deps mmrad  in the environment of verl"
    ) from error


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: dict[str, Any] | None = None,
    **rules: Any,
) -> dict[str, float]:
    """Judge a response.

    Args:
        data_source: Not read; all sources are judged alike.
        solution_str: The response.
        ground_truth: JSON object whose `boxes` are the true boxes `[x1, y1, x2, y2]`.
        extra_info: Not read.
        rules: `penalty`, `iou` and `soft`, see `mmrad.train.reinforcement.rewards.RewardRules`.

    Returns:
        `score`, the reward; `acc`, whether the answer says the truth of the query as a whole; `readable`,
        whether it can be read; `undetected`, how many true places it misses.
    """
    truth = [Box(*box) for box in json.loads(ground_truth)["boxes"]]
    judgement = judge(solution_str, truth, RewardRules(**rules))
    return {
        "score": judgement.reward,
        "acc": float(judgement.correct),
        "readable": float(judgement.anomalous is not None),
        "undetected": float(judgement.undetected),
    }
