"""Teaching through a provider's batches: rounds of requests handed in as files, found again after a kill."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from mmrad.endpoint import Client, Endpoint, batch
from mmrad.endpoint.client import request_of
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal, Record, read_journal
from mmrad.sample import Pair
from mmrad.teach.course import FINAL, Course
from mmrad.teach.lesson import Lesson
from mmrad.teach.mllm import MLLMTeacher
from mmrad.teach.spending import Spending, request_estimate


class Batches:
    """A course whose answers come in batches.

    A line of the journal of batches is written before a batch is handed in, after it was, and when its
    answers are kept: whenever the process dies, the next one finds the batch again and pays nothing twice.

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

    PAUSE = 30.0
    """Seconds between looking after a batch."""

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
        asyncio.run(self._run({key: pair for pair, key in pairs}))

    async def _run(self, pairs: Mapping[str, Pair]) -> None:
        async with self._endpoint.connect() as client:
            with Journal(self.path, group=1) as journal:
                await self._collect_all(client, journal, pairs)
                while requests := list(self._requests(pairs)):
                    for group in batch.in_files(requests):
                        await self._hand_in(client, journal, group)
                    await self._collect_all(client, journal, pairs)
                    # What an expired or cancelled batch left unanswered is for the next call.
                    self._left |= {custom_id.partition("/")[0] for custom_id in self._reserved}
        for pair in pairs.values():
            self.course.finish(pair.sample.id)

    def _requests(self, pairs: Mapping[str, Pair]) -> Iterator[batch.Request]:
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
                yield batch.request_line(f"{key}/{number}", body)

    async def _hand_in(self, client: Client, journal: Journal, group: Sequence[batch.Request]) -> None:
        record: Record = {"tag": uuid.uuid4().hex, "requests": len(group)}
        journal.append(record)
        batch_id = await batch.submit(client.api, group, record["tag"])
        journal.append({**record, "batch_id": batch_id})

    async def _collect_all(self, client: Client, journal: Journal, pairs: Mapping[str, Pair]) -> None:
        """Wait for the batches whose answers are not kept yet, those of an earlier process among them."""
        last = {record["tag"]: record for record in read_journal(self.path)}
        for record in last.values():
            if record.get("kept"):
                continue
            batch_id = record.get("batch_id") or await batch.find(client.api, record["tag"])
            kept = await self._collect(client, batch_id, pairs) if batch_id else True  # or never handed in
            if kept:
                journal.append({**record, "batch_id": batch_id, "kept": True})

    async def _collect(self, client: Client, batch_id: str, pairs: Mapping[str, Pair]) -> bool:
        """Keep the answers of a batch; whether all of them belong to the pairs of this call."""
        ended = await batch.wait(client.api, batch_id, self._endpoint, self.PAUSE)
        complete = True
        async for custom_id, reply in batch.answers(client.api, ended, self._endpoint.model):
            key, _, number = custom_id.partition("/")
            pair = pairs.get(key)
            complete = complete and pair is not None
            if pair is None or self.course.has(pair.sample.id, int(number)):
                continue
            lesson = await asyncio.to_thread(self._prepare, pair)
            checks = await asyncio.to_thread(self.course.check, lesson, reply)
            self.course.record(lesson, key, int(number), reply, checks)
            if reply.status not in FINAL:
                self._left.add(key)
            cost = self.teacher.price.cost(reply.usage) if self.teacher.price else 0.0
            self._spending.settle(self._reserved.pop(custom_id, 0.0), cost)
            self._tell()
        return complete
