import json
import random
from collections import Counter

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from mmrad.errors import DataError, TrainingError, UsageError
from mmrad.train.reinforcement.curriculum import DELAY, Outcomes, QueryOrder, drop_decided
from mmrad.train.reinforcement.queries import Rollouts, RolloutSampler, query_rows


def order(anomalous=(True, False) * 10, **values) -> QueryOrder:
    return QueryOrder(anomalous, **{"prompts": 4, "seed": 0, **values})


def outcomes(tmp_path, queries=20, **values) -> Outcomes:
    return Outcomes(tmp_path / "outcomes.jsonl", queries=queries, **values)


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32))
def test_in_turn_each_query_comes_at_most_once_an_epoch(queries, prompts, seed):
    prompts = min(prompts, queries)
    ours = order((False,) * queries, prompts=prompts, seed=seed)
    for epoch in range(2):
        first = epoch * ours.rollouts
        counts = Counter(
            query for rollout in range(first, first + ours.rollouts) for query in ours.queries_of(rollout)
        )
        assert set(counts.values()) == {1}
        assert len(counts) == queries // prompts * prompts


@given(st.lists(st.booleans(), min_size=4, max_size=40), st.sampled_from([2, 4, 6]))
def test_balanced_rollouts_are_half_anomalous(anomalous, prompts):
    if min(sum(anomalous), len(anomalous) - sum(anomalous)) < prompts // 2:
        with pytest.raises(DataError, match=r"a rollout asks \d (normal|anomalous) queries and the data has"):
            order(anomalous, prompts=prompts, balance=True)
        return
    ours = order(anomalous, prompts=prompts, balance=True)
    for rollout in range(12):
        queries = ours.queries_of(rollout)
        assert len(set(queries)) == prompts
        assert sum(anomalous[query] for query in queries) == prompts // 2


def test_balance_asks_all_of_the_rarer_kind_equally_often():
    anomalous = (True,) * 4 + (False,) * 12
    counts = Counter(
        query for rollout in range(6) for query in order(anomalous, balance=True).queries_of(rollout)
    )
    assert [counts[query] for query in range(4)] == [3] * 4
    assert [counts[query] for query in range(4, 16)] == [1] * 12


def test_an_odd_rollout_has_no_half():
    with pytest.raises(UsageError, match=r"a rollout of 5 queries has no half; make grpo\.prompts even"):
        order(prompts=5, balance=True)


def test_too_few_queries_for_a_rollout():
    with pytest.raises(
        DataError, match=r"a rollout asks 4 queries and the data has 3: lower grpo\.prompts or"
    ):
        order((True, False, True))


def test_seed_and_rollout_choose_the_order():
    first, again, other = order(seed=1), order(seed=1), order(seed=2)
    asked = [first.queries_of(rollout) for rollout in range(10)]
    assert asked == [again.queries_of(rollout) for rollout in range(10)]
    assert asked != [other.queries_of(rollout) for rollout in range(10)]
    assert asked[:5] != asked[5:]  # another epoch, another order


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_decided_queries_come_seldom_but_come(tmp_path, share):
    known = outcomes(tmp_path)
    for _ in range(8):  # the first ten are decided, the others are not
        known.record(range(10), [share] * 10)
        known.record(range(10, 20), [0.5] * 10)
    decided, undecided = 0, 0
    for seed in range(400):
        queries = order(outcomes=known, prompts=2, seed=seed).queries_of(16)
        decided += sum(query < 10 for query in queries)
        undecided += sum(query >= 10 for query in queries)
    assert 0.05 < decided / undecided < 0.2


def test_an_estimate_follows_what_is_answered_now(tmp_path):
    known = outcomes(tmp_path, queries=3)
    for right in (0.0, 0.0, 1.0, 1.0, 1.0):
        known.record([1], [right])
    estimates = [known.estimate(rollouts)[1] for rollouts in range(6)]
    assert estimates == [0.5, 0.25, 0.125, 0.5625, 0.78125, 0.890625]
    assert known.estimate(5)[[0, 2]].tolist() == [0.5, 0.5]


def answered(queries, rollout) -> list[float]:
    """What a model makes of a rollout; it depends on nothing but its number."""
    rng = random.Random(rollout)
    return [rng.choice([0.0, 0.5, 1.0]) for _ in queries]


def train(folder, *, rollouts, until=None, done=0, updates=2, workers=0) -> list[list[int]]:
    """Read rollouts as the trainer does; 5 fill an epoch."""
    known = Outcomes(folder / "outcomes.jsonl", queries=20, done=done)
    ours = order(outcomes=known, balance=True)
    shape = Rollouts(queries=20, count=rollouts, prompts=4, responses=2, repeats=updates, updates=updates)
    rows = query_rows(20, 4)
    loader = Accelerator(cpu=True).prepare(
        DataLoader(
            rows,
            batch_size=8,
            sampler=RolloutSampler(ours, shape, lambda: done),
            num_workers=workers,
            collate_fn=lambda rows: [row["query"] for row in rows],
        )
    )
    read = []
    for number, batch in enumerate(loader):
        rollout = done + number // updates
        if number % updates:
            continue
        if rollout == until:
            break
        queries = batch[::2]
        known.record(queries, answered(queries, rollout))
        read.append(queries)
    return read


@pytest.mark.parametrize("updates", [1, 2])
@pytest.mark.parametrize("done", [3, 5, 8])
def test_a_resumed_training_asks_what_it_would_have_asked(tmp_path, updates, done):
    whole = train(tmp_path / "whole", rollouts=12, updates=updates)
    path = tmp_path / "killed"
    # It was killed two rollouts after its checkpoint.
    train(path, rollouts=12, until=done + 2, updates=updates)
    resumed = train(path, rollouts=12, done=done, updates=updates)
    assert len(whole) == 12
    assert resumed == whole[done:]
    assert (path / "outcomes.jsonl").read_text() == (tmp_path / "whole/outcomes.jsonl").read_text()


def test_the_curriculum_changes_what_is_asked(tmp_path):
    in_turn = order(balance=True)
    asked = train(tmp_path, rollouts=5)
    assert [sorted(queries) for queries in asked] != [
        sorted(in_turn.queries_of(rollout)) for rollout in range(5)
    ]


def test_loading_too_far_ahead_is_refused(tmp_path):
    with pytest.raises(
        TrainingError, match=r"rollout 2 is read before rollout 0 is answered.*grpo\.workers to 0"
    ):
        train(tmp_path, rollouts=4, updates=1, workers=1)


def test_a_torn_last_line_and_later_rollouts_are_cut(tmp_path):
    path = tmp_path / "outcomes.jsonl"
    known = outcomes(tmp_path)
    for rollout in range(4):
        known.record([rollout], [1.0])
    path.write_bytes(path.read_bytes() + b'{"rollout": 4, "que')
    again = outcomes(tmp_path, done=3)
    assert [json.loads(line)["rollout"] for line in path.read_text().splitlines()] == [0, 1, 2]
    again.record([7], [0.25])
    assert json.loads(path.read_text().splitlines()[-1]) == {"rollout": 3, "queries": [7], "right": [0.25]}


def test_lost_outcomes_are_refused(tmp_path):
    outcomes(tmp_path).record([0], [1.0])
    with pytest.raises(
        DataError, match=r"outcomes\.jsonl: has not each of the 2 rollouts before the checkpoint"
    ):
        outcomes(tmp_path, done=2)


def test_one_of_all_processes_writes(tmp_path):
    writer, reader = outcomes(tmp_path), outcomes(tmp_path, writes=False)
    for process in (writer, reader):
        process.record([3], [1.0])
    assert len((tmp_path / "outcomes.jsonl").read_text().splitlines()) == 1
    assert np.array_equal(writer.estimate(1), reader.estimate(1))


def test_estimates_need_only_what_is_answered(tmp_path):
    known = outcomes(tmp_path)
    for rollout in range(DELAY + 1):
        queries = order(outcomes=known).queries_of(rollout)  # nothing is answered yet
        assert len(set(queries)) == 4


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=6))
def test_decided_groups_leave_the_loss(groups):
    correct = [good for group in groups for good in group]
    mask = torch.ones(len(correct), 4, dtype=torch.long)
    mask[:, 3] = torch.arange(len(correct)) % 2  # of different lengths
    batch = {"completion_mask": mask.clone(), "num_items_in_batch": mask.sum()}
    dropped = drop_decided(batch, correct, 3, Accelerator(cpu=True))
    kept = [len(set(group)) == 2 for group in groups for _ in group]
    assert dropped == sum(len(set(group)) == 1 for group in groups)
    assert torch.equal(batch["completion_mask"], mask * torch.tensor(kept)[:, None])
    assert batch["num_items_in_batch"] == mask[torch.tensor(kept)].sum()
