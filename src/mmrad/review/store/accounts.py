"""Accounts and logins. Passwords are kept as Argon2id, tokens of logins as SHA-256."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session as Transaction

from mmrad.errors import UsageError
from mmrad.review.records import Role, Session, User
from mmrad.review.store.database import Database
from mmrad.review.store.models import SessionRow, UserRow

SESSION_LIFETIME = 12 * 3600.0
"""Seconds after which a person has to log in again."""

NAME = re.compile(r"\w[\w.-]{0,63}")
"""What names of accounts look like."""

SHORTEST_PASSWORD = 12
"""Characters a password has at least."""

_hasher = PasswordHasher()
# One hash takes 64 MiB on purpose; many at once, from many who try passwords, would take all memory.
_hashing = threading.Semaphore(2)


class Accounts(Database):
    """The accounts of a review database."""

    def add_user(self, name: str, password: str, role: Role) -> User:
        """Make an account.

        Raises:
            UsageError: When the name is taken, in any letter case, when it has other characters than letters,
                digits, `.`, `_` and `-`, or when the password is too short.
        """
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no name for an account; use letters, digits and . _ -, at most 64")
        hashed = _hashed(password)
        with self._writing() as session:
            if session.scalar(select(UserRow).where(UserRow.folded == name.casefold())):
                raise UsageError(f"there is an account {name!r} already; choose another name")
            row = UserRow(name=name, folded=name.casefold(), password=hashed, role=role.value, active=True)
            session.add(row)
            return _user(row)

    def users(self) -> list[User]:
        """All accounts by name."""
        with self._reading() as session:
            return [_user(row) for row in session.scalars(select(UserRow).order_by(UserRow.folded))]

    def set_password(self, name: str, password: str) -> None:
        """Change a password; the person has to log in again everywhere.

        Raises:
            UsageError: When there is no such account, or the password is too short.
        """
        hashed = _hashed(password)
        with self._writing() as session:
            _row(session, name).password = hashed
            _log_out(session, name)

    def set_role(self, name: str, role: Role) -> None:
        """Change what a person may do, at once.

        Raises:
            UsageError: When there is no such account.
        """
        with self._writing() as session:
            _row(session, name).role = role.value

    def set_active(self, name: str, active: bool) -> None:
        """Let a person in, or out at once; what they decided stays.

        Raises:
            UsageError: When there is no such account.
        """
        with self._writing() as session:
            _row(session, name).active = active
            if not active:
                _log_out(session, name)

    def check_password(self, name: str, password: str) -> User | None:
        """The person, when the password is theirs and they may log in.

        It takes as long for names that do not exist, so that trying tells nothing about who has an account.
        """
        with self._reading() as session:
            row = session.get(UserRow, name) if NAME.fullmatch(name) else None
        hashed = _hash_of_nobody()
        if row is not None:
            hashed = row.password
        if not _fits(hashed, password) or row is None or not row.active:
            return None
        if _hasher.check_needs_rehash(hashed):
            with self._writing() as session:
                _row(session, name).password = _hashed(password)
        return _user(row)

    def open_session(self, user: User) -> tuple[str, Session]:
        """Log a person in.

        Returns:
            The token for the person's cookie, which is stored nowhere, and the login.

        Raises:
            UsageError: When there is no such account.
        """
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        with self._writing() as session:
            row = _row(session, user.name)
            session.execute(delete(SessionRow).where(SessionRow.digest.in_(_expired())))
            expires = time.time() + SESSION_LIFETIME
            session.add(SessionRow(digest=_digest(token), name=row.name, csrf=csrf, expires=expires))
            return token, Session(_user(row), csrf)

    def session(self, token: str) -> Session | None:
        """The login of a token, with what the person may do now; None when it is unknown or has expired."""
        wanted = (
            select(UserRow, SessionRow.csrf)
            .join(SessionRow, SessionRow.name == UserRow.name)
            .where(SessionRow.digest == _digest(token), SessionRow.expires > time.time(), UserRow.active)
        )
        with self._reading() as session:
            found = session.execute(wanted).one_or_none()
            return Session(_user(found[0]), found[1]) if found else None

    def close_session(self, token: str) -> None:
        """Log out; a token that is unknown changes nothing."""
        with self._writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.digest == _digest(token)))


def _row(session: Transaction, name: str) -> UserRow:
    row = session.get(UserRow, name, with_for_update=True)
    if row is None:
        raise UsageError(f"there is no account {name!r}")
    return row


def _user(row: UserRow) -> User:
    return User(row.name, Role(row.role), row.active)


def _expired() -> Select[str]:
    """Logins that have expired, without those that somebody else is just removing."""
    expired = select(SessionRow.digest).where(SessionRow.expires <= time.time())
    return expired.with_for_update(skip_locked=True)


def _log_out(session: Transaction, name: str) -> None:
    session.execute(delete(SessionRow).where(SessionRow.name == name))


def _digest(token: str) -> str:
    return hashlib.sha256(_bytes(token)).hexdigest()


def _bytes(sent: str) -> bytes:
    """A text as it was sent, which may be any."""
    return sent.encode("utf-8", "surrogatepass")


def _hashed(password: str) -> str:
    if len(password) < SHORTEST_PASSWORD:
        raise UsageError(
            f"a password has at least {SHORTEST_PASSWORD} characters; this one has {len(password)}"
        )
    with _hashing:
        return _hasher.hash(_bytes(password))


def _fits(hashed: str, password: str) -> bool:
    try:
        with _hashing:
            return _hasher.verify(hashed, _bytes(password))
    except VerifyMismatchError:
        return False


@cache
def _hash_of_nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(32))
