"""A person's session at the desk: queues, saving, conflicts, crashes, texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desking import Desk, add_queue, reviews_of
from playwright.sync_api import Browser, Page, Route, expect
from reviewed import GOOD, SCRIPT, TURNED, WIDE, reviewed_corpus
from served import Served, served

from mmrad.corpus import Corpus
from mmrad.corpus.reviews import read_reviews

SAMPLES = 60


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    corpus = tmp_path / "corpus"
    reviewed_corpus(corpus, SAMPLES)
    return corpus


@pytest.fixture
def server(folder: Path) -> Iterator[Served]:
    add_queue(folder)
    with served(folder, "--reviewer", "ann") as running:
        yield running


@pytest.fixture
def desk(page: Page, server: Served) -> Desk:
    desk = Desk(page, server.url)
    desk.open_queue("to-check")
    return desk


def test_fifty_samples_by_keyboard_only(desk: Desk, folder: Path) -> None:
    ids = [sample.id for sample in Corpus(folder).samples]
    decided: dict[str, tuple[str, str]] = {}
    for number in range(50):
        shown = ids[number]
        desk.wait_for(shown)
        if number % 5 == 1:
            desk.press("d", "2")
            decided[shown] = ("drop", "wrong product or view")
        elif number % 5 == 2:
            desk.press("d", "0")
            desk.page.keyboard.type(f"odd {number}")
            desk.press("Enter")
            decided[shown] = ("drop", f"odd {number}")
        elif number % 5 == 3:
            desk.press("u")
            decided[shown] = ("unsure", "")
        elif number % 10 == 4:
            desk.press("n", "Enter", "ArrowRight", "ArrowDown", "Enter")
            desk.page.keyboard.type("new")
            desk.press("Enter", "Enter")
            decided[shown] = ("keep", "")
        else:
            desk.press("Enter")
            decided[shown] = ("keep", "")
    desk.wait_saved()
    found = read_reviews(folder)
    assert {id_: (review.outcome, review.reason) for id_, (review,) in found.items()} == decided
    drawn = [id_ for id_, (review,) in found.items() if len(review.after) > len(review.before)]
    assert drawn == ids[4:50:10]


def test_skipping_and_going_back_to_decide_again(desk: Desk, folder: Path) -> None:
    first, second, third, *_ = [sample.id for sample in Corpus(folder).samples]
    desk.press("Enter")
    desk.wait_for(second)
    desk.press("s")
    desk.wait_for(third)
    desk.press("ArrowLeft")
    desk.wait_for(second)
    desk.press("ArrowLeft")
    desk.wait_for(first)
    expect(desk.page.get_by_role("button", name="Keep")).to_have_attribute("aria-pressed", "true")
    desk.press("u")
    desk.wait_for(second)
    desk.wait_saved()
    assert [review.outcome for review in reviews_of(folder, first)] == ["keep", "unsure"]
    assert not reviews_of(folder, second)


def test_the_next_picture_waits_for_nothing(desk: Desk, folder: Path) -> None:
    """Neither for the decision to be stored nor for anything of the next samples to be loaded."""
    ids = [sample.id for sample in Corpus(folder).samples]
    desk.page.wait_for_function("(count) => performance.getEntriesByName !== null && "
        "performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/image?')).length >= count", arg=4)
    held: list[Route] = []
    desk.page.route(re.compile("/api/|/image|/reference"), lambda route: held.append(route))
    for number in (1, 2, 3):
        desk.press("Enter")
        desk.wait_for(ids[number])
    expect(desk.page.locator(".desk-saving")).to_have_text("3 being saved")
    desk.page.unroute_all()
    for route in held:
        route.continue_()
    desk.wait_saved()
    assert set(read_reviews(folder)) == set(ids[:3])


def test_two_people_on_one_sample_lose_nothing(browser: Browser, folder: Path) -> None:
    with (
        served(folder, "--reviewer", "ann") as for_ann,
        served(folder, "--reviewer", "bob") as for_bob,
    ):
        ann, bob = (Desk(browser.new_page(), url) for url in (for_ann.url, for_bob.url))
        for desk in (ann, bob):
            desk.open_sample(TURNED)
        ann.press("d", "3")
        ann.wait_saved()
        bob.drag((160, 60), (200, 100))
        bob.name_box("burn")
        bob.press("k")
        expect(bob.notices).to_contain_text("ann decided since you opened this: dropped: duplicate")
        expect(bob.notices).to_contain_text("You: kept with 2 boxes")
        bob.press("k")
        expect(bob.message).to_contain_text("First choose")
        assert len(reviews_of(folder, TURNED)) == 1
        bob.page.reload()
        bob.wait_for(TURNED)
        expect(bob.notices).to_contain_text("You: kept with 2 boxes")
        bob.act("Keep mine on top")
        bob.wait_saved()
        first, second = reviews_of(folder, TURNED)
        assert (first.reviewer, first.outcome, second.reviewer, second.outcome) == ("ann", "drop", "bob", "keep")
        assert [region.label for region in second.after] == ["scratch", "burn"]

        ann.open_sample(GOOD)
        bob.open_sample(GOOD)
        bob.press("u")
        bob.wait_saved()
        ann.press("k")
        ann.act("Take theirs")
        expect(ann.page.locator(".desk-status")).to_have_text("unsure")
        assert [review.reviewer for review in reviews_of(folder, GOOD)] == ["bob"]
        for desk in (ann, bob):
            desk.page.context.close()


def test_a_conflict_in_a_queue_leads_back_to_its_sample_and_on_again(
    desk: Desk, browser: Browser, server: Served, folder: Path
) -> None:
    first, second, third, *_ = [sample.id for sample in Corpus(folder).samples]
    other = Desk(browser.new_page(), server.url)
    other.open_sample(first)
    other.press("u")
    other.wait_saved()
    desk.press("Enter")
    desk.wait_for(first)
    expect(desk.notices).to_contain_text("You: kept")
    desk.act("Keep mine on top")
    desk.wait_for(second)
    desk.wait_saved()
    assert [review.outcome for review in reviews_of(folder, first)] == ["unsure", "keep"]

    other.open_sample(second)
    other.press("u")
    other.wait_saved()
    held: list[Route] = []
    desk.page.route("**/api/reviews", lambda route: held.append(route))
    desk.press("Enter")
    desk.wait_for(third)
    desk.press("n", "Enter", "ArrowRight", "Enter")  # in hand when the answer comes
    desk.name_box("half done")
    desk.page.unroute_all()
    held[0].continue_()
    desk.act("Look now")
    desk.wait_for(second)
    desk.act("Take theirs")
    desk.wait_for(third)
    assert desk.labels()[-1].endswith("half done")
    other.page.context.close()


def test_nothing_is_lost_when_the_server_is_killed(page: Page, folder: Path) -> None:
    ids = [sample.id for sample in Corpus(folder).samples]
    add_queue(folder)
    with served(folder, "--reviewer", "ann") as first:
        port = int(first.url.rpartition(":")[2])
        desk = Desk(page, first.url)
        desk.open_queue("to-check")
        desk.press("Enter")
        desk.wait_for(ids[1])
        desk.wait_saved()
        desk.page.wait_for_load_state("networkidle")
        first.kill()
        desk.press("u")
        desk.wait_for(ids[2])
        desk.press("d", "1")
        desk.wait_for(ids[3])
        expect(desk.page.locator(".desk-saving")).to_have_text("2 being saved")
        expect(desk.notices).to_contain_text("Not saved yet")
        desk.drag((10, 10), (60, 50))
        desk.name_box("new one")
    assert set(read_reviews(folder)) == {ids[0]}
    page.on("dialog", lambda dialog: dialog.accept())
    with served(folder, "--reviewer", "ann", port=port):
        desk.wait_saved()
        desk.wait_for(ids[3])
        expect(page.locator(".desk-box text").last).to_contain_text("new one")
        assert {id_: review.outcome for id_, (review,) in read_reviews(folder).items()} == {
            ids[0]: "keep",
            ids[1]: "unsure",
            ids[2]: "drop",
        }
        page.reload()
        desk.wait_for(ids[3])
        expect(desk.notices).to_contain_text("Your changes that were not decided yet are back")
        desk.press("Enter")
        desk.wait_for(ids[4])
        desk.wait_saved()
        assert [region.label for region in reviews_of(folder, ids[3])[0].after][-1] == "new one"


def test_changes_that_are_back_can_be_discarded(desk: Desk) -> None:
    before = desk.labels()
    desk.drag((10, 10), (60, 50))
    desk.name_box("new one")
    desk.page.reload()
    desk.wait_for_picture()
    assert len(desk.labels()) == len(before) + 1
    desk.act("Discard them")
    expect(desk.page.locator(".desk-box")).to_have_count(len(before))


def test_a_closed_session_keeps_what_was_decided(desk: Desk, folder: Path) -> None:
    refuse = lambda route: route.fulfill(status=401, json={"error": "log in"})  # noqa: E731
    desk.page.route("**/api/**", refuse)
    desk.press("Enter")
    expect(desk.notices).to_contain_text("You are logged out")
    link = desk.notices.get_by_role("link", name="Log in")
    expect(link).to_have_attribute("href", re.compile(r"/login\?next=%2Fqueue%2Fto-check$"))
    assert not read_reviews(folder)
    desk.page.unroute("**/api/**", refuse)
    desk.wait_saved()
    assert len(read_reviews(folder)) == 1


def test_a_decision_that_the_server_refuses_can_be_corrected(desk: Desk, folder: Path) -> None:
    first = desk.sample_id
    refuse = lambda route: route.fulfill(status=400, json={"error": "region 1: odd"})  # noqa: E731
    desk.page.route("**/api/reviews", refuse)
    desk.press("Enter")
    expect(desk.notices).to_contain_text("The server did not take your decision (kept with 2 boxes): region 1: odd")
    desk.wait_for(first)
    desk.page.unroute("**/api/reviews", refuse)
    desk.press("Tab", "Delete")
    desk.act("Send again")
    desk.wait_saved()
    assert len(reviews_of(folder, first)[0].after) == 1


def test_markup_in_labels_and_texts_stays_text(desk: Desk, folder: Path) -> None:
    desk.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    desk.wait_for(WIDE)
    assert desk.labels() == [f"1 {SCRIPT}", "2 dent"]
    expect(desk.page.locator(".desk-read")).to_contain_text(SCRIPT)
    image = "<img src=x onerror=alert(1)>"
    desk.press("Tab", "l")
    desk.name_box(image)
    desk.press("e")
    area = desk.page.get_by_role("textbox", name="Text")
    area.fill(f"<think>{SCRIPT}{image}</think><answer>No.</answer>")
    desk.press("Escape")
    expect(desk.page.locator(".desk-read")).to_contain_text(f"{SCRIPT}{image}")
    assert desk.page.locator(".desk script, .desk img[src='x']").count() == 0
    desk.press("k")
    desk.wait_saved()
    (review,) = reviews_of(folder, WIDE)
    assert review.after[0].label == image
    assert review.text and review.text.after == f"<think>{SCRIPT}{image}</think><answer>No.</answer>"


def test_a_text_is_edited_verified_and_judged(desk: Desk, folder: Path) -> None:
    desk.wait_for(WIDE)
    checks = desk.page.locator(".desk-checks")
    expect(checks.locator(".failed")).to_have_count(0)
    place = desk.page.get_by_role("button", name="Place [34, 22, 168, 52]").first
    place.focus()
    told = desk.page.locator(".desk-other.told .stroke").bounding_box()
    boxed = desk.page.locator(".desk-box .stroke").first.bounding_box()
    assert told and boxed
    assert all(abs(told[side] - boxed[side]) < 8 for side in ("x", "y", "width", "height"))  # type: ignore[literal-required]
    desk.press("e")
    area = desk.page.get_by_role("textbox", name="Text")
    whole = area.input_value()
    area.fill(whole.replace("Yes. ", "No. "))
    expect(checks.locator(".failed").first).to_be_visible()
    area.fill(whole.replace("There is a defect", "There is a defect to be seen"))
    expect(checks.locator(".failed")).to_have_count(0)
    desk.press("Escape", "y", "t", "t")
    expect(desk.message).to_have_text("The text is bad.")
    desk.press("k")
    desk.wait_saved()
    first, second = reviews_of(folder, WIDE)
    assert first.text and first.text.good and first.text.after
    assert "to be seen" in first.text.after and all(first.text.checks.values())
    assert second.text and second.text.teacher == "scripted" and not second.text.good
    assert second.text.after is None and second.after == first.after


def test_the_end_of_a_queue(page: Page, folder: Path) -> None:
    add_queue(folder, [WIDE, TURNED])
    with served(folder, "--reviewer", "ann") as running:
        desk = Desk(page, running.url)
        desk.open_queue("to-check")
        desk.press("s")
        desk.wait_for(TURNED)
        desk.press("k")
        desk.wait_for(WIDE)
        desk.press("k")
        expect(page.get_by_text("Nothing left for you here")).to_be_visible()
        desk.press("ArrowLeft")
        desk.wait_for(WIDE)


def test_blind_reviewers_do_not_see_each_other(browser: Browser, folder: Path) -> None:
    add_queue(folder, [TURNED], needed=2)
    with (
        served(folder, "--reviewer", "ann") as for_ann,
        served(folder, "--reviewer", "bob") as for_bob,
    ):
        ann, bob = (Desk(browser.new_page(), url) for url in (for_ann.url, for_bob.url))
        bob.open_queue("to-check")
        ann.open_queue("to-check")
        ann.press("d", "1")
        ann.wait_saved()
        bob.page.reload()
        bob.wait_for(TURNED)
        expect(bob.page.locator(".desk-status").first).to_have_text("open")
        assert bob.page.get_by_text("ann").count() == 0
        bob.press("k")
        bob.wait_saved()
        assert [(r.reviewer, r.blind) for r in reviews_of(folder, TURNED)] == [("ann", True), ("bob", True)]
        ann.page.goto(f"{for_ann.url}/sample?id={TURNED.replace('/', '%2F')}&adjudicate=1")
        ann.wait_for(TURNED)
        expect(ann.page.locator(".desk-reviews li")).to_have_count(2)
        ann.act("Use these boxes")
        ann.press("k")
        ann.wait_saved()
        assert not reviews_of(folder, TURNED)[-1].blind
        for desk in (ann, bob):
            desk.page.context.close()


def test_nothing_can_be_changed_where_one_may_only_look(page: Page, folder: Path, monkeypatch: Any) -> None:
    with served(folder, command="view") as running:
        page.goto(f"{running.url}/sample?id=x")
        assert page.locator(".desk-decide").count() == 0
