"""The review database: opening it, its schema, and decisions from many at once."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from deciding import decision
from mmrad.errors import DataError, MmradError, UsageError
from mmrad.review.records import ConflictError
from mmrad.review.store import Store
from mmrad.review.store.models import Base
from postgres import KINDS, PASSWORD, fresh_database, needs_postgres


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_database(request.param, tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def test_migrations_make_what_the_models_say(store: Store) -> None:
    with store._engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_a_newer_database_is_refused(url: str) -> None:
    store = Store(url)
    with store._engine.connect() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'r9999'"))
        connection.commit()
    store.close()
    with pytest.raises(DataError, match=r"newer mmrad \(its schema is r9999\); upgrade mmrad") as caught:
        Store(url)
    assert PASSWORD not in str(caught.value)


def test_what_is_stored_is_there_when_opened_again(url: str) -> None:
    store = Store(url)
    made = decision(reason="not text: \x00 \ud800 <script>")
    assert store.add_review(made)
    store.close()
    again = Store(url)
    assert again.reviews_since(0) == [(1, made)]
    again.close()


@pytest.mark.parametrize(
    ("url", "error", "match"),
    [
        ("postgresql://ann:sesame@127.0.0.1:9/x?password=sesame", DataError, r"ann:\*\*\*@.*cannot open"),
        ("sqlite:////nowhere/at/all.sqlite3", DataError, "cannot open the database: unable to open"),
        ("postgresql://ann:open@sesame@host/x", UsageError, "cannot be read.*%40"),
        ("postgresql://ann:sesame@host:sesame/x", UsageError, "cannot be read"),
        ("mysql://ann:sesame@host/x", UsageError, "begins with postgresql://"),
        ("sqlite://", UsageError, "sqlite:/// and the path of a file"),
        ("sqlite:///:memory:", UsageError, "sqlite:/// and the path of a file"),
        ("sesame", UsageError, "cannot be read"),
    ],
)
def test_databases_that_cannot_be_opened(
    url: str, error: type[MmradError], match: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with pytest.raises(error, match=match) as caught:
        Store(url)
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "sesame" not in shown


def test_only_the_owner_reads_the_file(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'review.sqlite3'}")
    store.add_review(decision())
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["review.sqlite3-wal"] == modes["review.sqlite3"] == 0o600
    store.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "review.sqlite3"
    path.write_bytes(b"a picture perhaps" * 100)
    with pytest.raises(DataError, match=r"review\.sqlite3: cannot open the database: file is not a database"):
        Store(f"sqlite:///{path}")


@needs_postgres
def test_a_wrong_password_is_not_shown(tmp_path: Path) -> None:
    url = fresh_database("postgresql", tmp_path).replace(PASSWORD, "sesame")
    with pytest.raises(DataError, match="password authentication failed") as caught:
        Store(url)
    assert "sesame" not in str(caught.value)


def test_a_decision_sent_twice_is_stored_once(store: Store) -> None:
    made = decision()
    assert store.add_review(made) is True
    assert store.add_review(made) is False
    assert [review for _, review in store.reviews_since(0)] == [made]


def test_who_has_not_seen_all_decisions_is_told_of_them(store: Store) -> None:
    first = decision(by="ann")
    store.add_review(first)
    for number in (1, 3):
        with pytest.raises(ConflictError, match="a/b/test/1: ann decided since") as caught:
            store.add_review(decision(by="bob", number=number))
        assert caught.value.reviews == (first,)
    store.add_review(decision(by="bob", number=2))
    # Blind ones follow their reviewer's own alone.
    for by in ("ann", "bob"):
        store.add_review(decision(by=by, needed=2))
    assert [review.track for _, review in store.reviews_since(0)] == ["", "", "ann", "bob"]


def test_decisions_made_elsewhere_come_after_those_that_are_here(store: Store) -> None:
    here, there = decision(by="ann"), decision(by="bob")
    store.add_review(here)
    store.add_reviews([here, there, there])
    assert [review for _, review in store.reviews_since(0)] == [here, replace(there, number=2)]
    store.add_review(decision(by="eve", number=3))


def test_many_decide_on_one_sample_at_once(store: Store) -> None:
    start = threading.Barrier(20)

    def decide(by: str) -> bool:
        start.wait()
        try:
            return store.add_review(decision(by=by))
        except ConflictError as error:
            assert len(error.reviews) == 1
            return False

    with ThreadPoolExecutor(20) as pool:
        stored = list(pool.map(decide, [f"person{number}" for number in range(20)]))
    assert stored.count(True) == 1
    assert len(store.reviews_since(0)) == 1


def test_who_follows_the_decisions_misses_none(url: str) -> None:
    # Two stores, as of two processes, and a third that reads along.
    stores = [Store(url) for _ in range(3)]
    followed: list[tuple[int, str]] = []
    done = threading.Event()

    def follow() -> None:
        while not done.is_set() or stores[2].ids_since(followed[-1][0] if followed else 0):
            followed.extend(stores[2].ids_since(followed[-1][0] if followed else 0))

    def decide(number: int) -> str:
        made = decision(f"a/b/test/{number}")
        stores[number % 2].add_review(made)
        return made.id

    with ThreadPoolExecutor(13) as pool:
        reader = pool.submit(follow)
        ids = list(pool.map(decide, range(120)))
        done.set()
        reader.result()
    assert sorted(ids) == sorted(name for _, name in followed)
    assert [seq for seq, _ in followed] == list(range(1, 121))
    for store in stores:
        store.close()


def test_processes_that_open_a_new_database_at_once(url: str) -> None:
    script = "import sys; from mmrad.review.store import Store; Store(sys.argv[1]).close()"
    opening = [
        subprocess.Popen([sys.executable, "-c", script, url], stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=120)[1] for process in opening] == [""] * 3
    assert [process.returncode for process in opening] == [0] * 3
