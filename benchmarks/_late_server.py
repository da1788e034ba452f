"""A cheap local server for benchmarks: it looks at nothing it is sent and says the same to all, later."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Connection(asyncio.Protocol):
    """Counts the bytes of each request and answers later."""

    def __init__(self, answer: bytes, seconds: float) -> None:
        self._answer, self._seconds = answer, seconds
        self._head = b""
        self._left = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._left:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._head = b""
            self._left = int(re.search(rb"content-length: (\d+)", head, re.IGNORECASE)[1])  # type: ignore[index]
        self._left -= len(data)
        if self._left == 0:
            asyncio.get_running_loop().call_later(self._seconds, self._reply)

    def _reply(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._answer)


async def _serve(text: str, seconds: float) -> None:
    """Answer until killed; the port is printed."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 600, "completion_tokens": 60, "total_tokens": 660}
    completion = {"id": "c", "object": "chat.completion", "created": 0, "model": "m"}
    body = json.dumps({**completion, "choices": [choice], "usage": usage}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: _Connection(head.encode() + body, seconds), "127.0.0.1", 0, backlog=512
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def late_server(text: str, seconds: float, core: int | None = None) -> Iterator[str]:
    """A server in a process of its own; its address.

    Args:
        text: What it says.
        seconds: How long it waits before.
        core: The processor core it runs on; None for any.
    """
    with subprocess.Popen([sys.executable, __file__, text, str(seconds)], stdout=subprocess.PIPE) as process:
        try:
            if core is not None:
                os.sched_setaffinity(process.pid, {core})
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], float(sys.argv[2])))
