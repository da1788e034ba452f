"""A person's session at the desk: queues, saving, conflicts, crashes, texts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from builders import make_corpus
from desking import Desk, Gate, add_queue, reviews_of
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import read_reviews
from reviewed import CLEAR, DEEP, GOOD, PART, SCRIPT, TURNED, WIDE, reviewed_corpus
from served import Served, served

SIZES = {
    "fifty": 51,
    "back": 4,
    "ahead": 5,
    "conflict": 4,
    "refused": 2,
    "judged": 1,
    "end": 2,
    "discard": 1,
    "again": 2,
}
"""How many samples the queue of a test has; no two have any in common."""
NAMED = (WIDE, TURNED, DEEP, GOOD, CLEAR, PART)

Queues = dict[str, list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = tmp_path_factory.mktemp("session") / "corpus"
    reviewed_corpus(corpus, len(NAMED) + sum(SIZES.values()))
    return corpus


@pytest.fixture(scope="module")
def queues(folder: Path) -> Queues:
    """Ids of the samples of each queue."""
    others = [sample.id for sample in Corpus(folder).samples if sample.id not in NAMED]
    found = {name: [others.pop(0) for _ in range(size)] for name, size in SIZES.items()}
    for name, ids in found.items():
        add_queue(folder, ids, name)
    add_queue(folder, [PART], "blind", needed=2)
    return found


@pytest.fixture(scope="module")
def server(folder: Path, queues: Queues) -> Iterator[Served]:
    with served(folder, "--reviewer", "ann") as running:
        yield running


@pytest.fixture
def desk(page: Page, server: Served) -> Desk:
    return Desk(page, server.url)


@pytest.fixture(scope="module")
def bobs(folder: Path, server: Served) -> Iterator[Served]:
    """The same corpus served to bob by a process of its own."""
    with served(folder, "--reviewer", "bob") as running:
        yield running


@pytest.fixture
def bob(browser: Browser, bobs: Served) -> Iterator[Desk]:
    """The desk of another person, in another browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield Desk(context.new_page(), bobs.url)
    context.close()


def test_fifty_samples_by_keyboard_only(desk: Desk, folder: Path, queues: Queues) -> None:
    ids = queues["fifty"]
    desk.open_queue("fifty")
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
    found = {id_: reviews for id_, reviews in read_reviews(folder).items() if id_ in ids}
    assert {id_: (review.outcome, review.reason) for id_, (review,) in found.items()} == decided
    drawn = [id_ for id_, (review,) in found.items() if len(review.after) > len(review.before)]
    assert drawn == ids[4:50:10]


def test_skipping_and_going_back_to_decide_again(desk: Desk, folder: Path, queues: Queues) -> None:
    first, second, third, _ = queues["back"]
    desk.open_queue("back")
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


def test_the_next_picture_waits_for_nothing(desk: Desk, folder: Path, queues: Queues) -> None:
    """Neither for the decision to be stored nor for anything of the next samples to be loaded."""
    ids = queues["ahead"]
    desk.open_queue("ahead")
    desk.page.wait_for_function(
        """() => performance.getEntriesByType("resource")
            .filter(({ name }) => name.includes("/reference?")).length >= 4"""
    )
    gate = Gate()
    desk.route(re.compile("/api/|/image|/reference"), gate)
    for number in (1, 2, 3):
        desk.press("Enter")
        desk.wait_for(ids[number])
    expect(desk.page.locator(".desk-saving")).to_have_text("3 being saved")
    gate.open()
    desk.wait_saved()
    assert all(len(reviews_of(folder, id_)) == 1 for id_ in ids[:3])


def test_what_is_not_saved_yet_can_be_decided_again(desk: Desk, folder: Path, queues: Queues) -> None:
    first, second = queues["again"]
    desk.open_queue("again")
    gate = Gate()
    desk.route("**/api/reviews", gate)
    desk.drag((10, 10), (40, 40))
    desk.name_box("spot")
    desk.press("e")
    desk.page.get_by_role("textbox", name="Text").fill("other words")
    desk.press("Escape", "k")
    desk.wait_for(second)
    desk.press("ArrowLeft")
    desk.wait_for(first)
    assert desk.labels()[-1].endswith("spot")
    expect(desk.page.locator(".desk-read")).to_have_text("other words")
    desk.press("Control+a", "Delete", "k")
    desk.wait_for(second)
    gate.open()
    desk.wait_saved()
    earlier, later = reviews_of(folder, first)
    assert later.after == () and later.before == earlier.after != ()


def test_two_people_on_one_sample_lose_nothing(desk: Desk, bob: Desk, folder: Path) -> None:
    desk.open_sample(TURNED)
    bob.open_sample(TURNED)
    desk.press("d", "3")
    desk.wait_saved()
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


def test_what_somebody_else_decided_can_be_left_as_it_is(desk: Desk, bob: Desk, folder: Path) -> None:
    desk.open_sample(GOOD)
    bob.open_sample(GOOD)
    bob.press("u")
    bob.wait_saved()
    desk.press("k")
    desk.act("Take theirs")
    expect(desk.page.locator(".desk-status")).to_have_text("unsure")
    assert [review.reviewer for review in reviews_of(folder, GOOD)] == ["bob"]


def test_a_conflict_in_a_queue_leads_back_to_its_sample_and_on_again(
    desk: Desk, bob: Desk, folder: Path, queues: Queues
) -> None:
    first, second, third, _ = queues["conflict"]
    desk.open_queue("conflict")
    desk.page.wait_for_load_state("networkidle")
    bob.open_sample(first)
    bob.press("u")
    bob.wait_saved()
    desk.press("Enter")
    desk.wait_for(first)
    expect(desk.notices).to_contain_text("You: kept")
    desk.act("Keep mine on top")
    desk.wait_for(second)
    desk.wait_saved()
    assert [review.outcome for review in reviews_of(folder, first)] == ["unsure", "keep"]

    bob.open_sample(second)
    bob.press("u")
    bob.wait_saved()
    gate = Gate()
    desk.route("**/api/reviews", gate)
    desk.press("Enter")
    desk.wait_for(third)
    desk.press("n", "Enter", "ArrowRight", "Enter")  # in hand when the answer comes
    desk.name_box("half done")
    gate.open()
    desk.act("Look now")
    desk.wait_for(second)
    desk.act("Take theirs")
    desk.wait_for(third)
    assert desk.labels()[-1].endswith("half done")


def test_nothing_is_lost_when_the_server_is_killed(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    ids = [sample.id for sample in make_corpus(folder, 6).samples]
    add_queue(folder, ids)
    with served(folder, "--reviewer", "ann") as first:
        port = int(first.url.rpartition(":")[2])
        desk = Desk(page, first.url)
        desk.open_queue("check")
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
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    with served(folder, "--reviewer", "ann", port=port):
        desk.wait_saved()
        desk.wait_for(ids[3])
        expect(page.locator(".desk-box text").last).to_contain_text("new one")
        assert {id_: review.outcome for id_, (review,) in read_reviews(folder).items()} == {
            ids[0]: "keep",
            ids[1]: "unsure",
            ids[2]: "drop",
        }
        assert not asked  # nothing keeps the page from coming back
        page.reload()
        desk.wait_for(ids[3])
        expect(desk.notices).to_contain_text("Your changes that were not decided yet are back")
        desk.press("Enter")
        desk.wait_for(ids[4])
        desk.wait_saved()
        assert [region.label for region in reviews_of(folder, ids[3])[0].after][-1] == "new one"


def test_changes_that_are_back_can_be_discarded(desk: Desk, queues: Queues) -> None:
    desk.open_sample(queues["discard"][0])
    before = desk.labels()
    desk.drag((10, 10), (60, 50))
    desk.name_box("new one")
    desk.page.reload()
    expect(desk.page.locator(".desk-box")).to_have_count(len(before) + 1)
    desk.act("Discard them")
    expect(desk.page.locator(".desk-box")).to_have_count(len(before))


def test_a_closed_session_keeps_what_was_decided(desk: Desk, folder: Path) -> None:
    desk.open_sample(DEEP)

    def refuse(route: Route) -> None:
        route.fulfill(status=401, json={"error": "log in"})

    desk.route("**/api/**", refuse)
    desk.press("Enter")
    expect(desk.notices).to_contain_text("You are logged out")
    link = desk.notices.get_by_role("link", name="Log in")
    expect(link).to_have_attribute("href", re.compile(r"^/login\?next=%2Fsample"))
    assert not reviews_of(folder, DEEP)
    desk.page.unroute("**/api/**", refuse)
    desk.wait_saved()
    assert len(reviews_of(folder, DEEP)) == 1
    expect(desk.notices).not_to_contain_text("logged out")


def test_a_decision_that_the_server_refuses_can_be_corrected(
    desk: Desk, folder: Path, queues: Queues
) -> None:
    first, second = queues["refused"]
    desk.open_queue("refused")
    desk.press("d", "1")
    desk.wait_for(second)
    desk.press("ArrowLeft")
    desk.wait_for(first)
    desk.wait_saved()
    desk.drag((10, 10), (40, 40))
    desk.name_box("spot")

    def refuse(route: Route) -> None:
        route.fulfill(status=400, json={"error": "region 1: odd"})

    desk.route("**/api/reviews", refuse)
    desk.press("Enter")
    expect(desk.notices).to_contain_text("The server did not take your decision")
    expect(desk.notices).to_contain_text("region 1: odd")
    desk.wait_for(first)
    desk.page.unroute("**/api/reviews", refuse)
    desk.press("Control+a", "Delete")
    desk.act("Send again")
    desk.wait_for(second)
    desk.wait_saved()
    assert [(review.outcome, review.after) for review in reviews_of(folder, first)][1:] == [("keep", ())]


def test_markup_in_labels_and_texts_stays_text(desk: Desk, folder: Path) -> None:
    told: list[str] = []
    desk.page.on("dialog", lambda dialog: told.append(dialog.message))
    desk.open_sample(WIDE)
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
    desk.page.reload()
    desk.wait_for(WIDE)
    expect(desk.page.locator(".desk-reviews")).to_contain_text("kept with 2 boxes")
    assert not told


def test_a_text_is_edited_verified_and_judged(desk: Desk, folder: Path, queues: Queues) -> None:
    (id_,) = queues["judged"]
    desk.open_sample(id_)
    checks = desk.page.locator(".desk-checks")
    expect(checks.locator(".passed")).to_have_count(11)
    desk.page.locator(".desk-place").first.focus()
    told = desk.page.locator(".desk-other.told .stroke").bounding_box()
    boxed = desk.page.locator(".desk-box .stroke").first.bounding_box()
    assert told and boxed
    for side, length in (("x", "width"), ("y", "height")):
        assert told[side] == pytest.approx(boxed[side], abs=0.05 * boxed[length])  # type: ignore[literal-required]
        assert told[length] == pytest.approx(boxed[length], rel=0.05)  # type: ignore[literal-required]
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
    first, second = reviews_of(folder, id_)
    assert first.text and first.text.good and first.text.after
    assert "to be seen" in first.text.after and all(first.text.checks.values())
    assert second.text and second.text.teacher == "scripted" and not second.text.good
    assert second.text.after is None and second.after == first.after


def test_the_end_of_a_queue(desk: Desk, queues: Queues) -> None:
    first, second = queues["end"]
    desk.open_queue("end")
    desk.press("s")
    desk.wait_for(second)
    desk.press("k")
    desk.wait_for(first)  # it was skipped
    desk.press("k")
    expect(desk.page.get_by_text("Nothing left for you here")).to_be_visible()
    desk.press("ArrowLeft")
    desk.wait_for(first)


def test_blind_reviewers_do_not_see_each_other(desk: Desk, bob: Desk, folder: Path) -> None:
    desk.open_queue("blind")
    bob.open_queue("blind")
    desk.press("d", "1")
    desk.wait_saved()
    bob.page.reload()
    bob.wait_for(PART)
    expect(bob.page.locator(".desk-status").first).to_have_text("open")
    expect(bob.page.locator(".desk-reviews")).to_have_count(0)
    bob.press("k")
    bob.wait_saved()
    assert [(r.reviewer, r.blind) for r in reviews_of(folder, PART)] == [("ann", True), ("bob", True)]
    bob.page.goto(f"{bob.url}/sample?id={quote(PART, safe='')}&adjudicate=1")
    bob.wait_for(PART)
    expect(bob.page.locator(".desk-reviews li")).to_have_count(2)
    bob.act("Use these boxes")
    bob.press("k")
    bob.wait_saved()
    assert not reviews_of(folder, PART)[-1].blind


def test_who_may_only_look_cannot_change_anything(desk: Desk, folder: Path) -> None:
    """What the server refuses a viewer the desk does not offer."""

    def as_viewer(route: Route) -> None:
        answer = route.fetch()
        assert '"decides":true' in answer.text()
        route.fulfill(response=answer, body=answer.text().replace('"decides":true', '"decides":false'))

    desk.page.route(f"{desk.url}/sample?*", as_viewer)
    desk.open_sample(CLEAR)
    desk.drag((20, 20), (60, 60))
    desk.press("n", "Enter", "Enter", "k", "d", "u")
    expect(desk.page.locator(".desk-decide, .desk-menu, .desk-box, .desk-tool")).to_have_count(0)
    expect(desk.page.locator(".desk-saving")).to_have_text("read only")
    assert not reviews_of(folder, CLEAR)
