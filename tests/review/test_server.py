"""A real `mmrad review`: who gets in, what survives a kill, how it ends, a prefix behind a proxy."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page

from browser import needs_browser
from builders import make_corpus
from mmrad.corpus import Corpus
from mmrad.review.criteria import Criteria
from mmrad.review.store import Store
from postgres import KINDS, fresh_database
from proxies import proxied
from served import PASSWORD, Served, Visitor, add_people, served

SAMPLE = "made/part/test/001"


@pytest.fixture(scope="module")
def peopled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus with accounts."""
    folder = tmp_path_factory.mktemp("peopled") / "corpus"
    make_corpus(folder, 4)
    add_people(folder)
    return folder


@pytest.fixture(scope="module")
def office(peopled: Path) -> Iterator[Served]:
    """Its application on this machine, where people log in as there are accounts."""
    with served(peopled) as running:
        yield running


def decision(sample_id: str = SAMPLE, **changes: Any) -> dict[str, Any]:
    found = {"sample_id": sample_id, "seen": 0, "outcome": "unsure", "seconds": 1.0}
    return {"id": str(uuid.uuid4()), **found, **changes}


def test_logging_in_and_out(office: Served) -> None:
    with Visitor(office.url) as ann:
        assert (
            ann.get("explore", headers={"Accept": "text/html"}).headers["Location"]
            == "/login?next=%2Fexplore"
        )
        page = ann.get("login")
        assert "script" not in page.text.lower()
        assert re.search(r"style-src 'nonce-[\w-]+'", page.headers["Content-Security-Policy"])
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        entered = ann.log_in("ann", next_="/explore?source=made")
        assert (entered.status_code, entered.headers["Location"]) == (303, "/explore?source=made")
        [cookie] = [c for c in entered.headers.get_list("Set-Cookie") if c.startswith("mmrad_session=")]
        assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
        assert "Secure" not in cookie  # this machine's own address has no TLS
        session = ann.get("api/session").json()
        assert session["person"] == {"name": "ann", "role": "annotator"}
        token = ann.cookies["mmrad_session"]
        assert ann.post("logout", data={"csrf": "wrong"}).status_code == 403
        left = ann.post("logout", data={"csrf": session["csrf"]})
        assert (left.status_code, left.headers["Location"]) == (303, "/login")
        assert "mmrad_session" not in ann.cookies
        ann.cookies.set("mmrad_session", token)
        assert ann.get("api/session").status_code == 401


def test_a_login_tells_nothing_of_names(office: Served) -> None:
    with Visitor(office.url) as visitor:
        wrong = [visitor.log_in(name, "wrong password") for name in ("bob", "nobody", "<script>", "\x00", "")]
        assert {answer.status_code for answer in wrong} == {401}
        texts = {re.sub(r'value="[^"]*"', "", answer.text) for answer in wrong[:2]}
        plain = {re.sub(r"nonce(-|=\")[\w-]+", "", text) for text in texts}
        assert len(plain) == 1 and "Name or password is wrong." in plain.pop()
        assert "<script>" not in wrong[2].text
        assert "mmrad_session" not in visitor.cookies


def test_a_form_of_another_site_does_not_log_in(office: Served) -> None:
    fields = {"name": "ann", "password": PASSWORD, "next": "/"}
    assert httpx.post(f"{office.url}/login", data={**fields, "token": "made-up"}).status_code == 403
    cookie = {"mmrad_login": "known"}
    own = httpx.post(f"{office.url}/login", data={**fields, "token": "known"}, cookies=cookie)
    assert own.status_code == 303
    foreign = {"Origin": "http://evil.example"}
    refused = httpx.post(
        f"{office.url}/login", data={**fields, "token": "known"}, cookies=cookie, headers=foreign
    )
    assert refused.status_code == 403


def test_guessing_is_slowed_down(office: Served) -> None:
    with Visitor(office.url) as visitor:
        answers = [visitor.log_in("joe", f"guess number {number}") for number in range(11)]
        assert [answer.status_code for answer in answers] == [401] * 10 + [429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
        assert "Too many wrong passwords" in answers[-1].text
        assert visitor.log_in("joe").status_code == 429  # even with the right one
        assert visitor.log_in("Joe").status_code == 429
        assert visitor.log_in("ann").status_code == 303  # others are not kept out
    assert PASSWORD not in office.log() and "guess" not in office.log()


ROUTES = """
import json, sys
from pathlib import Path
from mmrad.corpus import Corpus
from mmrad.review.application import Application
from mmrad.review.server.app import create_app
from mmrad.review.store.store import Store
folder = Path(sys.argv[1])
app = create_app(Application(Corpus(folder), Store(f"sqlite:///{folder / 'review.sqlite3'}")))
found = []
while hasattr(app, "app"):
    app = app.app
def walk(routes, before):
    for route in routes:
        inner = getattr(getattr(route, "original_router", route), "routes", None)
        path = before + getattr(route, "path", "").rstrip("/")
        if inner:
            walk(inner, path)
        else:
            found.append([path or "/", sorted(getattr(route, "methods", None) or ["GET", "POST"])])
walk(app.routes, "")
print(json.dumps(found))
"""

PUBLIC = re.compile(
    r"/login|/favicon\.ico|/_nicegui/[\d.]+/(static|libraries|components|resources|esm)(/.*)?"
)


@pytest.fixture(scope="module")
def routes(peopled: Path) -> list[tuple[str, list[str]]]:
    """Every route of the application, NiceGUI's included."""
    script = [sys.executable, "-c", ROUTES, str(peopled)]
    done = subprocess.run(script, check=True, capture_output=True, text=True)
    return [(path, methods) for path, methods in json.loads(done.stdout)]


def test_every_route_needs_a_session(office: Served, routes: list[tuple[str, list[str]]]) -> None:
    assert {"/api/reviews", "/image", "/explore", "/logout", "/people"} <= {path for path, _ in routes}
    with httpx.Client(base_url=office.url) as stranger:
        for path, methods in routes:
            address = re.sub(r"\{[^}]*\}", "x", path)
            answers = {method: stranger.request(method, address).status_code for method in methods}
            if not PUBLIC.fullmatch(path):
                assert set(answers.values()) == {401}, (path, answers)
        page = stranger.get("/explore", headers={"Accept": "text/html"})
        assert page.status_code == 303


def test_no_route_lets_a_viewer_change_anything(office: Served, routes: list[tuple[str, list[str]]]) -> None:
    with Visitor(office.url, "eve") as eve:
        for path, methods in routes:
            if PUBLIC.fullmatch(path) or path == "/logout" or path.startswith("/_nicegui_ws"):
                continue
            address = re.sub(r"\{[^}]*\}", "x", path).lstrip("/")
            for method in {"POST", "PUT", "PATCH", "DELETE"} & set(methods):
                headers = {"X-CSRF-Token": eve.csrf, "Content-Type": "application/json"}
                assert eve.request(method, address, headers=headers, content="{}").status_code == 403, path
        assert eve.get("api/sample", params={"id": SAMPLE}).status_code == 200
        assert eve.get("image", params={"id": SAMPLE}).status_code == 200
        assert eve.get("api/queues/any/next").status_code == 403
        assert eve.get("api/sample", params={"id": SAMPLE, "adjudicate": 1}).status_code == 403
        assert eve.change("api/reviews", decision()).status_code == 403


def test_changes_need_the_secret_of_the_session(office: Served) -> None:
    with Visitor(office.url, "ann") as ann, Visitor(office.url, "bob") as bob:
        sent = decision("made/part/test/000")
        assert ann.post("api/reviews", json=sent).status_code == 403
        assert ann.change("api/reviews", sent, **{"X-CSRF-Token": bob.csrf}).status_code == 403
        assert ann.change("api/reviews", sent, Origin="http://evil.example").status_code == 403
        assert ann.change("api/reviews", sent, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert ann.change("api/reviews", sent, **{"Content-Type": "text/plain"}).status_code == 415
        assert ann.change("api/reviews", sent).status_code == 200
        # Another person cannot take the number of a decision for their own.
        assert bob.change("api/reviews", {**sent, "outcome": "keep"}).status_code == 400


def test_sockets_are_refused_to_strangers_and_other_sites(office: Served) -> None:
    address = f"{office.url}/_nicegui_ws/socket.io/?EIO=4&transport="
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }  # fmt: skip
    own, foreign = {"Origin": office.url}, {"Origin": "http://evil.example"}
    assert httpx.get(f"{address}polling").status_code == 401
    assert httpx.get(f"{address}websocket", headers={**upgrade, **own}).status_code == 403
    with Visitor(office.url, "ann") as ann:
        cookies = {"mmrad_session": ann.cookies["mmrad_session"]}
    for headers in ({}, foreign, {"Origin": "null"}):
        answer = httpx.get(f"{address}websocket", headers={**upgrade, **headers}, cookies=cookies)
        assert answer.status_code == 403
    assert httpx.get(f"{address}polling", headers=foreign, cookies=cookies).status_code == 403
    assert httpx.post(f"{address}polling", cookies=cookies, content="40").status_code == 403
    with httpx.stream("GET", f"{address}websocket", headers={**upgrade, **own}, cookies=cookies) as opened:
        assert opened.status_code == 101


def test_other_names_of_this_machine_are_refused(server: Served) -> None:
    assert httpx.get(f"{server.url}/api/session", headers={"Host": "evil.example"}).status_code == 421
    assert httpx.get(f"{server.url}/api/session").json()["person"] == {"name": "ann", "role": "admin"}


def test_answers_do_not_name_the_server(server: Served) -> None:
    for path in ("/", "/api/session", "/nothing", "/_nicegui/x"):
        assert "Server" not in httpx.get(server.url + path).headers


def test_scripts_of_pages_carry_the_number_of_their_answer(server: Served) -> None:
    first, second = (httpx.get(f"{server.url}/explore") for _ in range(2))
    policy = first.headers["Content-Security-Policy"]
    found = re.search(r"script-src 'self' 'nonce-([\w-]+)' 'unsafe-eval'", policy)
    assert found and found[1] not in second.headers["Content-Security-Policy"]
    scripts = re.findall(r"<script[^>]*>", first.text)
    assert len(scripts) > 5
    assert all(f'nonce="{found[1]}"' in script for script in scripts)
    library = re.search(r"/_nicegui/[\d.]+/static/nicegui\.js", first.text)
    assert library
    assert "immutable" in httpx.get(server.url + library[0]).headers["Cache-Control"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_decision_survives_a_kill(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    make_corpus(folder, 2)
    database = ("--database", fresh_database(kind, tmp_path))
    with served(folder, "--reviewer", "ann", *database) as running, Visitor(running.url) as ann:
        sent = decision(outcome="drop", reason="blurred")
        assert ann.change("api/reviews", sent).status_code == 200
        running.kill()
    [review] = Corpus(folder).reviews[SAMPLE]
    assert (review.id, review.outcome) == (sent["id"], "drop")
    with served(folder, "--reviewer", "bob", *database) as running, Visitor(running.url) as bob:
        told = bob.get("api/sample", params={"id": SAMPLE}).json()
        assert (told["status"], told["seen"]) == ("drop", 1)
        assert told["history"][0]["reviewer"] == "ann"
        assert running.stop(signal.SIGINT) == 130
    assert "Traceback" not in running.log()
    assert "interrupted; what was done is kept" in running.log()
    assert not (folder / "review.sqlite3").exists()


@needs_browser
def test_an_open_page_does_not_keep_it_from_ending(tmp_path: Path, page: Page) -> None:
    make_corpus(tmp_path / "corpus", 2)
    with served(tmp_path / "corpus") as running:
        page.goto(running.url)
        page.get_by_role("heading", level=1).wait_for()
        assert running.stop(signal.SIGTERM) == 0
    assert "Traceback" not in running.log()


@needs_browser
def test_under_a_path_behind_a_proxy(tmp_path: Path, page: Page) -> None:
    make_corpus(tmp_path / "corpus", 2)
    refused: list[str] = []
    page.on("response", lambda answer: answer.status >= 400 and refused.append(answer.url))
    page.on("console", lambda message: message.type == "error" and refused.append(message.text))
    with served(tmp_path / "corpus", "--prefix", "/mmrad") as running:
        for keeps in (True, False):
            address = running.url.removesuffix("/mmrad")
            with proxied(address, prefix="/mmrad", keeps=keeps) as proxy:
                page.goto(f"{proxy}/mmrad/")
                page.get_by_role("link", name="Explore").click()
                page.wait_for_url(f"{proxy}/mmrad/explore")
                # The count comes by the socket or the JSON routes, the pictures by theirs.
                page.get_by_text("2 samples").first.wait_for()
                page.locator("img").first.wait_for()
                assert not refused
                page.goto("about:blank")


def test_beyond_this_machine(peopled: Path) -> None:
    with served(peopled, "--behind-proxy", "--prefix", "/mmrad") as running:
        plain = httpx.get(f"{running.url}/login")
        assert "without TLS" in plain.text and "password" not in re.findall(r"<input[^>]*>", plain.text)
        assert httpx.post(f"{running.url}/login", data={"name": "ann"}).status_code == 403
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7", "Host": "mmrad.example"}
        with httpx.Client(base_url=running.url, headers=headers) as visitor:
            page = visitor.get("login")
            assert page.headers["Strict-Transport-Security"]
            [cookie] = page.headers.get_list("Set-Cookie")
            assert {"Secure", "HttpOnly", "Path=/mmrad"} <= set(cookie.split("; "))
            token = cookie.partition("=")[2].partition(";")[0]
            fields = {"name": "ann", "password": PASSWORD, "token": token, "next": "//evil.example"}
            own = {"Cookie": f"mmrad_login={token}", "Origin": "https://mmrad.example"}
            plain_origin = {**own, "Origin": "http://mmrad.example"}
            assert visitor.post("login", data=fields, headers=plain_origin).status_code == 403
            entered = visitor.post("login", data=fields, headers=own)
            assert (entered.status_code, entered.headers["Location"]) == (303, "/mmrad/")
            [session] = [c for c in entered.headers.get_list("Set-Cookie") if c.startswith("mmrad_session")]
            assert {"Secure", "HttpOnly", "SameSite=lax", "Path=/mmrad"} <= set(session.split("; "))


def test_forwarded_headers_are_not_believed_without_a_proxy(office: Served) -> None:
    headers = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Host": "evil.example",
    }
    page = httpx.get(f"{office.url}/login", headers=headers)
    assert "Strict-Transport-Security" not in page.headers and "evil" not in page.text
    with Visitor(office.url, "ann") as ann:
        assert "evil" not in ann.get("explore", headers=headers).text


def test_a_queue_takes_decisions_on_its_own_samples_by_whom_they_are_for(
    peopled: Path, office: Served
) -> None:
    with closing(Store(f"sqlite:///{peopled / 'review.sqlite3'}")) as store:
        queue = store.add_queue("Two", Criteria(), ["made/part/test/002", "made/part/test/003"], by="root")
        store.assign(queue.key, "bob")
    mine = decision("made/part/test/002", queue=queue.key)
    with (
        Visitor(office.url, "ann") as ann,
        Visitor(office.url, "bob") as bob,
        Visitor(office.url, "root") as root,
    ):
        assert ann.change("api/reviews", decision("made/part/test/000", queue=queue.key)).status_code == 400
        refused = ann.change("api/reviews", mine)
        assert (refused.status_code, refused.json()["error"]) == (
            403,
            "the sample is assigned to somebody else",
        )
        assert bob.change("api/reviews", mine).status_code == 200
        # An admin may help out.
        assert root.change("api/reviews", decision("made/part/test/003", queue=queue.key)).status_code == 200
