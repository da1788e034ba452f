"""Accounts and logins in the review database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from mmrad.errors import UsageError
from mmrad.review.records import Role, Session, User
from mmrad.review.store import Store, accounts
from postgres import KINDS, fresh_database

GOOD = "correct horse battery"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(accounts, "_hasher", QUICK)
    accounts._hash_of_nobody.cache_clear()
    opened = Store(fresh_database(request.param, tmp_path))
    yield opened
    opened.close()
    accounts._hash_of_nobody.cache_clear()


def test_making_accounts(store: Store) -> None:
    assert store.add_user("Bob-2", GOOD, Role.VIEWER) == User("Bob-2", Role.VIEWER)
    store.add_user("anne.müller", GOOD, Role.ADMIN)
    assert store.users() == [User("anne.müller", Role.ADMIN), User("Bob-2", Role.VIEWER)]


@pytest.mark.parametrize("name", ["", " ann", "ann/../bob", "<b>", "-ann", "a" * 65, "ann\n", "ann\x00"])
def test_names_that_cannot_be(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="is no name for an account"):
        store.add_user(name, GOOD, Role.VIEWER)


def test_a_name_is_taken_in_any_letter_case(store: Store) -> None:
    store.add_user("ann", GOOD, Role.VIEWER)
    with pytest.raises(UsageError, match="there is an account 'ANN' already"):
        store.add_user("ANN", GOOD, Role.ADMIN)
    assert store.users() == [User("ann", Role.VIEWER)]


def test_short_passwords_are_refused_and_not_repeated(store: Store) -> None:
    store.add_user("ann", GOOD, Role.VIEWER)
    for refused in (
        lambda: store.add_user("bob", "elevenchars", Role.VIEWER),
        lambda: store.set_password("ann", "elevenchars"),
    ):
        with pytest.raises(UsageError, match="at least 12 characters; this one has 11") as caught:
            refused()
        assert "elevenchars" not in str(caught.value)
    assert store.check_password("ann", GOOD)


def test_checking_passwords(store: Store) -> None:
    user = store.add_user("ann", GOOD, Role.ANNOTATOR)
    assert store.check_password("ann", GOOD) == user
    assert store.check_password("ann", GOOD + " ") is None
    assert store.check_password("Ann", GOOD) is None
    for name, password in (("bob", GOOD), ("\x00", GOOD), ("\ud800", GOOD), ("ann", "\ud800"), ("ann", "")):
        assert store.check_password(name, password) is None
    store.set_active("ann", False)
    assert store.check_password("ann", GOOD) is None
    store.set_active("ann", True)
    store.set_password("ann", "another password")
    assert store.check_password("ann", GOOD) is None
    assert store.check_password("ann", "another password") == user


def test_a_name_that_does_not_exist_takes_the_same_work(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add_user("ann", GOOD, Role.VIEWER)
    store.add_user("bob", GOOD, Role.VIEWER)
    store.set_active("bob", False)
    checked: list[str] = []

    class Watched(PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> bool:
            checked.append(str(hash).rpartition("$")[0].rpartition("$")[0])  # kind and parameters
            return super().verify(hash, password)

    monkeypatch.setattr(accounts, "_hasher", Watched(time_cost=1, memory_cost=8, parallelism=1))
    for name in ("ann", "bob", "nobody"):
        assert store.check_password(name, "not the password") is None
    assert len(checked) == 3
    assert len(set(checked)) == 1


def _hash_of(store: Store, name: str) -> str:
    with store._engine.connect() as connection:
        return str(
            connection.execute(text("SELECT password FROM users WHERE name = :name"), {"name": name}).scalar()
        )


def test_hashes_follow_the_parameters_of_today(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_user("ann", GOOD, Role.VIEWER)
    assert _hash_of(store, "ann").startswith("$argon2id$v=19$m=8,t=1,p=1$")
    monkeypatch.setattr(accounts, "_hasher", PasswordHasher())
    assert store.check_password("ann", "not the password") is None
    assert _hash_of(store, "ann").startswith("$argon2id$v=19$m=8,")
    assert store.check_password("ann", GOOD)
    assert _hash_of(store, "ann").startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert store.check_password("ann", GOOD)


def test_logging_in_and_out(store: Store) -> None:
    user = store.add_user("ann", GOOD, Role.ANNOTATOR)
    token, opened = store.open_session(user)
    other, second = store.open_session(user)
    assert store.session(token) == opened == Session(user, opened.csrf)
    assert len({token, other, opened.csrf, second.csrf}) == 4
    assert all(len(secret) >= 43 for secret in (token, opened.csrf))  # 256 bits
    store.close_session(token)
    store.close_session("unknown")
    assert store.session(token) is None
    assert store.session("\ud800") is None
    assert store.session(other) == second


def test_the_database_does_not_have_the_tokens(store: Store) -> None:
    token, _ = store.open_session(store.add_user("ann", GOOD, Role.VIEWER))
    with store._engine.connect() as connection:
        rows = [tuple(row) for row in connection.execute(text("SELECT * FROM sessions"))]
        rows += [tuple(row) for row in connection.execute(text("SELECT * FROM users"))]
    assert rows
    assert token not in repr(rows)
    assert GOOD not in repr(rows)


def test_logins_expire_and_are_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    user = store.add_user("ann", GOOD, Role.VIEWER)
    monkeypatch.setattr(accounts, "SESSION_LIFETIME", 0.0)
    token, _ = store.open_session(user)
    assert store.session(token) is None
    monkeypatch.undo()
    store.open_session(user)
    with store._engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM sessions")).scalar() == 1


def test_changes_to_an_account_hold_at_once(store: Store) -> None:
    user = store.add_user("ann", GOOD, Role.ADMIN)
    token, _ = store.open_session(user)
    store.set_role("ann", Role.VIEWER)
    seen = store.session(token)
    assert seen
    assert seen.user.role is Role.VIEWER
    for change in (
        lambda: store.set_password("ann", "another password"),
        lambda: store.set_active("ann", False),
    ):
        token, _ = store.open_session(user)
        change()
        assert store.session(token) is None
    store.set_active("ann", True)
    assert store.session(token) is None


def test_accounts_that_do_not_exist(store: Store) -> None:
    for change in (
        lambda: store.set_password("bob", GOOD),
        lambda: store.set_role("bob", Role.ADMIN),
        lambda: store.set_active("bob", False),
        lambda: store.open_session(User("bob", Role.ADMIN)),
    ):
        with pytest.raises(UsageError, match="there is no account 'bob'"):
            change()
