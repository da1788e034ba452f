"""A small reverse proxy, which speaks HTTP/1.1 with one request a connection, and passes sockets through."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import parse_headers
from io import BytesIO
from urllib.parse import urlsplit


@contextmanager
def proxied(url: str, *, prefix: str, keeps: bool) -> Iterator[str]:
    """Show a server under a path.

    Args:
        url: Its address.
        prefix: The path, as `/mmrad`; what lies outside is answered with 404.
        keeps: Whether the path stays in what the server is asked for.

    Yields:
        Address of the proxy.
    """
    server = urlsplit(url)
    assert server.hostname and server.port
    target = (server.hostname, server.port)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client = listening.accept()[0]
                    threading.Thread(target=_pass, args=(client, target, prefix, keeps), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


def _pass(client: socket.socket, target: tuple[str, int], prefix: str, keeps: bool) -> None:
    """Pass one request on, and everything that follows, in both directions."""
    with client, contextlib.suppress(OSError):
        head, _, rest = _head(client).partition(b"\r\n\r\n")
        line, _, fields = head.partition(b"\r\n")
        method, path, version = line.decode("latin-1").split(" ")
        if not path.startswith(f"{prefix}/"):
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        path = path if keeps else path.removeprefix(prefix)
        headers = parse_headers(BytesIO(fields + b"\r\n\r\n"))
        if "Upgrade" not in headers:
            del headers["Connection"]
            headers["Connection"] = "close"
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with socket.create_connection(target) as server:
            server.sendall(f"{method} {path} {version}\r\n{told}\r\n".encode("latin-1") + rest)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            _copy(client, server)
            back.join()


def _head(client: socket.socket) -> bytes:
    """What a client sends, at least until the end of its headers."""
    found = b""
    while b"\r\n\r\n" not in found:
        piece = client.recv(65536)
        if not piece:
            raise ConnectionResetError("the client went away")
        found += piece
    return found


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes until it ends."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
