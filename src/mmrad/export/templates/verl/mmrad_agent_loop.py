"""Contrastive sampling (paper, section 4.1), as an agent loop of verl. Written by  mmrad export --to verl.

verl asks for the responses to a query one by one, all of a group in the same process. Here they wait for each
other; when all are there, `mmrad.train.reinforcement.contrast.plan_group` says which are replaced by the
verified text and by negatives, which the rows of the Parquet files bring along in `extra_info`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

try:
    from mmrad.box import Box
    from mmrad.train.reinforcement.contrast import plan_group
    from mmrad.train.reinforcement.rewards import judge
except ImportError as error:
    raise ImportError(
        f"responses are judged by mmrad, which cannot be imported here ({error}); "
        "run  pip install --no-deps mmrad  in the environment of verl"
    ) from error

# verl has an environment of its own, so that the type checker sees neither its modules nor its classes.
from verl.experimental.agent_loop.agent_loop import AgentLoopOutput  # type: ignore[import-not-found]
from verl.experimental.agent_loop.single_turn_agent_loop import (  # type: ignore[import-not-found]
    SingleTurnAgentLoop,
)

VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
"""Tokens that a response must not have: the next forward pass would look for the image they stand for."""


Replacements = dict[int, str]
"""By number of a response, the text that comes in its place."""


class Group:
    """The responses to one query, which wait for each other.

    verl starts all members of a group at once, and each joins before it first waits: when the first response
    arrives, all have joined.
    """

    waiting: dict[str, Group] = {}  # noqa: RUF012 - shared by all agent loops of the process, by verl's uid

    def __init__(self, uid: str) -> None:
        self.uid = uid
        self.members = 0
        self.texts: dict[int, str] = {}
        self.planned: asyncio.Future[Replacements] = asyncio.get_running_loop().create_future()

    @classmethod
    def join(cls, uid: str) -> tuple[Group, int]:
        """The group of a query, and the number of the new member in it."""
        if uid not in cls.waiting:
            cls.waiting[uid] = cls(uid)
        group = cls.waiting[uid]
        group.members += 1
        return group, group.members - 1

    async def arrive(self, member: int, text: str, plan: Callable[[list[str]], Replacements]) -> Replacements:
        """Wait until all are there; the last one plans for all.

        Raises:
            RuntimeError: When another member failed: a group with a response missing is not compared.
        """
        self.texts[member] = text
        if len(self.texts) == self.members and not self.planned.done():
            self.planned.set_result(plan([self.texts[index] for index in range(self.members)]))
            del self.waiting[self.uid]
        return await asyncio.shield(self.planned)

    def fail(self, error: BaseException) -> None:
        """Let no member wait for one that failed."""
        self.waiting.pop(self.uid, None)
        if not self.planned.done():
            self.planned.set_exception(RuntimeError(f"another response of the group failed: {error!r}"))
            self.planned.exception()  # looked at here: there may be nobody left who waits


def replacements(
    responses: list[str], truth: list[Box], reference: str | None, negatives: list[str], seed: str
) -> Replacements:
    """Which responses of a group are replaced, by which texts.

    Args:
        responses: The texts as the model gave them.
        truth: The true boxes.
        reference: The verified text, if there is one.
        negatives: Texts that answer wrongly.
        seed: Same choices for the same seed.
    """
    if len(responses) < 2:  # validation: nothing to compare with
        return {}
    plan = plan_group(
        [judge(response, truth).correct for response in responses],
        has_reference=reference is not None,
        negatives=len(negatives),
        rng=random.Random(seed),
    )
    found = {index: negatives[number] for index, number in plan.negatives.items()}
    if plan.reference is not None and reference is not None:
        found[plan.reference] = reference
    return found


class ContrastiveAgentLoop(SingleTurnAgentLoop):  # type: ignore[misc]
    """One question, one response; then right and wrong texts take the places of some in the group.

    Raises:
        ValueError: When verl is set up so that groups cannot be completed or told from validation.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rollout = self.rollout_config
        if not self.config.trainer.use_v1:
            raise ValueError("set trainer.use_v1=true: the older trainer spreads a group over processes")
        if rollout.calculate_log_probs:
            raise ValueError(
                "set actor_rollout_ref.rollout.calculate_log_probs=false: texts that the model did not write "
                "have no log-probabilities of the rollout; the actor computes those of all"
            )
        if rollout.val_kwargs.n > 1:
            raise ValueError(
                f"set actor_rollout_ref.rollout.val_kwargs.n=1, not {rollout.val_kwargs.n}: "
                "several responses are taken for a group of the training"
            )
        unknown = self.tokenizer.unk_token_id
        ids = (self.tokenizer.convert_tokens_to_ids(token) for token in VISION)
        self.forbidden = {token: -100.0 for token in ids if token is not None and token != unknown}

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """Generate, wait for the group, and replace this response if the plan says so.

        Args:
            sampling_params: Of the generation.
            row: The fields of the row, and `uid` and `global_steps`.
        """
        group, member = Group.join(str(row["uid"]))  # before anything is awaited
        try:
            output = await super().run({**sampling_params, "logit_bias": self.forbidden}, **row)
            said = self.tokenizer.decode(output.response_ids, skip_special_tokens=True)
            replaced = await group.arrive(member, said, partial(self.plan, row))
        except BaseException as error:
            group.fail(error)
            raise
        output.extra_fields["injected"] = member in replaced
        if member not in replaced:
            return output
        ids = self.tokens(replaced[member])
        changed = {"response_ids": ids, "response_mask": [1] * len(ids), "routed_experts": None}
        return output.model_copy(update=changed)

    def plan(self, row: Mapping[str, Any], responses: list[str]) -> Replacements:
        """The replacements in a group of responses to the query of a row."""
        about = row["extra_info"]
        boxes = [Box(*box) for box in json.loads(row["reward_model"]["ground_truth"])["boxes"]]
        reference = next(iter(self.fitting([about["answer"]])), None)
        seed = f"{about['sample_id']}/{row['global_steps']}"
        return replacements(responses, boxes, reference, self.fitting(about["negatives"]), seed)

    def fitting(self, texts: Iterable[str]) -> list[str]:
        """The texts that are no longer than a response may be; one cut short would have no answer."""
        return [text for text in texts if len(self.tokens(text)) <= self.response_length]

    def tokens(self, text: str) -> list[int]:
        """A text as the model would have written it, up to the token that ends it."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return [*ids, self.tokenizer.eos_token_id]
