"""OpenAI-style batches: requests handed in as files, answered within a day, often at half the price."""

from __future__ import annotations

import io
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import openai

from mmrad.endpoint.endpoint import Endpoint
from mmrad.endpoint.faults import described, remedy
from mmrad.endpoint.reply import Reply, read_reply, shortened
from mmrad.errors import ProviderError
from mmrad.journal import Journal, Record, read_journal

MOST_REQUESTS = 50_000
MOST_BYTES = 150_000_000
"""Limits of a file of requests; OpenAI's own are 50,000 and 200 MB."""

_TAG = "mmrad"
"""Field of a batch's metadata that holds our own name for it."""

_ENDED = ("completed", "failed", "expired", "cancelled")


class Batches:
    """Batches of requests, found again after a kill.

    A line of the journal is written before a batch is handed in, after it was, and when all its answers were
    taken: whenever the process dies, the next one finds the batch again and pays nothing twice. So the way
    to use it, in one process as over several, is to take what is there, hand in what is missing, and again:

        with Batches(endpoint, path) as batches:
            keep(batches.answers(is_wanted))
            if batches.hand_in(requests_still_missing()):
                keep(batches.answers(is_wanted))

    Args:
        endpoint: An endpoint with the batch API; its first address is used.
        path: Journal of the batches, beside what is kept of their answers.
    """

    PAUSE = 30.0
    """Seconds between looking after a batch."""

    def __init__(self, endpoint: Endpoint, path: Path) -> None:
        endpoint.check_urls()
        self.endpoint, self.path = endpoint, path
        self._api = openai.OpenAI(
            base_url=endpoint.url,
            api_key=endpoint.api_key(),
            max_retries=endpoint.retries,
            timeout=endpoint.timeout,
        )
        self._journal = Journal(path, group=1)

    def hand_in(self, requests: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Hand requests in, in as few batches as the limits of a file allow; how many requests there were.

        Args:
            requests: An id of one's own, which comes back with the answer, and the body, from `request_of`.
                They are taken as they are needed: no more than one file of them is in memory.

        Raises:
            ProviderError: When the endpoint does not take them.
        """
        count = 0
        for group in in_files(request_line(custom_id, body) for custom_id, body in requests):
            record: Record = {"tag": uuid.uuid4().hex, "requests": len(group)}
            self._journal.append(record)
            batch_id = self._told(submit, group, record["tag"])
            self._journal.append({**record, "batch_id": batch_id})
            count += len(group)
        return count

    def answers(self, wanted: Callable[[str], bool]) -> Iterator[tuple[str, Reply]]:
        """Wait for the batches whose answers were not all taken yet, those of earlier processes among them.

        Args:
            wanted: Whether the answer to the request of that id is of use. A batch that has others too is
                looked after again next time.

        Yields:
            Id and reply of each answered or failed request, each once in a call; of an expired batch some
            have none. Whoever takes one keeps it before taking the next; what a killed process had kept of
            a batch comes again.

        Raises:
            ProviderError: When a batch failed as a whole, with the provider's reasons.
        """
        last = {record["tag"]: record for record in read_journal(self.path)}
        for record in last.values():
            if record.get("kept"):
                continue
            batch_id = record.get("batch_id") or self._told(find, record["tag"])
            others = 0
            for custom_id, reply in self._answers(batch_id) if batch_id else ():  # or it was never handed in
                if wanted(custom_id):
                    yield custom_id, reply
                else:
                    others += 1
            if not others:
                self._journal.append({**record, "batch_id": batch_id, "kept": True})

    def _answers(self, batch_id: str) -> Iterator[tuple[str, Reply]]:
        while (batch := self._told(_look_after, batch_id)).status not in _ENDED:
            time.sleep(self.PAUSE)
        if batch.status == "failed":
            reasons = [error.message or "" for error in (batch.errors.data if batch.errors else None) or ()]
            detail = f"the batch {batch_id} failed: {shortened('; '.join(reasons))}"
            raise ProviderError(self.endpoint.without_key(f"{self.endpoint.host}: {detail}"))
        for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
            for line in self._told(_content, file_id).splitlines():
                yield _answer(line, self.endpoint)

    def _told(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """A call of the API, whose errors are explained; passing ones have been tried again."""
        try:
            return call(self._api, *arguments)
        except openai.APIError as error:
            detail = remedy(error, self.endpoint) or described(error)
            if isinstance(error, openai.NotFoundError):
                detail += f"; a batch that is gone is given up by removing its lines from {self.path}"
            message = f"{self.endpoint.model!r} at {self.endpoint.host}: {detail}"
            raise ProviderError(self.endpoint.without_key(message)) from error

    def __enter__(self) -> Batches:
        """Use the batches; the connections are closed at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections and the journal."""
        self._api.close()
        self._journal.__exit__(kind, error, trace)


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a batch: an id of our own, and the line of the file."""

    custom_id: str
    line: str


def request_line(custom_id: str, body: Mapping[str, Any]) -> Request:
    """A chat completion as a line of the file of requests.

    Args:
        custom_id: Comes back with the answer.
        body: From `request_of`.
    """
    content = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return Request(custom_id, json.dumps(content) + "\n")


def in_files(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """The requests in groups that each fit a file."""
    group: list[Request] = []
    size = 0
    for request in requests:
        if group and (len(group) == MOST_REQUESTS or size + len(request.line) > MOST_BYTES):
            yield group
            group, size = [], 0
        group.append(request)
        size += len(request.line)
    if group:
        yield group


def submit(api: openai.OpenAI, requests: Sequence[Request], tag: str) -> str:
    """Hand a file of requests in; the batch's id."""
    data = io.BytesIO("".join(request.line for request in requests).encode())
    file = api.files.create(file=("requests.jsonl", data), purpose="batch")
    # Never tried again by itself: a request that was received all the same would be paid twice.
    batch = api.with_options(max_retries=0).batches.create(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        metadata={_TAG: tag},
    )
    return batch.id


def find(api: openai.OpenAI, tag: str) -> str | None:
    """The id of the batch with that tag: one handed in just before a process was killed."""
    for batch in api.batches.list(limit=100):
        if (batch.metadata or {}).get(_TAG) == tag:
            return batch.id
    return None


def _look_after(api: openai.OpenAI, batch_id: str) -> Any:
    return api.batches.retrieve(batch_id)


def _content(api: openai.OpenAI, file_id: str) -> str:
    return api.files.content(file_id).text


def _answer(line: str, endpoint: Endpoint) -> tuple[str, Reply]:
    try:
        content = json.loads(line)
        custom_id = str(content["custom_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise ProviderError(f"a line of the batch's answers is damaged: {shortened(line)!r}") from error
    response, failure = content.get("response") or {}, content.get("error")
    body = response.get("body")
    if failure or response.get("status_code") != 200:
        said = failure or (body or {}).get("error") or f"HTTP {response.get('status_code')}"
        return custom_id, Reply("failed", detail=shortened(json.dumps(said)))
    return custom_id, read_reply(json.dumps(body), endpoint.model, reported_as=endpoint.reported_as)
