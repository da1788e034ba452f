"""A multimodal model as a teacher: it sees the true boxes in red and is told places and labels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mmrad.endpoint import Price, Reply, estimated_usage
from mmrad.endpoint.model import Chat, ChatModel
from mmrad.endpoint.spending import OUTPUT_TOKENS
from mmrad.errors import UsageError
from mmrad.picture import mark
from mmrad.prompt import Message, Prompts, load_prompts
from mmrad.teach.lesson import Earlier, Lesson
from mmrad.view import View

PROMPT_CHARACTERS = 2500
"""Of a teacher's prompt with its hints, about."""


@dataclass(frozen=True, slots=True)
class MLLMTeacher:
    """A teacher behind an endpoint; see paper section 3.2 and Table 2.

    Attributes:
        model: The model.
        prompts: The wordings.
        name: Names the journal; the model's name by default.
        tries: How often it is asked about a sample; each time it is told why its text was refused.
        best_of: Texts at each try.
        temperature: Sampling temperature.
        max_tokens: Limit of an answer.
        seed: Seed of sampling; each further answer to a sample adds one.
        version: Anything; another one has all texts written anew beside the old ones.
        batch: Whether to hand requests in as files, see `mmrad.endpoint.batch`.
    """

    model: ChatModel
    prompts: Prompts = field(default_factory=load_prompts)
    name: str = ""
    tries: int = 3
    best_of: int = 1
    temperature: float = 0.0
    max_tokens: int = 2048
    seed: int = 0
    version: str = ""
    batch: bool = False

    def __post_init__(self) -> None:
        if self.best_of > 1 and self.temperature == 0:
            raise UsageError(
                f"best of {self.best_of} needs a temperature above 0: greedy texts are all the same"
            )
        if min(self.tries, self.best_of, self.max_tokens) < 1:
            raise UsageError("tries, best_of and max_tokens must be at least 1")
        object.__setattr__(self, "name", self.name or self.model.model)

    @property
    def concurrency(self) -> int:
        """Samples at once."""
        return self.model.concurrency

    @property
    def price(self) -> Price | None:
        """What the model's tokens cost."""
        return self.model.price

    def key(self) -> dict[str, Any]:
        """See `Teacher.key`; how often it is asked changes no answer."""
        return {
            **self.model.key(),
            "prompts_hash": self.prompts.teaching_hash,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "version": self.version,
        }

    def messages(self, lesson: Lesson, earlier: Earlier | None) -> list[Message]:
        """The conversation: the task with its hints, and the refused text with the reasons."""
        query = View(
            mark(lesson.query.image, [place.box for place in lesson.truth]), lesson.query.original_wh
        )
        asked = self.prompts.teacher(query, lesson.references, lesson.truth)
        if earlier:
            asked += [Message("assistant", (earlier.text,)), Message("user", (earlier.feedback,))]
        return asked

    def parameters(self, number: int) -> dict[str, Any]:
        """Fields of the request for the `number`-th answer to a sample."""
        return {
            "temperature": self.temperature,
            "seed": self.seed + number - 1,
            "max_tokens": self.max_tokens,
        }

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[_Writer]:
        """Open the model."""
        async with self.model.connect() as chat:
            yield _Writer(self, chat)


@dataclass(frozen=True, slots=True)
class _Writer:
    teacher: MLLMTeacher
    chat: Chat

    async def write(self, lesson: Lesson, earlier: Earlier | None, number: int) -> Reply:
        return await self.chat.ask(self.teacher.messages(lesson, earlier), self.teacher.parameters(number))


def request_estimate(price: Price | None, lesson: Lesson, earlier: Earlier | None) -> float:
    """Dollars that asking about a lesson may cost; 0 where the price is unknown."""
    if price is None:
        return 0.0
    views = [view.size_wh for view in (lesson.query, *lesson.references)]
    characters = PROMPT_CHARACTERS + (len(earlier.text + earlier.feedback) if earlier else 0)
    return price.cost(estimated_usage(views, characters, OUTPUT_TOKENS)) or 0.0
