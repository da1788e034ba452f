"""Which queries a rollout of reinforcement learning asks: balance, and a curriculum by difficulty.

Queries come in turn: all of them once in an order drawn by the seed, then all in another. With balance, half
of each rollout is anomalous, so that always to say Yes is right no more often than always to say No. With the
curriculum, queries are drawn by how uncertain it is that they are answered rightly,

    weight = 0.1 + 0.9 x 4 p (1 - p)       p: running estimate of the share of right responses, at first 1/2

so those that are always answered rightly, or never, come about a tenth as often as those answered rightly
half the time, but do come: only so is it noticed that a query is decided no more.

What a rollout asks depends only on the seed, its number and the outcomes of the rollouts before: so a resumed
training asks what it would have asked. The outcomes are a file of their own; the log has means alone.

DAPO (Yu et al. 2025) samples until a batch is full of queries whose responses are neither all right nor all
wrong. TRL asks a fixed number of queries in each rollout. What is done instead: such groups are taken out of
the loss (`drop_decided`), so the batch becomes smaller, and the curriculum draws fewer of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmrad.errors import DataError, TrainingError, UsageError
from mmrad.files import write_text
from mmrad.journal import Journal, read_journal

DELAY = 1
"""A rollout is drawn from the outcomes of those before it, without this many of the last: where a rollout has
one update, data loaders read the next one before it is answered."""

_RATE = 0.5
_LEAST = 0.1


class Outcomes:
    """How often each query was answered rightly, rollout by rollout, in a JSONL file.

    Args:
        path: The file; may be missing where no rollout is done.
        queries: How many queries there are.
        done: Rollouts that the checkpoint in hand knows of; later ones are cut from the file.
        writes: Whether this process writes the file; one of all does.

    Raises:
        DataError: When the file lacks one of the done rollouts.
    """

    def __init__(self, path: Path, *, queries: int, done: int = 0, writes: bool = True) -> None:
        self._path, self._queries, self._writes = path, queries, writes
        kept = [record for record in read_journal(path) if record["rollout"] < done]
        if [record["rollout"] for record in kept] != list(range(done)):
            raise DataError(
                f"{path}: has not each of the {done} rollouts before the checkpoint, so the curriculum "
                "cannot go on; begin again in another folder"
            )
        self._rollouts = [(record["queries"], record["right"]) for record in kept]
        if writes:
            write_text(path, "".join(f"{json.dumps(record)}\n" for record in kept))

    def record(self, queries: Sequence[int], right: Sequence[float]) -> None:
        """Add the outcomes of the next rollout, those of all processes.

        Args:
            queries: Its queries, each once.
            right: For each, the share of right ones among the responses that the model itself gave.
        """
        number = len(self._rollouts)
        self._rollouts.append((list(queries), list(right)))
        if self._writes:
            with Journal(self._path, group=1) as journal:
                journal.append({"rollout": number, "queries": list(queries), "right": list(right)})

    def estimate(self, rollouts: int) -> NDArray[np.float64]:
        """The share of right responses to each query, an exponential mean over the first rollouts.

        Returns:
            Array of shape `(N,)`; 1/2 where nothing is known.

        Raises:
            TrainingError: When so many have no outcomes yet.
        """
        if rollouts > len(self._rollouts):
            raise TrainingError(
                f"rollout {rollouts + DELAY} is read before rollout {rollouts - 1} is answered: data loading "
                "runs too far ahead for a curriculum; set grpo.workers to 0"
            )
        share = np.full(self._queries, 0.5)
        for queries, right in self._rollouts[:rollouts]:
            share[queries] += _RATE * (np.asarray(right) - share[queries])
        return share


class QueryOrder:
    """Which queries each rollout asks, see `mmrad.train.reinforcement.queries.Order`.

    Args:
        anomalous: Whether each query is.
        prompts: Queries of a rollout.
        seed: Seed of the order.
        balance: Whether half of each rollout is anomalous.
        outcomes: Where the curriculum reads how queries fared; None draws them in turn.

    Attributes:
        rollouts: Rollouts that all queries fill.

    Raises:
        DataError: When there are too few queries, or too few of a kind.
        UsageError: When a rollout cannot be halved.
    """

    def __init__(
        self,
        anomalous: Sequence[bool],
        *,
        prompts: int,
        seed: int,
        balance: bool = False,
        outcomes: Outcomes | None = None,
    ) -> None:
        self._seed, self._outcomes = seed, outcomes
        self._pools = _pools(np.asarray(anomalous, dtype=bool), prompts, balance)
        self.rollouts = len(anomalous) // prompts

    def queries_of(self, rollout: int) -> list[int]:
        """The queries of a rollout, counted from the beginning of the training; each once."""
        rng = np.random.default_rng((self._seed, 0, rollout))
        draw = self._in_turn if self._outcomes is None else self._by_difficulty
        drawn = [draw(number, rollout, rng) for number in range(len(self._pools))]
        queries: list[int] = rng.permutation(np.concatenate(drawn)).tolist()
        return queries

    def _in_turn(self, number: int, rollout: int, rng: np.random.Generator) -> NDArray[np.int64]:
        pool, count = self._pools[number]
        turn, place = divmod(rollout, len(pool) // count)
        order = np.random.default_rng((self._seed, 1 + number, turn)).permutation(pool)
        return order[place * count :][:count]

    def _by_difficulty(self, number: int, rollout: int, rng: np.random.Generator) -> NDArray[np.int64]:
        assert self._outcomes is not None
        pool, count = self._pools[number]
        share = self._outcomes.estimate(max(rollout - DELAY, 0))[pool]
        weight = _LEAST + (1 - _LEAST) * 4 * share * (1 - share)
        return rng.choice(pool, count, replace=False, p=weight / weight.sum())


def _pools(anomalous: NDArray[np.bool_], prompts: int, balance: bool) -> list[tuple[NDArray[np.int64], int]]:
    """The queries among which is drawn, and how many of each for a rollout."""
    if not balance:
        pools = {"": np.arange(len(anomalous))}
    elif prompts % 2:
        raise UsageError(f"grpo.balance: a rollout of {prompts} queries has no half; make grpo.prompts even")
    else:
        pools = {"normal ": np.flatnonzero(~anomalous), "anomalous ": np.flatnonzero(anomalous)}
    count = prompts // len(pools)
    for kind, pool in pools.items():
        if len(pool) < count:
            raise DataError(
                f"a rollout asks {count} {kind}queries and the data has {len(pool)}: lower grpo.prompts"
                + (", set grpo.balance to false," if balance else "")
                + " or give more data"
            )
    return [(pool, count) for pool in pools.values()]


def drop_decided(batch: dict[str, Any], correct: Sequence[bool], responses: int, accelerator: Any) -> int:
    """Take groups whose responses are all right, or all wrong, out of TRL's loss.

    Groups are judged by their answers, not by their rewards, which differ by places where all answers agree.

    Args:
        batch: What TRL's `_generate_and_score_completions` returns; changed in place.
        correct: Whether each response is right, as used: after contrastive sampling. Groups lie together.
        responses: Responses of a group.
        accelerator: The trainer's, to count the tokens that are left over all processes.

    Returns:
        How many groups of this process were taken out.
    """
    mask = batch["completion_mask"]
    share = torch.tensor(correct, device=mask.device, dtype=torch.float32).view(-1, responses).mean(dim=1)
    kept = (share > 0) & (share < 1)
    batch["completion_mask"] = mask * kept.repeat_interleave(responses)[:, None]
    batch["num_items_in_batch"] = accelerator.gather(batch["completion_mask"].sum()).sum()
    return int((~kept).sum())
