"""Databases for tests: files of SQLite, and a real PostgreSQL server where it is installed."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path

import psycopg
import pytest

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=Path("initdb")).parent
needs_postgres = pytest.mark.skipif(
    not (PROGRAMS / "initdb").exists(), reason="no PostgreSQL on this machine: apt-get install postgresql"
)
KINDS = ["sqlite", pytest.param("postgresql", marks=needs_postgres)]
"""Parameters of a fixture that gives its tests both kinds of database."""

PASSWORD = "quite-secret"


def fresh_database(kind: str, folder: Path) -> str:
    """The URL of an empty database.

    Args:
        kind: `sqlite` or `postgresql`.
        folder: For the file.
    """
    name = f"test_{secrets.token_hex(6)}"
    if kind == "sqlite":
        return f"sqlite:///{folder / name}.sqlite3"
    with psycopg.connect(_server("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    return _server(name)


def _server(database: str) -> str:
    return f"postgresql://postgres:{PASSWORD}@/{database}?host={_started()}"


@cache
def _started() -> Path:
    """The folder with the socket of a server that runs until the tests end."""
    # Not pytest's, whose parent folders only root may enter: PostgreSQL does not run as root.
    folder = Path(tempfile.mkdtemp(prefix="mmrad-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    secret = folder / "password"
    secret.write_text(PASSWORD, "utf-8")
    if os.geteuid() == 0:
        for path in (folder, secret):
            shutil.chown(path, "postgres", "postgres")
    data = folder / "data"
    _run(
        "initdb", "-D", data, "-U", "postgres", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"
    ).wait()
    # Nothing here has to outlive a power cut.
    server = _run(
        "postgres",
        "-D",
        data,
        "-k",
        folder,
        "-c",
        "listen_addresses=",
        "-c",
        "fsync=off",
        "-c",
        "full_page_writes=off",
    )
    atexit.register(_stop, server)
    _wait_for(server, folder)
    return folder


def _run(program: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
    user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    command = [PROGRAMS / program, *arguments]
    return subprocess.Popen(command, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **user)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.send_signal(signal.SIGINT)  # "fast": it closes open connections
    server.wait(timeout=60)


def _wait_for(server: subprocess.Popen[bytes], folder: Path) -> None:
    while True:
        try:
            psycopg.connect(f"postgresql://postgres:{PASSWORD}@/postgres?host={folder}").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended with {server.returncode}") from None
            time.sleep(0.05)
