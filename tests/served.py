"""A real `mmrad review` in a process of its own; NiceGUI allows one application in a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from mmrad.review.records import Role
from mmrad.review.store.store import Store

PATIENCE = 120
"""Seconds in which a server must answer; these machines are shared."""


@dataclass
class Served:
    """A server that answers.

    Attributes:
        url: Its address, with the prefix and without a slash at the end.
        process: The process.
    """

    url: str
    process: subprocess.Popen[bytes]
    _log: Path

    def log(self) -> str:
        """What it has printed, on both streams."""
        return self._log.read_text("utf-8")

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end.

        Returns:
            Its exit status.
        """
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def served(
    folder: Path,
    *options: str,
    command: str = "review",
    port: int = 0,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Start `mmrad review`, or `mmrad view`, and end it after use.

    Args:
        folder: The corpus; for `mmrad view` also runs.
        options: Further options.
        command: The command.
        port: Port; a free one by default.
        environment: Variables beside those of this process.
    """
    log = folder.parent / f"{folder.name}-{time.monotonic_ns()}.log"
    arguments = [sys.executable, "-m", "mmrad.cli", command, str(folder), "--port", str(port), *options]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
        )
    try:
        yield Served(_address(process, log), process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that the server prints when it answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := re.search(r"http://\S+", log.read_text("utf-8", "replace")):
            return found[0].rstrip("/")
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8', 'replace')}")


PASSWORD = "correct horse battery staple"

PEOPLE = {
    "root": Role.ADMIN,
    "ann": Role.ANNOTATOR,
    "bob": Role.ANNOTATOR,
    "eve": Role.VIEWER,
    "joe": Role.VIEWER,
}
"""Accounts that `add_people` makes, with their roles."""


def add_people(folder: Path) -> None:
    """Make an account for each of `PEOPLE` in the database beside a corpus."""
    with closing(Store(f"sqlite:///{folder / 'review.sqlite3'}")) as store:
        for name, role in PEOPLE.items():
            store.add_user(name, PASSWORD, role)


class Visitor(httpx.Client):
    """A program that talks to a server as a page of it would.

    Args:
        url: Address of the server, with the prefix.
        name: Who logs in with `PASSWORD` at the start of a `with` block; nobody by default.
    """

    def __init__(self, url: str, name: str | None = None) -> None:
        super().__init__(base_url=f"{url}/", timeout=PATIENCE)
        self._name = name
        self.csrf = ""

    def __enter__(self) -> Visitor:
        super().__enter__()
        if self._name:
            assert self.log_in(self._name).status_code == 303
        self.csrf = str(self.get("api/session").json().get("csrf", ""))
        return self

    def log_in(self, name: str, password: str = PASSWORD, next_: str = "/") -> httpx.Response:
        """Fill in the form of the login."""
        token = re.search(r'name="token" value="([^"]+)"', self.get("login").text)
        assert token
        fields = {"name": name, "password": password, "token": token[1], "next": next_}
        return self.post("login", data=fields)

    def change(self, path: str, body: object, **headers: str) -> httpx.Response:
        """Send a change as the application's pages do."""
        return self.post(path, json=body, headers={"X-CSRF-Token": self.csrf, **headers})
