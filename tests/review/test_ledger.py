"""The ledger: what people decide is in the database and in `reviews.jsonl`, once and in one order."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import deciding
from deciding import DENT, SCRATCH, decision
from mmrad.corpus.reviews import FILE_NAME, Review, read_reviews, review_to_record
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal, read_journal
from mmrad.review.records import ConflictError
from mmrad.review.store import Ledger, Store
from mmrad.sample import Sample
from postgres import KINDS, fresh_database

ID = "a/b/test/1"
SAMPLE = Sample(ID, "a", "b", "test", "1.png", (84, 56), (SCRATCH,), "CC0-1.0")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_database(request.param, tmp_path)


@pytest.fixture
def open_store(url: str) -> Iterator[Callable[[], Store]]:
    """Opens the database, each time as another process would."""
    opened: list[Store] = []

    def open_() -> Store:
        opened.append(Store(url))
        return opened[-1]

    yield open_
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


def ids_in_file(folder: Path) -> list[str]:
    return [record["id"] for record in read_journal(folder / FILE_NAME)]


def ids_in(store: Store) -> list[str]:
    return [name for _, name in store.ids_since(0)]


def append(folder: Path, *reviews: Review) -> None:
    with Journal(folder / FILE_NAME) as journal:
        for review in reviews:
            journal.append(review_to_record(review))


def test_a_decision_is_in_both_and_counts(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store, tmp_path)
    assert (ledger.standing(ID).status, ledger.statuses(), ledger.history(ID)) == ("open", {}, ())
    made = decision(after=(DENT,))
    ledger.decide(made)
    ledger.decide(made)  # sent again, since the answer was lost
    assert ids_in(store) == ids_in_file(tmp_path) == [made.id]
    assert ledger.history(ID) == (made,)
    assert ledger.statuses() == {ID: "keep"}
    assert ledger.sample(SAMPLE) == replace(SAMPLE, regions=(DENT,))
    assert (ledger.seen(ID, ""), ledger.seen(ID, "ann"), ledger.seen("other", "")) == (1, 0, 0)
    assert read_reviews(tmp_path) == {ID: [made]}


def test_samples_that_are_dropped_or_changed_since_stay_as_they_are(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store, tmp_path)
    ledger.decide(decision(outcome="drop", reason="blurred"))
    assert ledger.sample(SAMPLE) == SAMPLE
    ledger.decide(decision(number=2))
    other = replace(SAMPLE, regions=(DENT,))
    assert ledger.sample(other) == other


def test_a_conflict_stores_nothing(open_store: Callable[[], Store], tmp_path: Path) -> None:
    ours, theirs = (Ledger(open_store(), tmp_path) for _ in range(2))
    first = decision(by="ann")
    theirs.decide(first)
    with pytest.raises(ConflictError) as caught:
        ours.decide(decision(by="bob"))
    assert caught.value.reviews == (first,)
    assert ids_in_file(tmp_path) == [first.id]
    assert ours.history(ID) == (first,)  # and the other's decision is known now


def test_without_a_database_the_file_is_only_read(tmp_path: Path) -> None:
    first, second = decision(), decision(number=2, outcome="unsure")
    ledger = Ledger(None, tmp_path)
    append(tmp_path, first)
    torn = b'{"id": "torn'
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(torn)
    ledger.refresh()
    assert ledger.history(ID) == (first,)
    assert (tmp_path / FILE_NAME).read_bytes().endswith(torn)
    append(tmp_path, second)
    ledger.refresh()
    assert ledger.statuses() == {ID: "unsure"}
    with pytest.raises(UsageError, match="decisions need a database"):
        ledger.decide(decision(number=3))
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME]


def test_a_torn_line_is_cut_off_before_the_next(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store, tmp_path)
    first, second = decision(), decision(number=2)
    ledger.decide(first)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"id": "torn')
    ledger.decide(second)
    assert ids_in_file(tmp_path) == [first.id, second.id]
    assert ledger.history(ID) == (first, second)


@pytest.mark.parametrize("running", [True, False])
def test_what_was_stored_when_the_process_died_is_written(
    open_store: Callable[[], Store], tmp_path: Path, running: bool
) -> None:
    other = Ledger(open_store(), tmp_path)
    first, lost, last = decision(), decision("a/b/test/2"), decision("a/b/test/3")
    other.decide(first)
    open_store().add_review(lost)  # and then it was killed
    if running:
        other.decide(last)
        assert other.history(lost.sample_id) == (lost,)
    else:
        other = Ledger(open_store(), tmp_path)
        other.decide(last)
    assert ids_in_file(tmp_path) == [first.id, lost.id, last.id]


def test_a_database_that_was_deleted_is_filled_from_the_file(store: Store, tmp_path: Path) -> None:
    made = [decision(f"a/b/test/{number}", by) for number in range(3) for by in ("ann",)]
    made += [decision(f"a/b/test/{number}", "bob", number=2) for number in range(3)]
    append(tmp_path, *made, made[0])
    ledger = Ledger(store, tmp_path)
    assert [review for _, review in store.reviews_since(0)] == made
    ledger.decide(decision(number=3))
    assert len(ids_in_file(tmp_path)) == 8  # the line that was there twice still is
    assert Ledger(store, tmp_path).seen(ID, "") == 3


def test_a_file_that_was_deleted_or_put_back_is_noticed(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store, tmp_path)
    made = [decision(), decision(number=2, outcome="unsure")]
    ledger.decide(made[0])
    backup = (tmp_path / FILE_NAME).read_bytes()
    ledger.decide(made[1])
    (tmp_path / FILE_NAME).unlink()
    ledger.refresh()
    assert ids_in_file(tmp_path) == [review.id for review in made]
    (tmp_path / "backup").write_bytes(backup)
    (tmp_path / "backup").replace(tmp_path / FILE_NAME)
    ledger.refresh()
    assert ids_in_file(tmp_path) == [review.id for review in made]
    assert ledger.history(ID) == tuple(made)


def test_decisions_of_two_machines_are_joined_in_the_order_of_the_file(store: Store, tmp_path: Path) -> None:
    ledger = Ledger(store, tmp_path)
    ours, theirs = decision(by="ann"), decision(by="bob", outcome="drop", reason="blurred")
    ledger.decide(ours)
    append(tmp_path, theirs)  # as by joining two files
    ledger.refresh()
    assert ledger.statuses() == {ID: "drop"}
    assert ids_in(store) == ids_in_file(tmp_path) == [ours.id, theirs.id]
    with pytest.raises(ConflictError):
        ledger.decide(decision(number=2))
    ledger.decide(decision(number=3))


def test_a_damaged_line_is_named(store: Store, tmp_path: Path) -> None:
    append(tmp_path, decision())
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(b'{"id": "1"}\n')
    for opened in (store, None):
        with pytest.raises(
            DataError, match=r"reviews\.jsonl, line 2: not a review.*restore the line or remove"
        ):
            Ledger(opened, tmp_path)


def test_a_full_disk_loses_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(store, tmp_path)

    def full(self: Journal, record: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", full)
        with pytest.raises(DataError, match=r"reviews\.jsonl: cannot be read or written: No space left"):
            ledger.decide(made := decision())
    ledger.decide(made)  # the browser sends it again
    assert ids_in(store) == ids_in_file(tmp_path) == [made.id]


def test_many_threads_of_two_processes_decide(open_store: Callable[[], Store], tmp_path: Path) -> None:
    ledgers = [Ledger(open_store(), tmp_path) for _ in range(2)]
    confirmed: list[str] = []

    def decide(turn: int) -> None:
        ledger, sample_id = ledgers[turn % 2], f"a/b/test/{turn % 5}"
        while True:
            made = decision(sample_id, f"person{turn}", number=ledger.seen(sample_id, "") + 1)
            try:
                ledger.decide(made)
            except ConflictError:
                continue
            confirmed.append(made.id)
            return

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(decide, range(80)))
    written = ids_in_file(tmp_path)
    assert sorted(written) == sorted(confirmed)
    assert ids_in(open_store()) == written
    for ledger in ledgers:
        ledger.refresh()
    for name, reviews in read_reviews(tmp_path).items():
        assert [review.number for review in reviews] == list(range(1, len(reviews) + 1))
        assert ledgers[0].history(name) == ledgers[1].history(name) == tuple(reviews)


@pytest.fixture
def start(url: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start_(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, deciding.__file__, url, str(tmp_path), name, "7"]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield start_
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def lines(process: subprocess.Popen[str], number: int) -> list[str]:
    assert process.stdout
    return [process.stdout.readline().strip() for _ in range(number)]


def test_killed_processes_lose_nothing_they_confirmed(
    start: Callable[[str], subprocess.Popen[str]], open_store: Callable[[], Store], tmp_path: Path
) -> None:
    confirmed: list[str] = []
    survivor = start("bob")
    for number in (3, 20):
        victim = start("ann")
        confirmed += lines(victim, number)
        victim.send_signal(signal.SIGKILL)
        assert victim.stdout
        confirmed += victim.stdout.read().split()
        confirmed += lines(survivor, 3)
    survivor.send_signal(signal.SIGKILL)
    assert survivor.stdout
    confirmed += survivor.stdout.read().split()

    again = open_store()
    ledger = Ledger(again, tmp_path)
    written = ids_in_file(tmp_path)
    assert len(confirmed) == len(set(confirmed)) >= 29
    assert set(confirmed) <= set(written)
    # Of each victim at most the one decision that it could not confirm any more.
    assert len(written) == len(set(written)) <= len(confirmed) + 3
    assert ids_in(again) == written
    for name, reviews in read_reviews(tmp_path).items():
        assert tuple(reviews) == ledger.history(name)
        assert [review.number for review in reviews] == list(range(1, len(reviews) + 1))
