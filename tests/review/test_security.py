"""What every request and answer goes through, each piece by itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from mmrad.errors import UsageError
from mmrad.review.access import COOKIE, Access, is_loopback, session_of
from mmrad.review.log import PlainFormatter
from mmrad.review.records import Role, User
from mmrad.review.server.guard import Guard
from mmrad.review.server.login import Tries, _local
from mmrad.review.server.security import Errors, Headers, Prefix
from mmrad.review.store.store import Store

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store(f"sqlite:///{tmp_path_factory.mktemp('database') / 'review.sqlite3'}")
    for name, role in (("root", Role.ADMIN), ("ann", Role.ANNOTATOR), ("eve", Role.VIEWER)):
        opened.add_user(name, PASSWORD, role)
    yield opened
    opened.close()


async def echo(request: Request) -> Response:
    person = session_of(request.scope).user
    return JSONResponse({"person": person.name, "path": request.url.path, "root": request.scope["root_path"]})


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(session_of(websocket.scope).user.name)
    await websocket.close()


async def repeat(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as end:
        await websocket.close(end.code)


def guarded(access: Access, prefix: str = "") -> ASGIApp:
    paths = ("/", "/api/reviews", "/api/queues/{key}/next", "/_nicegui_ws/socket.io/")
    routes = [Route(path, echo, methods=["GET", "POST"]) for path in paths]
    app = Starlette(routes=[*routes, WebSocketRoute("/_nicegui_ws/socket", socket)])
    app.router.routes.append(WebSocketRoute("/_nicegui_ws/repeat", repeat))
    return Prefix(Headers(Errors(Guard(app, access))), prefix)


@pytest.fixture
def local() -> TestClient:
    access = Access(None, User("local", Role.ADMIN), exposed=False)
    return TestClient(guarded(access), base_url="http://127.0.0.1:8420")


def client_of(store: Store, name: str, *, exposed: bool = True, prefix: str = "") -> tuple[TestClient, str]:
    """Somebody who has logged in, and the secret for changes."""
    access = Access(store, User("local", Role.ADMIN), exposed=exposed)
    user = next(user for user in store.users() if user.name == name)
    token, session = store.open_session(user)
    base = "https://mmrad.example" if exposed else "http://localhost:8420"
    client = TestClient(guarded(access, prefix), base_url=base, cookies={COOKIE: token})
    return client, session.csrf


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("LocalHost.", True), ("", False), ("0.0.0.0", False), ("192.168.1.5", False), ("::", False),
        ("localhost.evil.example", False), ("127.0.0.1.evil.example", False), ("evil.example", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine(host: str, own: bool) -> None:
    assert is_loopback(host) is own


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8420", 200), ("localhost", 200), ("[::1]:99", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example:8420", 421), ("evil.example:127", 421), ("user@127.0.0.1", 421), ("", 421),
        ("[::1", 421), ("192.168.1.5:8420", 421),
    ],
)  # fmt: skip
def test_names_that_others_gave_this_machine_are_refused(local: TestClient, host: str, status: int) -> None:
    assert local.get("/", headers={"Host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "admitted"),
    [
        ({}, True),  # no browser
        ({"Origin": "http://127.0.0.1:8420"}, True),
        ({"Origin": "http://127.0.0.1:8420", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://127.0.0.1:8421"}, False),
        ({"Origin": "https://127.0.0.1:8420"}, False),
        ({"Origin": "http://localhost:8420"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:x"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        # A link may be followed from anywhere, a form or a frame not.
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, None),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, False),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}, True),
    ],
)
def test_other_sites_can_ask_for_nothing(
    local: TestClient, headers: dict[str, str], admitted: bool | None
) -> None:
    """None: only a link, which is a GET."""
    assert (local.get("/", headers=headers).status_code == 200) is (admitted is not False)
    answer = local.post("/_nicegui_ws/socket.io/", headers={"Origin": "http://127.0.0.1:8420", **headers})
    assert (answer.status_code == 200) is bool(admitted)


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_sockets_are_for_own_pages(local: TestClient, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    with pytest.raises(WebSocketDisconnect), local.websocket_connect("/_nicegui_ws/socket", headers=headers):
        pass
    assert local.post("/_nicegui_ws/socket.io/", headers=headers).status_code == 403
    own = {"Origin": "http://testserver", "Host": "testserver"}
    with pytest.raises(WebSocketDisconnect), local.websocket_connect("/_nicegui_ws/socket", headers=own):
        pass  # its own, but under a name that is not this machine's


def test_a_socket_of_an_own_page(local: TestClient) -> None:
    own = {"Origin": "http://127.0.0.1:8420", "Host": "127.0.0.1:8420"}
    with local.websocket_connect("/_nicegui_ws/socket", headers=own) as opened:
        assert opened.receive_text() == "local"


def test_sockets_need_a_session(store: Store) -> None:
    client, _ = client_of(store, "eve")
    own = {"Origin": "https://mmrad.example", "Host": "mmrad.example"}
    address = "wss://mmrad.example/_nicegui_ws/socket"
    with client.websocket_connect(address, headers=own) as opened:
        assert opened.receive_text() == "eve"
    client.cookies.clear()
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(address, headers=own):
        pass


def test_an_open_socket_ends_with_its_session(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrad.review.server.guard._AGE", -1.0)
    client, _ = client_of(store, "eve")
    own = {"Origin": "https://mmrad.example", "Host": "mmrad.example"}
    with client.websocket_connect("wss://mmrad.example/_nicegui_ws/repeat", headers=own) as opened:
        opened.send_text("one")
        assert opened.receive_text() == "one"
        store.close_session(client.cookies[COOKIE])
        opened.send_text("two")
        with pytest.raises(WebSocketDisconnect) as end:
            opened.receive_text()
    assert end.value.code == 1008


JSON = {"Content-Type": "application/json"}


def test_changes_need_role_json_and_secret(store: Store) -> None:
    client, csrf = client_of(store, "ann")
    good = {**JSON, "X-CSRF-Token": csrf}
    assert client.post("/api/reviews", headers=good).json()["person"] == "ann"
    assert client.post("/api/reviews", headers=JSON).status_code == 403
    odd = {**good, "X-CSRF-Token": f"{csrf}é".encode("latin-1")}
    assert client.post("/api/reviews", headers=odd).status_code == 403
    assert client.post("/api/reviews", headers={"X-CSRF-Token": csrf}).status_code == 415
    form = {**good, "Content-Type": "text/plain; application/json"}
    assert client.post("/api/reviews", headers=form).status_code == 415
    viewer, csrf = client_of(store, "eve")
    assert viewer.post("/api/reviews", headers={**JSON, "X-CSRF-Token": csrf}).status_code == 403
    assert viewer.get("/").json()["person"] == "eve"
    leasing = "/api/queues/q/next"
    assert (viewer.get(leasing).status_code, client.get(leasing).status_code) == (403, 200)
    other = client_of(store, "root")[1]
    assert client.post("/api/reviews", headers={**JSON, "X-CSRF-Token": other}).status_code == 403


def test_without_a_session_programs_are_told_and_people_led_to_the_login(store: Store) -> None:
    client, _ = client_of(store, "ann", prefix="/mmrad")
    client.cookies.clear()
    assert client.get("/api/sample?id=1").json() == {"error": "log in first"}
    page = client.get("/explore?a=b&c=d", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (page.status_code, page.headers["Location"]) == (
        303,
        "/mmrad/login?next=%2Fexplore%3Fa%3Db%26c%3Dd",
    )
    assert client.post("/", headers={"Accept": "text/html"}).status_code == 401
    client.cookies.set(COOKIE, "made-up")
    assert client.get("/").status_code == 401


def test_a_session_that_ended_is_soon_noticed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    client, csrf = client_of(store, "ann")
    assert client.get("/").status_code == 200
    store.close_session(client.cookies[COOKIE])
    # Reading is believed for some seconds, changing is not.
    assert client.get("/").status_code == 200
    assert client.post("/api/reviews", headers={**JSON, "X-CSRF-Token": csrf}).status_code == 401
    assert client.get("/").status_code == 401


def test_roles_count_as_the_database_has_them_now(store: Store) -> None:
    client, csrf = client_of(store, "ann")
    store.set_role("ann", Role.VIEWER)
    try:
        assert client.post("/api/reviews", headers={**JSON, "X-CSRF-Token": csrf}).status_code == 403
    finally:
        store.set_role("ann", Role.ANNOTATOR)


def test_nobody_is_exposed_without_accounts(store: Store, tmp_path: Path) -> None:
    local = User("local", Role.ADMIN)
    with pytest.raises(UsageError, match="mmrad accounts add"):
        Access(None, local, exposed=True)
    empty = Store(f"sqlite:///{tmp_path / 'review.sqlite3'}")
    try:
        empty.add_user("ann", PASSWORD, Role.ANNOTATOR)
        with pytest.raises(UsageError, match="mmrad accounts add"):
            Access(empty, local, exposed=True)
        assert not Access(empty, local, exposed=False).accounts
        empty.add_user("root", PASSWORD, Role.ADMIN)
        assert Access(empty, local, exposed=True).accounts
        # Other people may use this machine too.
        assert Access(empty, local, exposed=False).accounts
        empty.set_active("root", False)
        with pytest.raises(UsageError, match="mmrad accounts add"):
            Access(empty, local, exposed=True)
    finally:
        empty.close()


@pytest.mark.parametrize("path", ["/mmrad/", "/", "/mmrad"])
def test_a_prefix_may_stay_in_the_path_or_not(store: Store, path: str) -> None:
    client, _ = client_of(store, "ann", prefix="/mmrad")
    found = client.get(path, headers={"X-Forwarded-Prefix": "/evil"}).json()
    assert (found["path"], found["root"]) == ("/mmrad/", "/mmrad")
    assert client.get("/mmradx").status_code == 404


def test_a_forwarded_prefix_is_not_believed() -> None:
    seen: list[bytes] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(name for name, _ in scope["headers"])
        await PlainTextResponse("")(scope, receive, send)

    TestClient(Prefix(app, "")).get("/", headers={"X-Forwarded-Prefix": "/evil", "X-Other": "1"})
    assert b"x-forwarded-prefix" not in seen and b"x-other" in seen


def test_headers_of_every_answer(store: Store) -> None:
    client, _ = client_of(store, "ann")
    for path in ("/", "/nothing", "/api/queues/a/next"):
        headers = client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Strict-Transport-Security"] == "max-age=31536000"
        assert headers["Cache-Control"] == "no-store"
    plain, _ = client_of(store, "ann", exposed=False)
    assert "Strict-Transport-Security" not in plain.get("/").headers


def test_errors_tell_a_number_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    secret = "the label of a customer"

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise RuntimeError(secret) from error

    with caplog.at_level(logging.ERROR):
        answer = TestClient(Errors(broken)).get("/")
    assert answer.status_code == 500
    assert secret not in answer.text
    [record] = caplog.records
    record.exc_text = None  # pytest's own formatter leaves it
    logged = PlainFormatter("%(message)s").format(record)
    assert secret not in logged
    assert "KeyError" in logged and "RuntimeError" in logged and "test_security.py" in logged
    assert record.getMessage().removeprefix("error ") in answer.json()["error"]
    itself = logging.LogRecord("nicegui", logging.ERROR, "", 1, RuntimeError(secret), (), None)
    assert PlainFormatter("%(message)s").format(itself) == "RuntimeError"


@pytest.mark.parametrize(
    ("address", "led_to"),
    [
        ("/explore?source=a", "/explore?source=a"), ("/", "/"), ("", "/"), ("explore", "/"),
        ("//evil.example", "/"), ("https://evil.example/", "/"), ("/\\evil.example", "/"),
        ("/\tx", "/"), ("\n//evil.example", "/"), ("///evil.example", "/"), ("javascript:alert(1)", "/"),
    ],
)  # fmt: skip
def test_a_login_leads_to_no_other_site(address: str, led_to: str) -> None:
    assert _local(address) == led_to


def test_wrong_passwords_are_counted_by_name_and_address() -> None:
    tries = Tries()
    for _ in range(10):
        assert tries.wait({"name": "ann", "address": "10.0.0.1"}) == 0
        tries.count({"name": "ann", "address": "10.0.0.1"})
    assert 0 < tries.wait({"name": "ann", "address": "10.0.0.2"}) <= 300
    assert tries.wait({"name": "bob", "address": "10.0.0.1"}) == 0
    for number in range(20):
        tries.count({"name": f"name{number}", "address": "10.0.0.1"})
    assert 0 < tries.wait({"name": "bob", "address": "10.0.0.1"}) <= 300
    assert tries.wait({"name": "bob", "address": "10.0.0.2"}) == 0
