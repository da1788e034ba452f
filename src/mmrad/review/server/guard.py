"""Who is let in: every request goes through here, whether its route thinks of it or not."""

from __future__ import annotations

import re
import secrets
import time
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmrad.review.access import SCOPE_KEY, Access, is_loopback
from mmrad.review.records import Role, Session
from mmrad.review.server.security import LIBRARIES, path_in

LOGIN, LOGOUT = "/login", "/logout"
SOCKET = "/_nicegui_ws/"

_READING = ("GET", "HEAD")
_AGE = 30.0
"""After so many seconds the session of an open socket is looked up again."""

_LEASING = "/api/queues/"
"""Reading this takes samples for oneself."""

_HOST = re.compile(r"(\[[\da-fA-F:.]+\]|[\w.-]+)(?::(\d{1,5}))?", re.ASCII)
_PORTS = {"http": 80, "https": 443}


class Refused(Exception):  # noqa: N818 - an answer more than an error
    """A request is not let in.

    Attributes:
        response: What is answered.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.response: Response = JSONResponse({"error": reason}, status)


class Guard:
    """Lets in what may come in, and leaves its session in the scope.

    Args:
        app: The application.
        access: Finds sessions.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            session = await self._admit(scope)
        except Refused as refused:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await refused.response(scope, receive, send)
            return
        if scope["type"] == "websocket":
            receive = self._while_logged_in(scope, receive)
        await self.app({**scope, SCOPE_KEY: session}, receive, send)

    async def _admit(self, scope: Scope) -> Session | None:
        """The session of a request; None for what needs none.

        Raises:
            Refused: When it is not let in.
        """
        headers = Headers(scope=scope)
        if not self.access.exposed:
            _check_host(headers)
        _check_origin(scope, headers)
        path = path_in(scope)
        if path.startswith(LIBRARIES) or path == "/favicon.ico" or (path == LOGIN and self.access.accounts):
            return None
        reading = scope["type"] == "http" and scope["method"] in _READING
        session = self.access.recent_session(scope) if reading else None
        session = session or await run_in_threadpool(self.access.session, scope)
        if session is None:
            raise _login_first(scope, headers)
        if not reading and not path.startswith(SOCKET) and path != LOGOUT:
            _check_change(session, headers)
        if path.startswith(_LEASING) and not session.user.role.allows(Role.ANNOTATOR):
            raise Refused(403, "viewers cannot review")
        return session

    def _while_logged_in(self, scope: Scope, receive: Receive) -> Receive:
        """Messages of a socket until its session ends."""
        checked = time.monotonic()

        async def receive_if_logged_in() -> Message:
            nonlocal checked
            message = await receive()
            if time.monotonic() - checked > _AGE:
                if await run_in_threadpool(self.access.session, scope) is None:
                    return {"type": "websocket.disconnect", "code": 1008}
                checked = time.monotonic()
            return message

        return receive_if_logged_in


def _check_host(headers: Headers) -> None:
    """Refuse names of this machine that somebody else gave it: another site's name may lead here."""
    host = _HOST.fullmatch(headers.get("host", ""))
    if host is None or not is_loopback(host[1]):
        raise Refused(421, "open this by the address that was printed when it was started")


def _check_origin(scope: Scope, headers: Headers) -> None:
    """Refuse what another site asks for in a visitor's name; links that lead here are no harm."""
    socket = scope["type"] == "websocket" or path_in(scope).startswith(SOCKET)
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and not _is_own(origin, scope, headers):
        raise Refused(403, "another site cannot ask for this")
    if socket and origin is None and scope.get("method") != "GET":
        raise Refused(403, "sockets are for the application's own pages")
    followed = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    if site in (None, "same-origin", "none") or (scope.get("method") == "GET" and followed):
        return
    raise Refused(403, "another site cannot ask for this")


def _is_own(origin: str, scope: Scope, headers: Headers) -> bool:
    """Whether an origin, as `https://host:port`, is the one that was asked."""
    scheme, _, host = origin.partition("://")
    ours = scope["scheme"].replace("ws", "http")
    asked = _with_port(headers.get("host", ""), ours)
    return asked is not None and scheme == ours and _with_port(host, scheme) == asked


def _with_port(host: str, scheme: str) -> tuple[str, int] | None:
    """A host and its port, where none is said that of the scheme."""
    found = _HOST.fullmatch(host)
    return (found[1].lower(), int(found[2] or _PORTS[scheme])) if found else None


def _check_change(session: Session, headers: Headers) -> None:
    """Refuse changes by those who may only look, and those that no page of ours has sent."""
    if not session.user.role.allows(Role.ANNOTATOR):
        raise Refused(403, "viewers cannot change anything")
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise Refused(415, "send JSON, with Content-Type: application/json")
    if not secrets.compare_digest(headers.get("x-csrf-token", "").encode(), session.csrf.encode()):
        raise Refused(403, "this page is too old: load it again")


def _login_first(scope: Scope, headers: Headers) -> Refused:
    """Browsers are led to the login, programs are told."""
    refused = Refused(401, "log in first")
    if scope.get("method") == "GET" and "text/html" in headers.get("accept", ""):
        query = scope["query_string"].decode("latin-1")
        wanted = path_in(scope) + (f"?{query}" if query else "")
        address = f"{scope['root_path']}{LOGIN}?next={quote(wanted, safe='')}"
        refused.response = RedirectResponse(address, 303)
    return refused
