"""Teaching through a provider's batches: rounds of requests, whose answers each go into the course."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrad.endpoint import Batches, Endpoint, Reply, Spending, request_of
from mmrad.errors import DataError, UsageError
from mmrad.sample import Pair
from mmrad.teach.course import FINAL, Course
from mmrad.teach.lesson import Lesson
from mmrad.teach.mllm import MLLMTeacher, request_estimate


class BatchLessons:
    """A course whose answers come in batches.

    Args:
        teacher: A teacher behind an endpoint that has the batch API.
        course: Its course.
        path: Journal of the batches.
        prepare: Makes the lesson of a pair.
        spending: The cap on money.
        tell: Called when an answer was kept.

    Raises:
        UsageError: When the teacher has no batch API.
    """

    def __init__(
        self,
        teacher: MLLMTeacher,
        course: Course,
        path: Path,
        *,
        prepare: Callable[[Pair], Lesson],
        spending: Spending,
        tell: Callable[[], None],
    ) -> None:
        if not isinstance(teacher.model, Endpoint):
            raise UsageError(f"{teacher.name}: only an OpenAI-compatible endpoint has the batch API")
        self.teacher, self.course, self.path = teacher, course, path
        self._endpoint = teacher.model
        self._prepare, self._spending, self._tell = prepare, spending, tell
        self._left: set[str] = set()
        self._reserved: dict[str, float] = {}

    def run(self, pairs: Sequence[tuple[Pair, str]]) -> None:
        """Teach pairs that the course has entered, each with its key, until nothing is left to ask."""
        by_key = {key: pair for pair, key in pairs}
        with Batches(self._endpoint, self.path) as batches:
            self._keep_all(batches, by_key)
            while batches.hand_in(self._requests(by_key)):
                self._keep_all(batches, by_key)
                # What an expired or cancelled batch left unanswered is for the next call.
                self._left |= {custom_id.partition("/")[0] for custom_id in self._reserved}
        for pair, _ in pairs:
            self.course.finish(pair.sample.id)

    def _requests(self, pairs: Mapping[str, Pair]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """A request for each answer that is missing, as far as the money goes."""
        for key, pair in pairs.items():
            turn = None if key in self._left else self.course.turn(pair.sample.id)
            if turn is None:
                continue
            try:
                lesson = self._prepare(pair)
            except DataError as error:
                self._left.add(key)
                self.course.skip(pair.sample.id, str(error))
                continue
            messages = self.teacher.messages(lesson, turn.earlier)
            for number in turn.numbers:
                estimate = request_estimate(self.teacher.price, lesson, turn.earlier)
                if not self._spending.reserve(estimate):
                    return
                self._reserved[f"{key}/{number}"] = estimate
                body = request_of(self._endpoint, messages, self.teacher.parameters(number))
                yield f"{key}/{number}", body

    def _keep_all(self, batches: Batches, pairs: Mapping[str, Pair]) -> None:
        """Keep the answers to be had; those about other pairs are left for the call that has these."""
        for custom_id, reply in batches.answers(lambda custom_id: custom_id.partition("/")[0] in pairs):
            key, _, number = custom_id.partition("/")
            if not self.course.has(pairs[key].sample.id, int(number)):
                self._keep(pairs[key], key, int(number), reply)

    def _keep(self, pair: Pair, key: str, number: int, reply: Reply) -> None:
        lesson = self._prepare(pair)
        checks = self.course.check(lesson, reply)
        self.course.record(lesson, key, number, reply, checks)
        if reply.status not in FINAL:
            self._left.add(key)
        cost = self.teacher.price.cost(reply.usage) if self.teacher.price else 0.0
        self._spending.settle(self._reserved.pop(f"{key}/{number}", 0.0), cost)
        self._tell()
