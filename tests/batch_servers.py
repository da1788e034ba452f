"""A local server that speaks the part of OpenAI's API for files and batches, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], dict[str, Any]]
"""From the body of a request to `{"response": …}` or `{"error": …}`."""


def completion(text: str, model: str = "m") -> dict[str, Any]:
    """A proper answer to one request of a batch."""
    body = {
        "model": model,
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
    }
    return {"response": {"status_code": 200, "body": body}, "error": None}


class BatchServer(ThreadingHTTPServer):
    """Answers batches.

    Args:
        answer: Answers each request when its batch is looked after for the second time.
        failing: Batches fail as a whole.
        expiring: Batches expire unanswered.
        refusing: HTTP status with which a path, `files` or `batches`, answers what is posted there.
    """

    daemon_threads = True

    def __init__(
        self,
        answer: Answer,
        *,
        failing: bool = False,
        expiring: bool = False,
        refusing: dict[str, int] | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.failing, self.expiring = answer, failing, expiring
        self.refusing = refusing or {}
        self.posts: list[str] = []
        self.files: dict[str, str] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All requests of all batches."""
        inputs = [self.files[batch["input_file_id"]] for batch in self.batches.values()]
        return [json.loads(line) for text in inputs for line in text.splitlines()]

    def add_file(self, text: str) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = text
        return name

    def work(self, batch: dict[str, Any]) -> None:
        if batch["status"] == "validating":
            batch["status"] = "in_progress"
        elif batch["status"] == "in_progress":
            if self.failing:
                batch |= {"status": "failed", "errors": {"data": [{"message": "no such model"}]}}
            elif self.expiring:
                batch["status"] = "expired"
            else:
                lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
                found = [{"custom_id": line["custom_id"], **self.answer(line["body"])} for line in lines]
                good = [json.dumps(line) for line in found if not line["error"]]
                bad = [json.dumps(line) for line in found if line["error"]]
                batch["status"] = "completed"
                batch["output_file_id"] = self.add_file("\n".join(good)) if good else None
                batch["error_file_id"] = self.add_file("\n".join(bad)) if bad else None

    def __enter__(self) -> BatchServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: BatchServer

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.removeprefix("/v1/")
        with self.server.lock:
            self.server.posts.append(path)
            if path in self.server.refusing:
                self._send({"error": {"message": "refused"}}, self.server.refusing[path])
            elif path == "files":
                head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
                parts = BytesParser(policy=HTTP).parsebytes(head + data).iter_parts()
                files = {part.get_param("name", header="content-disposition"): part for part in parts}
                text = files["file"].get_payload(decode=True).decode()
                name = self.server.add_file(text)
                made = {"id": name, "object": "file", "bytes": len(text), "created_at": 0}
                self._send({**made, "filename": "requests.jsonl", "purpose": "batch", "status": "processed"})
            else:
                asked = json.loads(data)
                name = f"batch-{len(self.server.batches)}"
                made = {"id": name, "object": "batch", "created_at": 0, "status": "validating"}
                self.server.batches[name] = {**asked, **made}
                self._send(self.server.batches[name])

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1/")
        with self.server.lock:
            if path == "batches":
                self._send({"object": "list", "data": list(self.server.batches.values()), "has_more": False})
            elif path.startswith("batches/"):
                batch = self.server.batches[path.removeprefix("batches/")]
                self.server.work(batch)
                self._send(batch)
            else:
                self._send_text(self.server.files[path.split("/")[1]])

    def _send(self, content: dict[str, Any], status: int = 200) -> None:
        self._send_text(json.dumps(content), status)

    def _send_text(self, text: str, status: int = 200) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""
