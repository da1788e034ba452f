"""Logging in and out: a plain page without scripts."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from mmrad.review.access import COOKIE, session_of
from mmrad.review.application import Application
from mmrad.review.records import User
from mmrad.review.server.guard import LOGIN, LOGOUT
from mmrad.review.server.security import NONCE
from mmrad.review.store.accounts import SESSION_LIFETIME
from mmrad.review.store.store import Store

TRIES = {"name": RateLimitItemPerMinute(10, 5), "address": RateLimitItemPerMinute(30, 5)}
"""How many wrong passwords a name, and an address, may have in five minutes."""

_FORM_COOKIE = "mmrad_login"
_HASHING_AT_ONCE = 2
"""A hash takes much memory and a core; more of them at once would keep everybody else waiting."""

_POLICY = (
    "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_NO_TLS = (
    "This page came without TLS, and a password would go through the network in the clear. Open it by its "
    "https:// address. Who runs the server: the reverse proxy must send X-Forwarded-Proto, and mmrad must be "
    "started with --behind-proxy (docs/deploy.md)."
)
_TEMPLATE = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined
).get_template("login.html.j2")

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><rect width="16" height="16" rx="3" '
    'fill="#1f4e79"/><path d="M4 6V4h2M10 4h2v2M12 10v2h-2M6 12H4v-2" stroke="#fff" stroke-width="1.6" '
    'fill="none"/><circle cx="8" cy="8" r="1.6" fill="#ffb000"/></svg>'
)


class Tries:
    """Counts wrong passwords by name and by address."""

    def __init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def wait(self, who: Mapping[str, str]) -> int:
        """Seconds until somebody may try again; 0 for now."""
        ends = [
            self._limiter.get_window_stats(TRIES[kind], kind, value).reset_time
            for kind, value in who.items()
            if not self._limiter.test(TRIES[kind], kind, value)
        ]
        return max(1, math.ceil(max(ends) - time.time())) if ends else 0

    def count(self, who: Mapping[str, str]) -> None:
        """Remember a wrong password."""
        for kind, value in who.items():
            self._limiter.hit(TRIES[kind], kind, value)


class Login:
    """The routes of logging in and out.

    Args:
        application: The application.
        store: Its database.
    """

    def __init__(self, application: Application, store: Store) -> None:
        self._application = application
        self._store = store
        self._tries = Tries()
        self._hashing = CapacityLimiter(_HASHING_AT_ONCE)

    def routes(self) -> APIRouter:
        """The routes."""
        router = APIRouter()
        router.add_api_route(LOGIN, self.show, methods=["GET"])
        router.add_api_route(LOGIN, self.log_in, methods=["POST"])
        router.add_api_route(LOGOUT, self.log_out, methods=["POST"])
        return router

    async def show(self, request: Request, next: str = "/") -> Response:
        """The form."""
        return self._page(request, next=next)

    async def log_in(self, request: Request) -> Response:
        """Check name and password, and open a session."""
        form = await _form(request)
        name = "".join(filter(str.isprintable, form.get("name", ""))).strip()
        next_ = form.get("next", "/")
        if self._insecure(request):
            return self._page(request, status=403)
        token = request.cookies.get(_FORM_COOKIE, "")
        if not token or not secrets.compare_digest(token.encode(), form.get("token", "").encode()):
            return self._page(request, "This form was too old. Try again.", status=403, next=next_, name=name)
        who = {"name": name.casefold()[:100], "address": _address(request)}
        answer = await to_thread.run_sync(
            self._try, who, name, form.get("password", ""), limiter=self._hashing
        )
        if isinstance(answer, User):
            return await to_thread.run_sync(self._enter, answer, next_)
        if answer:
            problem = f"Too many wrong passwords. Try again in {math.ceil(answer / 60)} min."
            page = self._page(request, problem, status=429, next=next_, name=name)
            page.headers["Retry-After"] = str(answer)
            return page
        return self._page(request, "Name or password is wrong.", status=401, next=next_, name=name)

    async def log_out(self, request: Request) -> Response:
        """End the session."""
        sent = (await _form(request)).get("csrf", "")
        if not secrets.compare_digest(sent.encode(), session_of(request.scope).csrf.encode()):
            return JSONResponse({"error": "this page is too old: load it again"}, 403)
        await to_thread.run_sync(self._application.access.close, request.scope)
        response = RedirectResponse(self._application.url(LOGIN), 303)
        response.delete_cookie(COOKIE, path=self._cookie_path)
        return response

    def _try(self, who: Mapping[str, str], name: str, password: str) -> User | int:
        """The person, or seconds to wait until the next try, 0 for none."""
        if wait := self._tries.wait(who):
            return wait
        user = self._store.check_password(name, password)
        if user is None:
            self._tries.count(who)
            return 0
        return user

    def _enter(self, user: User, next_: str) -> Response:
        token, _ = self._store.open_session(user)
        response = RedirectResponse(self._application.url(_local(next_)), 303)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(SESSION_LIFETIME),
            path=self._cookie_path,
            secure=self._application.access.exposed,
            httponly=True,
            samesite="lax",  # a link in a mail leads to the page, not to the login
        )
        response.delete_cookie(_FORM_COOKIE, path=self._cookie_path)
        return response

    @property
    def _cookie_path(self) -> str:
        return self._application.options.prefix or "/"

    def _insecure(self, request: Request) -> bool:
        """Whether a password would go through a network in the clear."""
        return self._application.access.exposed and request.url.scheme != "https"

    def _page(
        self, request: Request, problem: str = "", *, status: int = 200, next: str = "/", name: str = ""
    ) -> Response:
        """The form, or why there is none."""
        nonce = request.scope[NONCE]
        form = not self._insecure(request)
        token = request.cookies.get(_FORM_COOKIE) or secrets.token_urlsafe(32)
        html = _TEMPLATE.render(
            nonce=nonce, problem=problem if form else _NO_TLS, form=form, token=token, next=_local(next),
            name=name[:100], action=self._application.url(LOGIN), favicon=FAVICON,
        )  # fmt: skip
        response = HTMLResponse(html, status, {"Content-Security-Policy": _POLICY.format(nonce=nonce)})
        if form:
            secure = self._application.access.exposed
            response.set_cookie(
                _FORM_COOKIE, token, path=self._cookie_path, secure=secure, httponly=True, samesite="lax"
            )
        return response


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent; empty when it was something else."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return dict(parse_qsl(body, keep_blank_values=True, max_num_fields=10))
    except ValueError:
        return {}


def _local(address: str) -> str:
    """An address of the application itself, whatever was asked for: no login leads to another site."""
    parts = urlsplit(address) if address.startswith("/") else urlsplit("/")
    plain = address.isprintable() and "\\" not in address and not address.startswith("//")
    return address if plain and not (parts.scheme or parts.netloc) and address.startswith("/") else "/"


def _address(request: Request) -> str:
    """Where a request comes from; in IPv6 one customer has a whole network."""
    host = request.client.host if request.client else ""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else host
