import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.train.reinforcement.contrast import NEGATIVES, Contrast, advantages, plan_group
from mmrad.train.reinforcement.rewards import RewardRules, judge

NO = "<think>Nothing.</think><answer>No.</answer>"
A, B = Box(10, 10, 30, 30), Box(50, 60, 90, 100)


def yes(*boxes: Box) -> str:
    return render("Something.", [Instance(box, "scratch") for box in boxes])


HALF = Box(10, 10, 30, 20)  # IoU exactly 0.5 with A


@pytest.mark.parametrize(
    ("text", "truth", "reward", "correct", "undetected"),
    [
        (NO, [], 1.0, True, 0),
        (yes(A), [], 0.0, False, 0),
        (NO, [A, B], -0.4, False, 2),
        (yes(A, B), [A, B], 1.0, True, 0),
        (yes(A), [A, B], 0.8, True, 1),
        (yes(B), [A], 0.8, True, 1),
        (yes(A, A, B), [A], 1.0, True, 0),  # places too many cost nothing in the paper
        (yes(HALF), [A], 0.8, True, 1),  # more than 0.5 is asked for
        ("<answer>Yes.</answer>", [A], 0.8, True, 1),
        ("I cannot say.", [A], -0.2, False, 1),
        ("I cannot say.", [], 0.0, False, 0),
        ("<think>…</think><answer>Yes. {'bbox_2d': [1, 2", [A], -0.2, False, 1),
        ("", [], 0.0, False, 0),
    ],
)
def test_rewards_of_the_paper(
    text: str, truth: list[Box], reward: float, correct: bool, undetected: int
) -> None:
    judged = judge(text, truth)
    assert judged.reward == pytest.approx(reward)
    assert (judged.correct, judged.undetected) == (correct, undetected)


def test_soft_rewards_rise_with_the_overlap_and_agree_at_both_ends() -> None:
    rules = RewardRules(soft=True)
    boxes = [B, Box(25, 25, 45, 45), HALF, Box(10, 10, 30, 28), A]
    rewards = [judge(yes(box), [A], rules).reward for box in boxes]
    assert rewards == sorted(rewards)
    assert len(set(rewards)) == len(rewards)
    assert (rewards[0], rewards[-1]) == (judge(yes(B), [A]).reward, judge(yes(A), [A]).reward)


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(0, 200), st.integers(0, 200), st.integers(1, 90), st.integers(1, 90),
)  # fmt: skip


anomalous = st.lists(boxes, min_size=1, max_size=4).map(lambda some: yes(*some))


@given(st.lists(boxes, max_size=4), st.one_of(st.text(max_size=60), anomalous))
def test_no_wrong_answer_earns_anything_and_the_truth_earns_all(truth: list[Box], text: str) -> None:
    judged = judge(text, truth)
    assert judged.reward <= 1
    assert judged.correct or judged.reward <= 0
    assert judge(yes(*truth) if truth else NO, truth).reward == 1


@given(st.lists(st.booleans(), min_size=2, max_size=12), st.booleans(), st.integers(0, 5), st.integers())
def test_a_planned_group_has_both_kinds_unless_it_says_what_lacks(
    correct: list[bool], has_reference: bool, negatives: int, seed: int
) -> None:
    plan = plan_group(correct, has_reference=has_reference, negatives=negatives, rng=random.Random(seed))
    after = list(correct)
    if plan.reference is not None:
        after[plan.reference] = True
    for index in plan.negatives:
        assert index != plan.reference
        after[index] = False
    assert (plan.reference is not None) == has_reference
    if plan.lacking:
        impossible = {"reference": not has_reference and not any(correct), "negatives": negatives == 0}
        assert impossible[plan.lacking]
    else:
        assert len(set(after)) == 2
    if plan.negatives:
        assert len(plan.negatives) == min(NEGATIVES, negatives, len(correct) - 1)
        assert len(set(plan.negatives.values())) == len(plan.negatives)
    assert plan == plan_group(
        correct, has_reference=has_reference, negatives=negatives, rng=random.Random(seed)
    )


groups = st.lists(st.one_of(st.just(NO), anomalous), min_size=2, max_size=8)


@given(st.lists(boxes, max_size=3), groups, st.integers())
def test_contrastive_sampling_leaves_no_group_of_equal_rewards(
    truth: list[Box], responses: list[str], seed: int
) -> None:
    reference = yes(*truth) if truth else NO
    negatives = [NO, NO] if truth else [yes(A), yes(B)]
    sampled = [judge(text, truth) for text in responses]
    plan = plan_group(
        [one.correct for one in sampled],
        has_reference=True,
        negatives=len(negatives),
        rng=random.Random(seed),
    )
    used = [judge(text, truth) for text in plan.apply(responses, reference, negatives)]
    assert plan.lacking == ""
    assert np.ptp(advantages([one.reward for one in used])) > 0
    contrast = Contrast()
    contrast.count(sampled, plan, used)
    assert (contrast.groups, contrast.equal_still) == (1, 0)


def test_negatives_come_only_where_all_are_right() -> None:
    rng = random.Random(0)
    assert plan_group([True, True, False], has_reference=True, negatives=2, rng=rng).negatives == {}
    assert len(plan_group([True] * 8, has_reference=True, negatives=2, rng=rng).negatives) == 2
    assert plan_group([False] * 8, has_reference=True, negatives=2, rng=rng).negatives == {}


def test_the_only_wrong_response_is_not_the_one_replaced() -> None:
    for seed in range(50):
        plan = plan_group([True, True, False], has_reference=True, negatives=0, rng=random.Random(seed))
        assert plan.reference != 2


@given(st.lists(st.floats(-2, 1), min_size=2, max_size=8))
def test_advantages_have_mean_0_and_deviation_1(rewards: list[float]) -> None:
    found = advantages(rewards)
    assert found.mean() == pytest.approx(0, abs=1e-6)
    assert found.std(ddof=1) == pytest.approx(1, abs=1e-6) or not found.any()
