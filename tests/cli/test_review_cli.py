"""`mmrad review`, `mmrad view` and `mmrad accounts` as people type them."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import socket
import subprocess
import sys
import termios
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benched import Writer, yes
from builders import make_corpus
from commands import run
from decisions import decision, write_reviews
from mmrad.bench import bench
from mmrad.cli import app
from mmrad.cli.review import database_url
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.review.store.store import Store
from served import PASSWORD, Visitor, add_people, served

MMRAD = [sys.executable, "-m", "mmrad.cli"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_corpus(tmp_path / "corpus", 4)
    return tmp_path / "corpus"


def accounts(*arguments: object, password: str) -> Result:
    """`mmrad accounts` with a password from standard input."""
    return CliRunner().invoke(app, ["accounts", *map(str, arguments)], input=password)


def people(folder: Path) -> dict[str, tuple[str, bool]]:
    told = json.loads(run("accounts", "list", folder, "--json"))
    return {row["name"]: (row["role"], row["active"]) for row in told}


def test_the_life_of_an_account(folder: Path) -> None:
    assert people(folder) == {}
    made = accounts("add", folder, "ann", password=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output
    assert people(folder) == {"ann": ("annotator", True)}
    run("accounts", "role", folder, "ann", "admin")
    run("accounts", "remove", folder, "ann")
    assert people(folder) == {"ann": ("admin", False)}
    again = accounts("password", folder, "ann", password="another long password")
    assert again.exit_code == 0
    assert people(folder) == {"ann": ("admin", True)}
    store = Store(database_url(folder, None))
    assert store.check_password("ann", "another long password")
    assert store.check_password("ann", PASSWORD) is None
    store.close()
    assert "admin" in run("accounts", "list", folder)


@pytest.mark.parametrize(
    ("arguments", "password", "reason"),
    [
        (["add", "FOLDER", "ann"], "short", "12 characters"),
        (["add", "FOLDER", "ann"], "", "12 characters"),
        (["add", "FOLDER", "../ann"], PASSWORD, "no name for an account"),
        (["password", "FOLDER", "nobody"], PASSWORD, "nobody"),
        (["role", "FOLDER", "nobody", "admin"], "", "nobody"),
        (["remove", "FOLDER", "nobody"], "", "nobody"),
    ],
)
def test_what_accounts_refuses(folder: Path, arguments: list[str], password: str, reason: str) -> None:
    done = accounts(*[str(folder) if part == "FOLDER" else part for part in arguments], password=password)
    assert isinstance(done.exception, UsageError)
    assert reason in str(done.exception)
    assert people(folder) == {}


@pytest.mark.parametrize("second", [PASSWORD, "something else"])
def test_a_password_is_asked_for_twice_on_a_terminal(folder: Path, second: str) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*MMRAD, "accounts", "add", str(folder), "ann"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=partial(fcntl.ioctl, theirs, termios.TIOCSCTTY, 0),
    )
    seen = ""
    for prompt, answer in (("New password of ann:", PASSWORD), ("Once more:", second)):
        while prompt not in seen:
            seen += os.read(ours, 1024).decode()
        os.write(ours, f"{answer}\n".encode())
    same = second == PASSWORD
    process.communicate(timeout=120)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == (0 if same else 2)
    assert PASSWORD not in seen  # nothing is echoed
    assert people(folder) == ({"ann": ("annotator", True)} if same else {})


def test_no_corpus_no_database(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        run("accounts", "list", tmp_path)
    with pytest.raises(DataError):
        run("review", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [["--host", "0.0.0.0"], ["--host", "::"], ["--behind-proxy"]])
def test_beyond_this_machine_accounts_come_first(folder: Path, options: list[str]) -> None:
    with pytest.raises(UsageError, match="mmrad accounts add"):
        run("review", folder, "--port", 0, *options)


def test_beyond_this_machine_there_is_a_proxy(folder: Path) -> None:
    add_people(folder)
    with pytest.raises(UsageError, match=r"0\.0\.0\.0 .* no TLS.* --behind-proxy"):
        run("review", folder, "--port", 0, "--host", "0.0.0.0")


@pytest.mark.parametrize("prefix", ["mmrad", "/a//b", "/..", "/a b", "//evil.example", "/é", '/"'])
def test_prefixes_that_are_none(folder: Path, prefix: str) -> None:
    with pytest.raises(UsageError, match="--prefix"):
        run("review", folder, "--prefix", prefix)


def test_a_reviewer_has_a_name(folder: Path) -> None:
    with pytest.raises(UsageError, match="--reviewer"):
        run("review", folder, "--reviewer", " ")


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*MMRAD, "review", str(folder), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr and "--port" in done.stderr


def test_the_extra_is_named_when_it_is_missing(folder: Path) -> None:
    script = "import sys; sys.modules['nicegui'] = None; from mmrad.cli import main; main()"
    command = [sys.executable, "-c", script, "review", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "mmrad[web]" in done.stderr


def test_a_database_beside_any_corpus(tmp_path: Path) -> None:
    odd = tmp_path / "what? 100% #1"
    make_corpus(odd, 2)
    Store(database_url(odd, None)).close()
    assert (odd / "review.sqlite3").exists()
    assert database_url(odd, "postgresql://host/name") == "postgresql://host/name"


def test_looking_at_runs_changes_nothing(folder: Path, tmp_path: Path) -> None:
    corpus = Corpus(folder)
    bench(corpus, corpus.samples, Writer(lambda sample: yes(0, 0, 10, 10)), tmp_path / "runs")
    write_reviews(folder, decision(corpus.samples[1], outcome="drop"))
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with served(tmp_path / "runs", command="view") as running, Visitor(running.url) as visitor:
        assert visitor.get("api/session").json()["read_only"] is True
        told = visitor.get("api/sample", params={"id": corpus.samples[1].id}).json()
        assert (told["status"], told["history"][0]["reviewer"]) == ("drop", "ann")
        found = visitor.get("api/samples", params={"criteria": '{"run": "writer"}'}).json()
        assert found["samples"][0]["verdict"]["kind"] == "false_alarm"
        for path in ("", "explore", "statistics", "runs"):
            assert visitor.get(path, follow_redirects=True).status_code == 200
        sent = {"id": "8c1f1f0e-0d6b-4d2b-9a51-3d1f0b7c1e2a", "sample_id": corpus.samples[0].id, "seen": 0}
        assert visitor.change("api/reviews", {**sent, "outcome": "keep", "seconds": 1}).status_code == 403
        assert visitor.get("api/queues/any/next").status_code == 403
        assert running.stop() == 0
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert kept.items() >= before.items()
    assert all(".cache" in path.parts for path in kept.keys() - before.keys())
