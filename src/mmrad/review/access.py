"""Who asks: the session behind a request."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from starlette.requests import HTTPConnection

from mmrad.errors import UsageError
from mmrad.review.records import Role, Session, User
from mmrad.review.store.store import Store

COOKIE = "mmrad_session"
SCOPE_KEY = "mmrad.session"
"""Where the guard leaves the session of a request in its ASGI scope."""

_AGE = 5.0
"""For so many seconds a session is believed without asking the database, where nothing is changed."""

_MOST = 1000

Scope = Mapping[str, Any]


def is_loopback(host: str) -> bool:
    """Whether an address, or a name without port, is one of this machine alone."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def session_of(scope: Scope) -> Session:
    """The session of a request that the guard has let through."""
    session = scope[SCOPE_KEY]
    assert isinstance(session, Session)
    return session


def token_of(scope: Scope) -> str:
    """The secret of a session that a request carries; empty without one."""
    return HTTPConnection(dict(scope)).cookies.get(COOKIE, "")


class Access:
    """Finds the session of a request.

    Without accounts, everybody who reaches this machine's own address is the person who started the
    application. Beyond that address accounts are needed; where there are any, they are needed on this
    machine as well, as others may use it too.

    Args:
        store: The database, or None to look only.
        local: Who works without accounts.
        exposed: Whether other machines reach the application.

    Attributes:
        accounts: Whether people have to log in.
        exposed: As given.

    Raises:
        UsageError: When the application is exposed and nobody could log in.
    """

    def __init__(self, store: Store | None, local: User, *, exposed: bool) -> None:
        admins = [user for user in store.users() if user.active and user.role is Role.ADMIN] if store else []
        if exposed and not admins:
            raise UsageError(
                "other machines could reach this, and there is no active account of an admin: run  "
                "mmrad accounts add CORPUS NAME --role admin  first (docs/deploy.md)"
            )
        self._store = store
        self.accounts = bool(admins)
        self.exposed = exposed
        self._local = Session(local, secrets.token_urlsafe(32))
        self._recent: dict[str, tuple[float, Session]] = {}
        self._lock = threading.Lock()

    def session(self, scope: Scope) -> Session | None:
        """The session of a request as the database has it now."""
        if not self.accounts:
            return self._local
        assert self._store is not None
        token = token_of(scope)
        session = self._store.session(token) if token else None
        with self._lock:
            self._recent.pop(_key(token), None)
            if session is not None:
                self._recent = self._recent if len(self._recent) < _MOST else {}
                self._recent[_key(token)] = (time.monotonic(), session)
        return session

    def recent_session(self, scope: Scope) -> Session | None:
        """The session of a request if the database had it in the last seconds; None says nothing."""
        if not self.accounts:
            return self._local
        found = self._recent.get(_key(token_of(scope)))
        return found[1] if found and time.monotonic() - found[0] < _AGE else None

    def close(self, scope: Scope) -> None:
        """End the session of a request."""
        if self.accounts and self._store is not None:
            token = token_of(scope)
            self._store.close_session(token)
            with self._lock:
                self._recent.pop(_key(token), None)


def _key(token: str) -> str:
    """What stands for a token in memory."""
    return hashlib.sha256(token.encode()).hexdigest()
