"""OpenAI-style batches: requests handed in as a file, answered within a day, often at half the price."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import openai

from mmrad.endpoint.client import Endpoint
from mmrad.endpoint.reply import Reply, read_reply, shortened
from mmrad.errors import ProviderError

MOST_REQUESTS = 50_000
MOST_BYTES = 150_000_000
"""Limits of a file of requests; OpenAI's own are 50,000 and 200 MB."""

_TAG = "mmrad"
"""Field of a batch's metadata that holds our own name for it."""

_ENDED = ("completed", "failed", "expired", "cancelled")


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


def in_files(requests: Sequence[Request]) -> list[list[Request]]:
    """The requests in groups that each fit a file."""
    files: list[list[Request]] = []
    size = 0
    for request in requests:
        size += len(request.line)
        if not files or len(files[-1]) == MOST_REQUESTS or size > MOST_BYTES:
            files.append([])
            size = len(request.line)
        files[-1].append(request)
    return files


async def submit(api: openai.AsyncOpenAI, requests: Sequence[Request], tag: str) -> str:
    """Hand a file of requests in; the batch's id."""
    data = io.BytesIO("".join(request.line for request in requests).encode())
    file = await api.files.create(file=("requests.jsonl", data), purpose="batch")
    batch = await api.batches.create(
        completion_window="24h",
        endpoint="/v1/chat/completions",
        input_file_id=file.id,
        metadata={_TAG: tag},
    )
    return batch.id


async def find(api: openai.AsyncOpenAI, tag: str) -> str | None:
    """The id of the batch with that tag: one handed in just before a process was killed."""
    async for batch in api.batches.list(limit=100):
        if (batch.metadata or {}).get(_TAG) == tag:
            return batch.id
    return None


async def wait(api: openai.AsyncOpenAI, batch_id: str, endpoint: Endpoint, pause: float) -> Any:
    """The batch once it has ended.

    Raises:
        ProviderError: When it failed as a whole, with the provider's reasons.
    """
    while (batch := await api.batches.retrieve(batch_id)).status not in _ENDED:
        await asyncio.sleep(pause)
    if batch.status == "failed":
        reasons = [error.message or "" for error in (batch.errors.data if batch.errors else None) or ()]
        detail = f"{endpoint.host}: the batch {batch_id} failed: {shortened('; '.join(reasons))}"
        raise ProviderError(endpoint.without_key(detail))
    return batch


async def answers(api: openai.AsyncOpenAI, batch: Any, model: str) -> AsyncIterator[tuple[str, Reply]]:
    """Custom id and reply of each answered or failed request; of an expired batch some have none."""
    for file_id in filter(None, (batch.output_file_id, batch.error_file_id)):
        content = await api.files.content(file_id)
        for line in content.text.splitlines():
            yield _answer(line, model)


def _answer(line: str, model: str) -> tuple[str, Reply]:
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
    return custom_id, read_reply(json.dumps(body), model)
