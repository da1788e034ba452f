"""Serving the application until it is told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp

from mmrad.errors import UsageError
from mmrad.review.application import Options
from mmrad.review.log import PlainFormatter
from mmrad.review.server.security import MAX_BODY

_PATIENCE = 5
"""Seconds that open connections have to end."""


def serve(app: ASGIApp, options: Options, *, tell: Callable[[str], None], browse: bool = False) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        app: The application.
        options: How it is served.
        tell: Told the address once requests are answered.
        browse: Whether to open the address in a browser.

    Raises:
        UsageError: When the address cannot be listened on.
        KeyboardInterrupt: After Ctrl-C, when everything is closed.
    """
    _log_plainly()
    with _listen(options) as listening:
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=options.behind_proxy,
            ws_max_size=MAX_BODY,
            timeout_graceful_shutdown=_PATIENCE,
            lifespan="on",
        )
        address = f"http://{_shown(options.host)}:{listening.getsockname()[1]}{options.prefix}/"
        signal.signal(signal.SIGTERM, _ignore)  # uvicorn ends in peace and then raises the signal again
        _Server(config, address, tell, browse).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Tells its address when it answers."""

    def __init__(
        self, config: uvicorn.Config, address: str, tell: Callable[[str], None], browse: bool
    ) -> None:
        super().__init__(config)
        self._address, self._tell, self._browse = address, tell, browse

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._tell(f"{self._address}  (Ctrl-C ends it)")
            if self._browse:
                webbrowser.open(self._address)


def _ignore(number: int, frame: object) -> None:
    """Do nothing."""


def _listen(options: Options) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        return socket.create_server((options.host, options.port), family=family, backlog=2048)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {options.host}:{options.port} ({error.strerror or error}); try another --port"
        ) from error


def _shown(host: str) -> str:
    """A host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _log_plainly() -> None:
    """Log warnings and errors to standard error, without what errors say: it may be somebody's data."""
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("nicegui").setLevel(logging.ERROR)  # its warnings hold addresses that people asked for
