"""A worker process that answers in JSON lines: started, timed, started anew, and never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError

from mmrad.errors import ProviderError
from mmrad.inspectors.anomalygpt.worker import PROTOCOL, SIDE
from mmrad.recipe import problem_of

RESTART_AFTER = 3
"""After so many failures in a row the worker is started anew, even when it still runs."""

GIVE_UP_AFTER = 2 * RESTART_AFTER
"""After so many failures in a row nothing more is asked."""

_LONGEST_LINE = 1 << 20
_LOG_LINES, _LOG_TAIL = 5, 4096
"""How many lines of the log an error cites, from how many bytes at its end."""

_LINGER_SECONDS = 5.0
_OURS = ("PYTHONPATH", "PYTHONHOME")


class ItemFailure(Exception):  # noqa: N818 - it becomes a verdict
    """The worker gave no usable answer to one request; the message says why."""


class Handshake(BaseModel):
    """What a worker says first.

    Attributes:
        protocol: Version of what it speaks.
        model: Name of its model.
        checkpoint_sha256: Hash of the weights that it has loaded.
        trained_on: Datasets that they have seen; None where it does not know.
        torch: Version of torch.
        gpu: Name of the GPU; None without one.
    """

    protocol: int
    model: str
    checkpoint_sha256: str
    trained_on: tuple[str, ...] | None
    torch: str
    gpu: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model says of an image.

    Attributes:
        text: Its words.
        values: Its map, float32 of shape (224, 224), finite; higher where more anomalous.
        seconds: How long it took.
        model: Who says so.
    """

    text: str
    values: NDArray[np.float32]
    seconds: float
    model: str


class Worker:
    """A worker, started when it is first asked and killed at the end of the `with` block.

    Args:
        command: Its command line.
        log: File to which its standard error is appended.
        admit: Told of each handshake; raises where it is not the one that is wanted.
        start_seconds: How long it may take to say its handshake.
        item_seconds: How long an answer may take.
    """

    def __init__(
        self,
        command: Sequence[str],
        log: Path,
        *,
        admit: Callable[[Handshake], None],
        start_seconds: float,
        item_seconds: float,
    ) -> None:
        self._command, self._log, self._admit = command, log, admit
        self._start_seconds, self._item_seconds = start_seconds, item_seconds
        self._life: _Life | None = None
        self._model = ""
        self._failures = 0
        self._last_failure = ""

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def ask(self, request: Mapping[str, Any], folder: Path) -> Answer:
        """The answer to a request.

        Args:
            request: `id`, `image`, `normals`, `prompt` and `seed`, see `worker.py`.
            folder: The folder of this request's files, to which the map is written too.

        Raises:
            ItemFailure: When this request has no usable answer; others may have.
            ProviderError: When the worker cannot be started, or has failed too often in a row.
        """
        if self._failures >= GIVE_UP_AFTER:
            raise ProviderError(
                f"the worker failed {self._failures} times in a row, "
                f"in the end: {self._last_failure}; {self._told()}"
            )
        if self._failures and self._failures % RESTART_AFTER == 0:
            self._stop()
        life = self._life or self._start()
        try:
            answer = self._answer(life, request, folder)
        except ItemFailure as failure:
            self._failures += 1
            self._last_failure = str(failure)
            raise
        self._failures = 0
        return answer

    def _answer(self, life: _Life, request: Mapping[str, Any], folder: Path) -> Answer:
        life.write(json.dumps(request).encode("ascii") + b"\n")
        try:
            content = _object(life.line(time.monotonic() + self._item_seconds))
            if content is None or content.get("id") != request["id"]:
                raise _Broken("wrote something else than the answer to this request")
        except _Broken as fault:  # what it says next might belong to any request
            self._stop()
            raise ItemFailure(f"the worker {fault}") from fault
        if "error" in content:
            raise ItemFailure(str(content["error"]))
        try:
            reply = _Reply.model_validate(content)
        except ValidationError as error:
            raise ItemFailure(f"the answer's {problem_of(error)}") from error
        return Answer(reply.text, _read_map(reply.map_path, folder), reply.seconds, self._model)

    def _start(self) -> _Life:
        """Start the worker and hear its handshake.

        Raises:
            ProviderError: When there comes none, or not the right one.
        """
        self._life = life = _Life(self._command, self._log)
        deadline = time.monotonic() + self._start_seconds
        try:
            # Before it has control of its output, the interpreter may print what it likes.
            while (content := _object(life.line(deadline))) is None or "protocol" not in content:
                pass
            if content["protocol"] != PROTOCOL:
                raise _Broken(f"speaks protocol {content['protocol']!r}, not {PROTOCOL}")
            handshake = Handshake.model_validate(content)
            self._admit(handshake)
        except _Broken as fault:
            self._stop()
            raise ProviderError(f"cannot start the worker: it {fault}; {self._told()}") from fault
        except ValidationError as error:
            self._stop()
            raise ProviderError(f"cannot start the worker: its handshake's {problem_of(error)}") from error
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"mmrad: {handshake.model_dump_json()}\n")
        self._model = handshake.model
        return life

    def _stop(self) -> None:
        life, self._life = self._life, None
        if life:
            life.kill()

    def _told(self) -> str:
        """The last lines of its log."""
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - _LOG_TAIL))
            lines = log.read().decode("utf-8", "replace").splitlines()
        last = [line.strip() for line in lines if line.strip()][-_LOG_LINES:]
        return f"last lines of {self._log.name}: {' | '.join(last) or 'none'}"


class _Reply(BaseModel):
    text: str
    map_path: Path
    seconds: float = Field(ge=0, allow_inf_nan=False)


class _Broken(Exception):  # noqa: N818 - the worker is, see `Worker`
    """The process has ended, is silent or talks nonsense."""


class _Life:
    """One process of a worker."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        # The paths of our Python lead to packages that another one cannot use.
        environment = {name: value for name, value in os.environ.items() if name not in _OURS}
        with log.open("ab") as errors:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=environment,
                    start_new_session=True,  # Ctrl-C reaches us alone; its children end with it
                )
            except OSError as error:
                raise ProviderError(f"cannot start the worker {command[0]}: {error}") from error
        self._lines: Queue[bytes | None] = Queue(maxsize=64)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def write(self, line: bytes) -> None:
        """Send a line without waiting: a worker that does not read it is found out by its silence."""
        Thread(target=self._write, args=(line,), daemon=True).start()

    def line(self, deadline: float) -> bytes:
        """The next line.

        Raises:
            _Broken: When none comes until the deadline of the monotonic clock, or ever.
        """
        try:
            line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise _Broken("did not answer in time") from None
        if line is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it closes its output, then ends
                self._process.wait(_LINGER_SECONDS)
            raise _Broken(f"ended with exit status {self.kill()}")
        return line

    def kill(self) -> int:
        """End the process and its children, if they still run.

        Returns:
            Its exit status; that of its own end where it had ended itself.
        """
        if self._process.returncode is None:  # so its id is still its own: nobody has asked for its status
            with contextlib.suppress(ProcessLookupError):
                _kill_group(self._process)
        status = self._process.wait()
        given_up = time.monotonic() + _LINGER_SECONDS  # a child of it may hold the pipe
        while self._reader.is_alive() and time.monotonic() < given_up:
            with contextlib.suppress(Empty):
                self._lines.get(timeout=0.02)  # the reader may be waiting for room
        with contextlib.suppress(OSError):  # what was never read is lost
            _pipe(self._process.stdin).close()
        return status

    def _write(self, line: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # it has ended, which `line` tells
            pipe = _pipe(self._process.stdin)
            pipe.write(line)
            pipe.flush()

    def _read(self) -> None:
        with _pipe(self._process.stdout) as pipe:
            while line := pipe.readline(_LONGEST_LINE):
                self._lines.put(line)
        self._lines.put(None)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None  # it was asked for
    return pipe


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    if os.name == "posix":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object in a line; None where there is no such thing."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _read_map(path: Path, folder: Path) -> NDArray[np.float32]:
    """The map of an answer.

    Raises:
        ItemFailure: When it is not one.
    """
    if path.resolve().parent != folder.resolve():
        raise ItemFailure("the map is not in the folder of its request")
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ItemFailure(f"the map cannot be read: {error}") from error
    if not isinstance(values, np.ndarray) or values.shape != (SIDE, SIDE) or values.dtype.kind != "f":
        found = f"{values.dtype} of shape {values.shape}" if isinstance(values, np.ndarray) else "an archive"
        raise ItemFailure(f"the map is {found}, not floating-point of shape ({SIDE}, {SIDE})")
    if not np.isfinite(values).all():
        raise ItemFailure("the map holds values that are no numbers")
    return values.astype(np.float32)
