"""Answers kept by everything that can change them, so that no two runs pay for the same one."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from pydantic import BaseModel, ValidationError

from mmrad.endpoint.endpoint import Endpoint
from mmrad.endpoint.reply import Reply, Token
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal
from mmrad.sample import Usage

_START = re.compile(rb'\{"key": "([0-9a-f]{64})", ')
"""How a line begins: found without reading all of it, which may hold the probabilities of many tokens."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What an answer depends on.

    Attributes:
        digest: SHA-256, in hexadecimal digits, over the address, the whole body as it is sent (the bytes of
            its images included) and the names under which the model may answer.
        asked: Its parts for people: address, model and parameters; neither texts nor images.
    """

    digest: str
    asked: dict[str, Any]


class _Kept(BaseModel):
    """A reply as it is kept."""

    text: str
    input_tokens: int | None
    output_tokens: int | None
    model_reported: str | None
    tokens: tuple[Token, ...]


class _Line(BaseModel):
    reply: _Kept


class ResponseCache:
    """A journal of replies, found by their key.

    Only replies that are `ok` are kept, and only those to requests that are meant to be answered the same way
    again: of temperature 0 or with a seed. In memory is one number for each, not the texts.

    A line is `{"key": …, "asked": {…}, "at": …, "reply": {…}}`. One process at a time may use the file; its
    threads may share the cache.

    Args:
        path: The file; created when missing.

    Attributes:
        hits: Replies that came out of the cache since it was opened.
        writes: Replies that were added since.

    Raises:
        UsageError: When the file is in use.
        DataError: When a whole line is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hits = self.writes = 0
        self._turn = threading.Lock()
        with ExitStack() as stack:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(path))
            self._journal = stack.enter_context(Journal(path))  # drops a torn line
            self._file = stack.enter_context(path.open("rb"))
            self._offsets = dict(self._scan())
            self._open = stack.pop_all()

    def _scan(self) -> Iterator[tuple[bytes, int]]:
        offset = 0
        for number, line in enumerate(self._file, 1):
            start = _START.match(line)
            if not start:
                raise DataError(f"{self.path}, line {number}: no line of a response cache; remove it")
            yield bytes.fromhex(start[1].decode()), offset
            offset += len(line)

    def key_of(self, endpoint: Endpoint, settings: dict[str, Any], content: bytes) -> CacheKey | None:
        """The key of a request; None for one whose answer is left to chance, which is not kept.

        The further addresses of an endpoint are no part of it: they serve the same model.

        Args:
            endpoint: Who is asked.
            settings: The request without its messages.
            content: The request as it is sent.
        """
        if settings.get("temperature") != 0 and settings.get("seed") is None:
            return None
        asked = {
            "base_url": endpoint.key()["base_url"],
            "reported_as": sorted(endpoint.reported_as),
            **settings,
        }
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
        digest.update(content)
        return CacheKey(digest.hexdigest(), asked)

    def get(self, key: CacheKey) -> Reply | None:
        """The reply to that request, its usage marked as cached; None when there is none.

        Raises:
            DataError: When its line is damaged.
        """
        with self._turn:
            offset = self._offsets.get(bytes.fromhex(key.digest))
            if offset is None:
                return None
            self._file.seek(offset)
            line = self._file.readline()
            self.hits += 1
        try:
            kept = _Line.model_validate_json(line).reply
        except ValidationError as error:
            raise DataError(f"{self.path}: the line of key {key.digest} is damaged; remove it") from error
        usage = Usage(kept.input_tokens, kept.output_tokens, cached=True)
        return Reply("ok", kept.text, "", usage, kept.model_reported, kept.tokens)

    def put(self, key: CacheKey, reply: Reply) -> None:
        """Keep a reply; one that is not `ok` is not kept, since it is to be asked for again."""
        if reply.status != "ok":
            return
        kept = _Kept(
            text=reply.text,
            input_tokens=reply.usage.input_tokens,
            output_tokens=reply.usage.output_tokens,
            model_reported=reply.model_reported,
            tokens=reply.tokens,
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = {"key": key.digest, "asked": key.asked, "at": now, "reply": kept.model_dump()}
        with self._turn:
            offset = self.path.stat().st_size
            self._journal.append(line)
            self._offsets[bytes.fromhex(key.digest)] = offset
            self.writes += 1

    def __len__(self) -> int:
        """How many replies it holds."""
        return len(self._offsets)

    def describe(self) -> str:
        """What was found and added, in one line for people."""
        return f"{self.path}: {self.hits} answers found, {self.writes} added"

    def close(self) -> None:
        """Bring what was added to the disk, and let others use the file."""
        self._open.close()

    def __enter__(self) -> ResponseCache:
        """Use the cache; it is closed at the end, whatever happens."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a file alone; the system drops the lock of a process that dies.

    Raises:
        UsageError: When another one holds it.
    """
    with path.with_name(f".{path.name}.lock").open("ab") as lock:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"{path}: another run uses this response cache; wait for it, or name another file"
            ) from None
        yield
