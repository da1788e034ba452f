"""A local server that speaks chat completions over real HTTP and fails on command."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

YES = "<think>a scratch</think><answer>Yes. {'bbox_2d': [7, 14, 28, 42], 'label': 'scratch'}</answer>"
NO = "<think>clean</think><answer>No.</answer>"

Reply = Callable[["Call"], None]


@dataclass(frozen=True)
class Request:
    """What a client sent."""

    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def query(self) -> str:
        """The data URL of the last image: which query is asked about."""
        parts = self.body["messages"][-1]["content"]
        return [part["image_url"]["url"] for part in parts if part["type"] == "image_url"][-1]


class Call(BaseHTTPRequestHandler):
    """A connection with one request at a time, and the means to answer it."""

    protocol_version = "HTTP/1.1"
    server: FaultServer
    body: dict[str, Any]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        data = self.rfile.read(length)
        if len(data) < length:
            raise ConnectionResetError("the client went away")
        self.body = json.loads(data)
        self.server.next_reply(
            Request(self.body, {name.lower(): value for name, value in self.headers.items()})
        )(self)

    def send(
        self, status: int, text: str, *, headers: dict[str, str] | None = None, promised: int | None = None
    ) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(promised or len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


class FaultServer(ThreadingHTTPServer):
    """Answers the first requests as scripted and the others by default.

    Args:
        script: Replies to the first requests, in the order they arrive.
        default: Reply to the others.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, script: Iterable[Reply] = (), default: Reply | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Call)
        self.calls: list[Request] = []
        self.stopping = threading.Event()
        self.arrived = threading.Condition()
        self._script = list(script)
        self.default = default or says(YES)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_reply(self, request: Request) -> Reply:
        with self.arrived:
            self.calls.append(request)
            self.arrived.notify_all()
            return self._script.pop(0) if self._script else self.default

    def wait_for_calls(self, count: int) -> None:
        """Wait until that many requests have come in all; a lost process must not hang the tests."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.calls) >= count, timeout=60)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what is tested; anything else is told."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


def says(
    text: str | None,
    *,
    model: str | None = None,
    finish: str = "stop",
    logprobs: list[dict[str, Any]] | None = None,
    tokens: tuple[int, int] = (11, 7),
    **message: Any,
) -> Reply:
    """A proper answer; `model` reports another model than the asked one."""

    def reply(call: Call) -> None:
        choice = {
            "index": 0,
            "finish_reason": finish,
            "message": {"role": "assistant", "content": text, **message},
        }
        if logprobs is not None:
            choice["logprobs"] = {"content": logprobs}
        content = {
            "id": "chat-1",
            "object": "chat.completion",
            "model": model or call.body["model"],
            "choices": [choice],
            "usage": dict(zip(("prompt_tokens", "completion_tokens"), tokens, strict=True)),
        }
        call.send(200, json.dumps(content))

    return reply


def streams(text: str, *, cut: bool = False, reasoning: str = "") -> Reply:
    """The answer in pieces, as server-sent events; `cut` ends the connection before the last."""

    def reply(call: Call) -> None:
        pieces = [text[i : i + 5] for i in range(0, len(text), 5)]
        deltas = [{"reasoning_content": reasoning}] if reasoning else []
        events: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            for delta in [*deltas, *({"content": piece} for piece in pieces)]
        ]
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        usage = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}
        call.send_response(200)
        call.send_header("Content-Type", "text/event-stream")
        call.send_header("Connection", "close")
        call.end_headers()
        common = {
            "id": "chat-1",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": call.body["model"],
        }
        for event in events if cut else [*events, end, usage]:
            call.wfile.write(f"data: {json.dumps({**common, **event})}\n\n".encode())
        if not cut:
            call.wfile.write(b"data: [DONE]\n\n")
        call.close_connection = True

    return reply


def fails(
    status: int, *, message: str = "as scripted", headers: dict[str, str] | None = None, **error: Any
) -> Reply:
    """An HTTP error; without headers the client waits by itself."""
    return lambda call: call.send(
        status, json.dumps({"error": {"message": message, **error}}), headers=headers
    )


def fails_briefly(status: int) -> Reply:
    """An HTTP error whose `Retry-After` is a millisecond."""
    return fails(status, headers={"Retry-After": "0.001"})


def sends(text: str) -> Reply:
    """HTTP 200 with any body."""
    return lambda call: call.send(200, text)


def hangs(call: Call) -> None:
    """No answer until the server stops."""
    call.server.stopping.wait()
    call.close_connection = True


def cuts_connection(call: Call) -> None:
    """The connection is reset before any answer."""
    call.connection.shutdown(socket.SHUT_RDWR)
    call.close_connection = True


def cuts_body(call: Call) -> None:
    """The connection ends in the middle of the answer."""
    call.send(200, '{"id": "chat-1", "model": "m", "choi', promised=500)
    call.connection.shutdown(socket.SHUT_RDWR)
    call.close_connection = True


def after(seconds: float, reply: Reply) -> Reply:
    """The reply after a pause."""

    def late(call: Call) -> None:
        call.server.stopping.wait(seconds)
        reply(call)

    return late


def unused_port() -> int:
    """A local port where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
