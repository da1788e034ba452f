"""TRL's GRPO trainer with contrastive sampling (paper, section 4.1).

Rollouts are sampled and scored by TRL. Between the two, some responses are replaced by verified and by wrong
texts, see `mmrad.train.reinforcement.contrast`. From there on TRL takes them for its own: it works out their
log-probabilities under the model that sampled the rollout, so the ratio of an injected text is taken against
itself.

The methods overridden here are private to TRL; `test_trl_signatures.py` holds them to what they
were, and `pyproject.toml` holds TRL to its version.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any, cast

import numpy as np
import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from peft import PeftModel
from torch.utils.data import Sampler
from transformers import PrinterCallback, TrainerCallback, set_seed
from trl.trainer.grpo_trainer import GRPOTrainer

from mmrad.errors import TrainingError
from mmrad.train.callbacks import StopAtNaN
from mmrad.train.checkpoints import Resuming
from mmrad.train.examples.example import Example, Examples
from mmrad.train.recipe import Reinforcement
from mmrad.train.reinforcement.contrast import Contrast, GroupPlan, plan_group
from mmrad.train.reinforcement.curriculum import Outcomes, drop_decided
from mmrad.train.reinforcement.queries import (
    Order,
    QueryReader,
    Rollouts,
    RolloutSampler,
    Row,
    epochs_of,
    query_rows,
)
from mmrad.train.reinforcement.rewards import Judgement, RewardRules, judge
from mmrad.train.reinforcement.shaping import SHAPED, ShapedLoss

ROW = "row"
"""Key of TRL's batches: which row of the rollout a response is, on the CPU."""


def reward_function(rules: RewardRules) -> Any:
    """The reward as TRL calls it."""

    def reward(completions: Sequence[Any], example: Sequence[Example], **_: Any) -> list[float]:
        return [
            judge(completion[0]["content"], one.boxes, rules).reward
            for completion, one in zip(completions, example, strict=True)
        ]

    return reward


@dataclass(frozen=True, slots=True)
class Group:
    """The responses to one query.

    Attributes:
        query: Number of the query.
        sampled: Its responses as the model gave them.
        plan: What was replaced.
        used: Its responses after that.
    """

    query: int
    sampled: list[Judgement]
    plan: GroupPlan
    used: list[Judgement]

    @property
    def right(self) -> float:
        """Share of right responses among those that the model gave."""
        return float(np.mean([judged.correct for judged in self.sampled]))


class ContrastiveTrainer(Resuming, ShapedLoss, GRPOTrainer):  # type: ignore[misc]
    """GRPO whose groups get right and wrong texts.

    What is sampled depends on the seed, the number of the rollout and the weights alone, so that a resumed
    training goes on as one that was never interrupted; vLLM draws with random numbers of its own.

    Args:
        examples: What is asked, read when it is.
        part: The recipe's `[grpo]`.
        order: Which queries a rollout asks.
        rollouts: Shape of the training.
        outcomes: Gets how the queries of each rollout fared, for a curriculum.
        **arguments: Those of TRL's trainer.
    """

    def __init__(
        self,
        examples: Examples,
        part: Reinforcement,
        order: Order,
        rollouts: Rollouts,
        *,
        outcomes: Outcomes | None = None,
        **arguments: Any,
    ) -> None:
        self.shaping = part.shaping
        self._part, self._rules = part, part.reward.rules()
        self._order, self._shape, self._outcomes = order, rollouts, outcomes
        rows = query_rows(rollouts.queries, epochs_of(order, rollouts.count))
        super().__init__(reward_funcs=reward_function(self._rules), train_dataset=rows, **arguments)
        self.data_collator: Any = QueryReader(examples)
        if isinstance(self.model, PeftModel) and "ref" in self.model.peft_config:
            # TRL's copy of the adapters. They are new, so without any the model is what it started as.
            self.model.delete_adapter("ref")
        self._rows: list[Row] = []
        self._groups: list[Group] = []
        self._tokens = 0
        self._figures: dict[str, float] = {}
        self._seen: list[str] = []
        self._stop_at_nan = StopAtNaN(lambda: self._seen)
        self.add_callback(self._stop_at_nan)
        self.add_callback(_Epoch(order.rollouts * rollouts.updates))
        self.remove_callback(PrinterCallback)

    @property
    def rollout(self) -> int:
        """Number of the rollout under way, or of the next one between two."""
        return int(self.state.global_step) // self._shape.updates

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:
        return RolloutSampler(self._order, self._shape, lambda: self.rollout)

    def _generate_and_score_completions(self, inputs: list[Row]) -> dict[str, Any]:
        """Sample a rollout and score it; a response also gets its row, and whether it is a verified text."""
        self._rows, self._seen = inputs, _ids_of(inputs)
        batch: dict[str, Any] = super()._generate_and_score_completions(inputs)
        batch[ROW] = torch.arange(len(inputs))
        places = [place == group.plan.reference for group in self._groups for place in range(len(group.used))]
        batch[SHAPED] = torch.tensor(places, device=self.accelerator.device)
        if self._part.preset == "dapo":
            correct = [judged.correct for group in self._groups for judged in group.used]
            drop_decided(batch, correct, self._shape.responses, self.accelerator)
        self._log_rollout()
        return batch

    def _generate_single_turn(
        self,
        prompt_ids: list[list[int]],
        images: Any,
        multimodal_fields: dict[str, Any],
        num_generations: int,
        has_tool_images: bool = False,
    ) -> tuple[list[list[int]], list[list[float | None]] | None]:
        """Sample, then replace; returns the tokens of responses and, of vLLM, their log-probabilities."""
        set_seed(_seed(self._part.seed, self.rollout, self.accelerator.process_index))
        with _failed_sampling_explained(self.rollout, self._seen):
            completions, logprobs = super()._generate_single_turn(
                prompt_ids, images, multimodal_fields, num_generations, has_tool_images
            )
        self._tokens = sum(map(len, completions))
        texts = self._tokenizer.batch_decode(completions, skip_special_tokens=True)
        self._groups, size = [], self._shape.responses
        for first in range(0, len(texts), size):
            group, injected = self._contrasted(self._rows[first], texts[first : first + size])
            self._groups.append(group)
            for place, tokens in injected.items():
                completions[first + place] = tokens
                if logprobs is not None:
                    logprobs[first + place] = [None] * len(tokens)
        return completions, logprobs

    def _contrasted(self, row: Row, texts: Sequence[str]) -> tuple[Group, dict[int, list[int]]]:
        """Judge a group and decide what is replaced; the tokens of what comes, by place in the group.

        Texts that are longer than a response may be count as lacking.
        """
        example: Example = row["example"]
        sampled = [judge(text, example.boxes, self._rules) for text in texts]
        if not self._part.contrast:
            return Group(row["query"], sampled, GroupPlan(None, {}), sampled), {}
        reference = self._fitting([example.completion])
        negatives = self._fitting(example.negatives)
        plan = plan_group(
            [judged.correct for judged in sampled],
            has_reference=bool(reference),
            negatives=len(negatives),
            rng=random.Random(f"{self._part.seed}/{self.rollout}/{row['query']}"),
        )
        injected = {place: negatives[which] for place, which in plan.negatives.items()}
        if plan.reference is not None:
            injected[plan.reference] = reference[0]
        used = list(sampled)
        for place, (text, _) in injected.items():
            used[place] = judge(text, example.boxes, self._rules)
        tokens = {place: ids for place, (_, ids) in injected.items()}
        return Group(row["query"], sampled, plan, used), tokens

    def _fitting(self, texts: Sequence[str]) -> list[tuple[str, list[int]]]:
        """The texts that a response has room for, with their tokens and the end of the turn."""
        end = self._tokenizer.eos_token_id
        encoded = ((text, self._tokenizer.encode(text, add_special_tokens=False)) for text in texts)
        return [(text, [*ids, end]) for text, ids in encoded if len(ids) < self._part.max_tokens]

    def _log_rollout(self) -> None:
        """Hand the figures of the rollout, over all devices, to TRL's log and to the curriculum."""
        contrast = Contrast(tokens=self._tokens)
        for group in self._groups:
            contrast.count(group.sampled, group.plan, group.used)
        sums = torch.tensor(astuple(contrast), dtype=torch.float64, device=self.accelerator.device)
        self._figures = Contrast(*self.accelerator.reduce(sums, reduction="sum").tolist()).figures()
        metrics = self._metrics["train"]
        for name in ("reward", "reward_std"):
            metrics[name].pop()  # TRL's are of what is used
        for name, value in self._figures.items():
            metrics[name].append(value)
        if self._outcomes is not None:
            rights = gather_object([(group.query, group.right) for group in self._groups])
            self._outcomes.record([query for query, _ in rights], [right for _, right in rights])

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log; where no rollout has come since the last line, the figures of the last one stand again."""
        for name, value in self._figures.items() if "loss" in logs else ():
            if not self._metrics["train"][name]:
                self._metrics["train"][name].append(value)
        super().log(logs, start_time)

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> torch.Tensor:
        """TRL's loss; one that is not finite ends the training."""
        self._seen = _ids_of([self._rows[row] for row in inputs[ROW].tolist()])
        loss = cast(torch.Tensor, super()._compute_loss(model, inputs))
        self._stop_at_nan.check(loss, self.state.global_step)
        return loss

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None beside checkpoints."""


class _Epoch(TrainerCallback):
    """Counts epochs in readings of all queries; transformers takes the whole training for one.

    Args:
        updates: Of an epoch.
    """

    def __init__(self, updates: int) -> None:
        self._updates = updates

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Count."""
        state.epoch = state.global_step / self._updates


def _ids_of(rows: Sequence[Row]) -> list[str]:
    """Ids of the samples in rows, each once."""
    return list(dict.fromkeys(row["example"].sample.id for row in rows))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


@contextmanager
def _failed_sampling_explained(rollout: int, ids: Sequence[str]) -> Iterator[None]:
    """Explain what torch says when it is to sample from probabilities that are none.

    Raises:
        TrainingError: When it does.
    """
    try:
        yield
    except RuntimeError as error:
        if "probability tensor" not in str(error):
            raise
        raise TrainingError(
            f"rollout {rollout}: the model gives probabilities that are not finite; its queries were "
            f"{', '.join(ids)}. The weights it started from are damaged, or training has ruined them: begin "
            "again in a new folder with another start or a lower learning_rate"
        ) from error
