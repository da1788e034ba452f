"""What every answer and every request goes through, whatever it is about.

Outermost first: `Prefix`, `Headers`, compression, `Errors`, and then `mmrad.review.server.guard.Guard`.
"""

from __future__ import annotations

import secrets
from typing import Any

import nicegui.client
from jinja2 import ChoiceLoader, DictLoader
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmrad.review.log import report

MAX_BODY = 1024 * 1024
"""Largest request, in bytes."""

NONCE = "mmrad.nonce"
"""Where the number used once of a response lies in its ASGI scope."""

_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
"""For NiceGUI's pages; Vue compiles templates in the browser, hence `unsafe-eval`."""

_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"
"""For pictures and JSON, should somebody open one by itself."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # without any referrer, browsers hide the origin of a form as well
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HSTS = "max-age=31536000"

LIBRARIES = tuple(
    f"/_nicegui/{nicegui.__version__}/{kind}/"
    for kind in ("static", "libraries", "components", "resources", "esm")
)
"""Files of packages: the same for everybody, with other addresses when they change."""

_FOREVER = "public, max-age=31536000, immutable"


class Headers:
    """Sends the headers that make a browser careful with an answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = scope[NONCE] = secrets.token_urlsafe(16)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                html = headers.get("content-type", "").startswith("text/html")
                policy = _PAGE_POLICY.format(nonce=nonce) if html else _DATA_POLICY
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Content-Security-Policy", policy)
                library = message["status"] == 200 and path_in(scope).startswith(LIBRARIES)
                # NiceGUI sets it as well, but not below a prefix.
                headers["Cache-Control"] = _FOREVER if library else headers.get("Cache-Control", "no-store")
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _HSTS
            await send(message)

        await self.app(scope, receive, send_with_headers)


class Errors:
    """Answers 500 with a number that stands in the log beside what happened, and tells nothing else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        started = False

        async def send_and_see(message: Message) -> None:
            nonlocal started
            started = started or message["type"] in ("http.response.start", "websocket.accept")
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        except Exception as error:
            if scope["type"] == "lifespan":
                raise
            number = report(error)
            if scope["type"] == "http" and not started:
                answer = {"error": f"this failed on the server; its log tells more about error {number}"}
                await JSONResponse(answer, 500)(scope, receive, send)


class Prefix:
    """Puts the application under a path, whether a proxy leaves the path in requests or takes it away.

    Args:
        app: The application.
        prefix: The path, as `/mmrad`, or empty.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if not f"{path}/".startswith(f"{self.prefix}/"):
            path = self.prefix + path
        elif path == self.prefix:
            path = f"{path}/"
        # NiceGUI believes this header, which anybody may send; the prefix is known here.
        headers = [(name, value) for name, value in scope["headers"] if name != b"x-forwarded-prefix"]
        await self.app({**scope, "path": path, "root_path": self.prefix, "headers": headers}, receive, send)


def path_in(scope: Scope) -> str:
    """The path of a request inside the application, without the prefix."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))


def add_nonces() -> None:
    """Let the scripts of NiceGUI's page carry the number that the policy asks for.

    It stands in the template, so that no script which came with data gets it.
    """
    environment: Any = nicegui.client.templates.env
    source, _, _ = environment.loader.get_source(environment, "index.html")
    marked = source.replace("<script", f"<script nonce=\"{{{{ request.scope['{NONCE}'] }}}}\"")
    environment.loader = ChoiceLoader([DictLoader({"index.html": marked}), environment.loader])
