"""People, accounts and disputes, and what each role sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from accessible import violations
from browser import needs_browser
from mmrad.box import Box
from mmrad.corpus.reviews import Outcome, Review, read_reviews
from mmrad.review.criteria import Criteria
from mmrad.review.records import Role
from mmrad.review.store import Store
from mmrad.sample import Region, Sample
from reviewed import PART, TURNED, reviewed_corpus
from served import Served, served

pytestmark = needs_browser

PASSWORD = "a long enough password"
OTHER = Region(Box(20, 30, 120, 90), "scratch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus on which bob and cat agree twice and disagree twice, with an account for each role."""
    corpus = reviewed_corpus(tmp_path_factory.mktemp("people") / "corpus", 12)
    store = Store(f"sqlite:///{corpus.path / 'review.sqlite3'}")
    for name, role in (("ann", Role.ADMIN), ("bob", Role.ANNOTATOR), ("eve", Role.VIEWER)):
        store.add_user(name, PASSWORD, role)
    by_id = {sample.id: sample for sample in corpus.samples}
    sure = [sample for sample in corpus.samples if sample.id not in (TURNED, PART)][:2]
    queue = store.add_queue("Twice", Criteria(), [TURNED, PART, *(s.id for s in sure)], needed=2, by="ann")
    for sample in sure:
        for reviewer in ("bob", "cat"):
            store.add_review(blind(sample, reviewer, "keep", sample.regions), queue.key)
    store.add_review(blind(by_id[TURNED], "bob", "keep", (OTHER,)), queue.key)
    store.add_review(blind(by_id[TURNED], "cat", "keep", by_id[TURNED].regions), queue.key)
    store.add_review(blind(by_id[PART], "bob", "keep", by_id[PART].regions), queue.key)
    store.add_review(blind(by_id[PART], "cat", "drop", by_id[PART].regions, "out of focus"), queue.key)
    store.close()
    return corpus.path


def blind(
    sample: Sample, reviewer: str, outcome: Outcome, after: tuple[Region, ...], reason: str = ""
) -> Review:
    at = "2026-11-26T09:00:00+00:00"
    return Review(
        str(uuid4()), sample.id, reviewer, at, 4.0, 1, True, 2, outcome, reason, sample.regions, after
    )


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Served]:
    with served(folder) as server:
        yield server


def log_in(page: Page, running: Served, name: str, path: str = "/") -> None:
    page.goto(running.url + path)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button").click()
    expect(page.locator(".person-name")).to_have_text(name)


def test_a_viewer_sees_no_controls(running: Served, page: Page) -> None:
    log_in(page, running, "eve")
    expect(page.get_by_role("rowheader", name="Twice")).to_be_visible()
    for control in ("link", "Start"), ("link", "Go on"), ("button", "More for"), ("button", "Choose samples"):
        expect(page.get_by_role(control[0], name=control[1])).to_have_count(0)
    places = page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    assert places == ["Queues", "Explore", "Statistics", "People"]
    page.goto(running.url + "/explore")
    expect(page.locator("a.sample img").first).to_be_visible()
    expect(page.get_by_role("button", name="Make a queue of these")).to_have_count(0)
    page.goto(running.url + "/people")
    expect(page.get_by_role("table", name="Agreement of each two people")).to_be_visible()
    expect(page.get_by_role("heading", name="Accounts")).to_have_count(0)
    page.goto(running.url + "/disputes")
    expect(page.get_by_role("alert")).to_contain_text("needs the role admin")


def test_progress_and_agreement_are_shown(running: Served, page: Page) -> None:
    log_in(page, running, "ann", "/people")
    progress = page.get_by_role("table", name="What each person has reviewed")
    cat = progress.get_by_role("row").filter(has=page.get_by_role("rowheader", name="cat"))
    assert cat.get_by_role("cell").all_inner_texts()[2:] == ["4", "4.0 s", "3", "1", "0"]
    agreement = page.get_by_role("table", name="Agreement of each two people")
    pair = agreement.get_by_role("row").filter(has=page.get_by_role("rowheader", name="bob and cat"))
    expect(pair.get_by_role("cell").nth(0)).to_have_text("4")
    expect(pair.get_by_role("cell").nth(1)).to_have_text("50%")
    assert violations(page) == []


def test_accounts_are_kept(running: Served, folder: Path, page: Page) -> None:
    log_in(page, running, "ann", "/people")
    page.get_by_role("button", name="Add an account").click()
    dialog = page.get_by_role("dialog", name="Add an account")
    dialog.get_by_label("Name").fill("dan")
    dialog.get_by_label("Password").fill("short")
    dialog.get_by_role("button", name="Add").click()
    expect(page.get_by_text("12 characters", exact=False).last).to_be_visible()
    dialog.get_by_label("Password").fill(PASSWORD)
    dialog.get_by_role("button", name="Add").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="dan"))
    expect(row).to_be_visible()
    row.get_by_label("Role of dan").click()
    page.get_by_role("option", name="viewer").click()
    expect(row.get_by_text("viewer")).to_be_visible()
    row.get_by_role("button", name="Deactivate").click()
    expect(row.get_by_role("cell", name="may not log in")).to_be_visible()
    store = Store(f"sqlite:///{folder / 'review.sqlite3'}")
    (dan,) = [user for user in store.users() if user.name == "dan"]
    store.close()
    assert (dan.role, dan.active) == (Role.VIEWER, False)


def test_a_dispute_is_settled(running: Served, folder: Path, page: Page) -> None:
    log_in(page, running, "ann", "/disputes")
    expect(page.get_by_text("2 samples on which people disagree")).to_be_visible()
    turned = page.get_by_role("region", name=TURNED)
    expect(turned.locator("rect.first")).to_have_count(1)
    expect(turned.locator("rect.second")).to_have_count(1)
    assert violations(page) == []
    turned.get_by_role("button", name="Take bob").click()
    expect(turned).to_have_count(0)
    page.get_by_role("region", name=PART).get_by_role("button", name="Take cat").click()
    expect(page.get_by_text("Nothing to settle")).to_be_visible()
    settled = {id_: reviews[-1] for id_, reviews in read_reviews(folder).items() if id_ in (TURNED, PART)}
    assert all(review.reviewer == "ann" and not review.blind for review in settled.values())
    assert settled[TURNED].after == (OTHER,)
    assert (settled[PART].outcome, settled[PART].reason) == ("drop", "out of focus")


def test_who_logs_out_is_out(running: Served, page: Page) -> None:
    log_in(page, running, "bob", "/people")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login*")
    page.goto(running.url + "/people")
    expect(page.get_by_label("Password")).to_be_visible()
