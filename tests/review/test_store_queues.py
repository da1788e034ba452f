"""Queues: who gets what next, alone and many at once, and how far they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import chain, count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from deciding import DENT, decision
from mmrad.corpus.reviews import Outcome, Review, standing
from mmrad.errors import UsageError
from mmrad.review.criteria import Criteria
from mmrad.review.records import Progress, Task
from mmrad.review.store import PersonProgress, Store, queues
from postgres import KINDS, fresh_database

IDS = [f"a/b/test/{number}" for number in range(6)]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_database(request.param, tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    yield opened
    opened.close()


def queue_of(store: Store, needed: int = 1, ids: Sequence[str] = IDS) -> str:
    return store.add_queue("Blurry parts", Criteria(), ids, needed=needed, by="eve").key


def places(store: Store, key: str, reviewer: str, number: int = 3, *, after: int = -1) -> list[int]:
    return [task.position for task in store.next_tasks(key, reviewer, number, after=after)]


def test_making_and_removing_queues(store: Store) -> None:
    criteria = Criteria(sources=("made",), smallest=12.5, statuses=("open",))
    made = store.add_queue(" Größe & Kratzer ", criteria, [*IDS, IDS[0]], needed=2, by="eve")
    assert (made.key, made.title, made.needed, made.size) == ("groe-kratzer", "Größe & Kratzer", 2, 6)
    assert Criteria(**made.criteria) == criteria
    assert [store.add_queue("缺陷", Criteria(), IDS, by="eve").key for _ in range(2)] == ["queue", "queue-2"]
    assert store.queue("groe-kratzer") == made == store.queues()[0]
    assert store.task(made.key, 4) == Task(made.key, 4, IDS[4])

    store.add_review(decision(IDS[0], needed=2), made.key)
    store.remove_queue(made.key)
    assert [queue.key for queue in store.queues()] == ["queue", "queue-2"]
    assert len(store.reviews_since(0)) == 1
    for key in (made.key, "\x00", "\ud800", "../queue", ""):
        with pytest.raises(UsageError, match=r"there is no queue .*; there are queue, queue-2"):
            store.queue(key)
    # Who has its last task on the screen can still decide.
    assert store.add_review(decision(IDS[1]), made.key)


def test_queues_that_cannot_be(store: Store) -> None:
    with pytest.raises(UsageError, match="would have no samples"):
        store.add_queue("none", Criteria(), [], by="eve")
    for title, needed in ((" ", 1), ("x", 0)):
        with pytest.raises(UsageError, match="needs a title, and at least one review"):
            store.add_queue(title, Criteria(), IDS, needed=needed, by="eve")
    key = queue_of(store)
    for position in (-1, 6):
        with pytest.raises(UsageError, match=f"blurry-parts has no place {position}"):
            store.task(key, position)


def test_each_gets_what_nobody_else_holds(store: Store) -> None:
    key = queue_of(store)
    assert places(store, key, "ann") == [0, 1, 2]
    assert places(store, key, "ann", 4) == [0, 1, 2, 3]  # one's own again
    assert places(store, key, "bob") == [4, 5]
    store.add_review(decision(IDS[0]), key)
    assert places(store, key, "cy") == []
    store.release(key, "ann")
    assert places(store, key, "cy", 9) == [1, 2, 3]
    assert places(store, key, "cy", 0) == []


def test_a_hold_ends_by_itself(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    key = queue_of(store)
    monkeypatch.setattr(queues, "LEASE", 0.0)
    assert places(store, key, "ann", 6) == [0, 1, 2, 3, 4, 5]
    assert places(store, key, "bob", 6) == [0, 1, 2, 3, 4, 5]


def test_going_on_from_where_one_is(store: Store) -> None:
    key = queue_of(store)
    assert places(store, key, "ann", 2, after=2) == [3, 4]
    store.add_review(decision(IDS[3]), key)
    # What was skipped comes after the end.
    assert places(store, key, "ann", 9) == [4, 5, 0, 1, 2]
    assert places(store, key, "ann", 2, after=5) == [0, 1]


def test_what_makes_a_task_done(store: Store) -> None:
    store.add_review(decision(IDS[0]))  # before there was a queue
    key, other = queue_of(store), queue_of(store)
    store.add_review(decision(IDS[1]), other)
    store.add_review(decision(IDS[2], outcome="unsure"), key)
    store.add_review(decision(IDS[3], needed=2))  # blind, and so none that counts alone
    store.add_reviews([decision(IDS[4])])  # made elsewhere
    assert places(store, key, "bob", 9) == [0, 3, 5]
    assert store.progress(key, "ann") == Progress(size=6, done=3, disputed=0, mine=1, left=3)
    store.add_review(decision(IDS[2], number=2), key)  # again: no more work done
    assert store.progress(key, "ann") == Progress(size=6, done=3, disputed=0, mine=1, left=3)


def test_blind_tasks_go_to_as_many_people_as_are_needed(store: Store) -> None:
    key = queue_of(store, 2, IDS[:2])
    assert places(store, key, "ann") == places(store, key, "bob") == [0, 1]
    assert places(store, key, "cy") == []  # two hold them
    store.add_review(decision(IDS[0], "ann", needed=2), key)
    assert places(store, key, "ann") == [1]
    assert store.progress(key, "ann") == Progress(size=2, done=0, disputed=0, mine=1, left=1)
    assert places(store, key, "cy") == []  # with bob's there will be two
    store.release(key, "bob")
    assert places(store, key, "cy") == [0, 1]
    store.add_review(decision(IDS[0], "cy", needed=2, outcome="unsure"), key)
    assert store.progress(key, "cy") == Progress(size=2, done=1, disputed=1, mine=1, left=1)
    assert places(store, key, "bob") == []  # ann and cy hold the other
    # Settled by one who sees both.
    store.add_review(decision(IDS[0], "eve"))
    assert store.progress(key, "bob") == Progress(size=2, done=1, disputed=0, mine=0, left=1)


def test_blind_reviews_count_in_a_queue_made_later(store: Store) -> None:
    for by, sample in (("ann", 0), ("bob", 0), ("ann", 1), ("ann", 2), ("bob", 2), ("ann", 3), ("bob", 3)):
        store.add_review(decision(IDS[sample], by, needed=2, after=(DENT,) if by == "bob" else ()))
    store.add_review(decision(IDS[3], "eve"))  # settled, so that a second round is a new one
    two, three = queue_of(store, 2), queue_of(store, 3)
    assert store.progress(two, "cy") == Progress(size=6, done=2, disputed=2, mine=0, left=4)
    assert places(store, two, "ann", 9) == [3, 4, 5]
    assert places(store, three, "ann", 9) == [3, 4, 5]
    assert places(store, three, "cy", 9) == [0, 1, 2, 3, 4, 5]
    store.add_review(decision(IDS[0], "cy", needed=3), three)
    assert store.progress(three, "cy") == Progress(size=6, done=1, disputed=1, mine=1, left=5)


def test_assigned_tasks_come_first_and_are_not_given_to_others(store: Store) -> None:
    key = queue_of(store)
    store.add_review(decision(IDS[0]), key)
    assert store.assign(key, "bob", 2) == 2
    assert [task.assignee for task in store.next_tasks(key, "bob", 9)] == ["bob", "bob", None, None, None]
    store.release(key, "bob")
    assert places(store, key, "ann", 9) == [3, 4, 5]
    assert store.progress(key, "ann").left == 3
    assert store.progress(key, "bob").left == 5
    assert store.assign(key, "cy") == 3
    assert store.assign(key, None, 1) == 1
    assert store.assign(key, None) == 4
    assert places(store, key, "dan", 9) == [1, 2]  # ann holds the others


def test_an_assigned_blind_task_is_free_after_the_assignees_review(store: Store) -> None:
    key = queue_of(store, 2, IDS[:2])
    store.assign(key, "ann")
    assert places(store, key, "bob") == []
    store.add_review(decision(IDS[0], "ann", needed=2), key)
    assert places(store, key, "bob") == [0]
    assert store.assign(key, "ann") == 0  # one is hers, one has her review
    assert store.assign(key, "cy") == 1


def test_twenty_people_share_a_queue_without_doing_anything_twice(url: str) -> None:
    stores = [Store(url) for _ in range(2)]  # as two processes
    ids = [f"a/b/test/{number}" for number in range(100)]
    key = queue_of(stores[0], 1, ids)

    def work(number: int) -> list[str]:
        store, name, done = stores[number % 2], f"person{number}", []
        while tasks := store.next_tasks(key, name, 2):
            store.add_review(decision(tasks[0].sample_id, name), key)  # raises when somebody else was there
            done.append(tasks[0].sample_id)
        return done

    with ThreadPoolExecutor(20) as pool:
        shares = list(pool.map(work, range(20)))
    assert sorted(chain(*shares)) == sorted(ids)
    assert stores[1].progress(key, "person0") == Progress(100, 100, 0, len(shares[0]), 0)
    for store in stores:
        store.close()


def test_twenty_people_review_blind_in_twos(url: str) -> None:
    stores = [Store(url) for _ in range(2)]
    ids = [f"a/b/test/{number}" for number in range(40)]
    key = queue_of(stores[0], 2, ids)

    def work(number: int) -> None:
        store, name = stores[number % 2], f"person{number}"
        while tasks := store.next_tasks(key, name, 2):
            for task in tasks:
                store.add_review(decision(task.sample_id, name, needed=2), key)

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(work, range(20)))
    reviews = [review for _, review in stores[0].reviews_since(0)]
    assert len(reviews) == len({(review.sample_id, review.reviewer) for review in reviews}) == 80
    assert stores[0].progress(key, "eve") == Progress(40, 40, 0, 0, 0)
    for store in stores:
        store.close()


def test_what_people_did(store: Store) -> None:
    key = queue_of(store)
    now = datetime.now(UTC)
    today, earlier = now.isoformat(), (now - timedelta(days=3)).isoformat()
    store.add_review(decision(IDS[0], "bob", at=today), key)
    store.add_review(decision(IDS[1], "bob", at=earlier, outcome="drop", reason="blurred"), key)
    store.add_review(decision(IDS[2], "bob", at="2020-01-01T00:00:00Z", outcome="unsure"))
    store.add_review(decision(IDS[3], "ann", at=today))
    ann, bob = store.people()
    assert (ann.name, ann.reviews, bob.name, bob.reviews) == ("ann", 1, "bob", 3)
    assert (bob.kept, bob.dropped, bob.unsure, bob.seconds) == (1, 1, 1, 13.5)
    assert list(bob.days) == sorted(bob.days)
    assert len(bob.days) == 14
    assert {day: made for day, made in bob.days.items() if made} == {today[:10]: 1, earlier[:10]: 1}
    [only] = store.people(key)
    assert isinstance(only, PersonProgress)
    assert (only.name, only.reviews) == ("bob", 2)


def test_no_request_reads_over_all_tasks(tmp_path: Path) -> None:
    store = Store(fresh_database("sqlite", tmp_path))
    ids = [f"a/b/test/{number}" for number in range(3000)]
    keys = [queue_of(store, needed, ids) for needed in (1, 2)]
    store.assign(keys[0], "bob", 500)
    said: list[tuple[str, tuple[object, ...]]] = []
    event.listen(
        store._engine,
        "before_cursor_execute",
        lambda _c, _u, statement, values, *_: said.append((statement, values)),
    )
    for key, needed in zip(keys, (1, 2), strict=True):
        store.next_tasks(key, "ann")
        store.progress(key, "ann")
        store.add_review(decision(ids[600 + needed], needed=needed), key)
    plans = []
    with store._engine.connect() as connection:
        for statement, values in list(said):
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
                plans += [row[3] for row in rows]
    store.close()
    assert (
        "SEARCH tasks USING INDEX ix_tasks_open (queue_id=? AND assignee=? AND position>? AND position<?)"
        in plans
    )
    assert [plan for plan in plans if plan.startswith(("SCAN tasks", "SCAN reviews"))] == []


PEOPLE = ("ann", "bob", "cy")
EXAMPLES = count()

steps = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(PEOPLE),
        st.sampled_from(["keep", "drop"]),
        st.sampled_from([1, 2, 3]),
    ),
    max_size=10,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(fresh_database("sqlite", tmp_path_factory.mktemp("shared")))
    yield opened
    opened.close()


@settings(max_examples=25)
@given(before=steps, after=steps)
def test_any_course_of_events_leaves_the_counts_right(
    shared: Store, before: list[tuple[int, str, Outcome, int]], after: list[tuple[int, str, Outcome, int]]
) -> None:
    example = next(EXAMPLES)
    ids = [f"example/{example}/test/{number}" for number in range(4)]
    made: list[Review] = []

    def make(step: tuple[int, str, Outcome, int], key: str | None) -> None:
        sample, by, outcome, needed = step
        number = 1 + sum(
            review.sample_id == ids[sample] and review.track == (by if needed > 1 else "") for review in made
        )
        made.append(decision(ids[sample], by, number=number, needed=needed, outcome=outcome))
        assert shared.add_review(made[-1], key)

    for step in before:
        make(step, None)
    keys = {needed: queue_of(shared, needed, ids) for needed in (1, 2, 3)}
    for step in after:
        make(step, keys[step[3]])
    for needed, key in keys.items():
        for person in PEOPLE:
            expected, doable = _expected(ids, made, len(before), needed, person)
            assert shared.progress(key, person) == expected
            assert sorted(places(shared, key, person, 9)) == doable
            shared.release(key, person)


def _expected(
    ids: Sequence[str], made: Sequence[Review], since: int, needed: int, person: str
) -> tuple[Progress, list[int]]:
    """The progress of a queue that was made after the first decisions, and the places a person can do."""
    done, disputed, doable = 0, 0, []
    for place, sample_id in enumerate(ids):
        history = [review for review in made if review.sample_id == sample_id]
        now = standing(history)
        later = [review for review in made[since:] if review.sample_id == sample_id]
        if needed == 1:
            finished = any(not review.blind for review in later)
            refused = False
        else:
            full = len(now.blind) >= needed
            finished = full or bool(later and not later[-1].blind)
            disputed += full and now.status == "disputed"
            refused = person in {review.reviewer for review in now.blind}
        done += finished
        if not finished and not refused:
            doable.append(place)
    mine = {
        review.sample_id for review in made[since:] if (review.reviewer, review.needed) == (person, needed)
    }
    return Progress(len(ids), done, disputed, len(mine), len(doable)), doable
