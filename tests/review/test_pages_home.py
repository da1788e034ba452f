"""The page of queues, and what data may do to any page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, expect

from accessible import violations
from browser import needs_browser
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import Review
from mmrad.review.criteria import Criteria
from mmrad.review.index import SampleIndex
from mmrad.review.store import Store
from reviewed import SCRIPT, WIDE, made_runs, reviewed_corpus
from served import Served, served

pytestmark = needs_browser


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("home")
    made = reviewed_corpus(folder / "corpus", 30)
    made_runs(made, folder / "runs")
    return made


@pytest.fixture(scope="module")
def running(corpus: Corpus) -> Iterator[Served]:
    with served(corpus.path, "--runs", str(corpus.path.parent / "runs"), "--reviewer", "ann") as server:
        yield server


@pytest.fixture
def store(running: Served, corpus: Corpus) -> Iterator[Store]:
    """The database of the server, without queues."""
    opened = Store(f"sqlite:///{corpus.path / 'review.sqlite3'}")
    for queue in opened.queues():
        opened.remove_queue(queue.key)
    yield opened
    opened.close()


def row_of(page: Page, title: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=title))


def test_the_first_queue_is_one_click_away(running: Served, store: Store, corpus: Corpus, page: Page) -> None:
    page.goto(running.url)
    page.get_by_role("button", name=f"Review everything: {len(corpus.samples)} samples").click()
    page.wait_for_url("**/queue/everything")
    queue = store.queue("everything")
    assert (queue.size, queue.needed) == (len(corpus.samples), 1)


def test_a_queue_is_made_of_a_suggestion(running: Served, store: Store, corpus: Corpus, page: Page) -> None:
    disagreeing = SampleIndex(corpus).select(Criteria(teachers_disagree=True), {})
    page.goto(running.url)
    page.get_by_role("button", name=re.compile(rf"Teachers disagree {len(disagreeing)}$")).click()
    dialog = page.get_by_role("dialog", name="New queue")
    expect(dialog.get_by_role("status")).to_have_text(f"{len(disagreeing)} samples")
    expect(dialog.get_by_label("Title")).to_have_value("Teachers disagree")
    dialog.get_by_label("At most (all").fill("3")
    dialog.get_by_role("checkbox", name="Double review").click()
    dialog.get_by_label("Assign to").fill("bob")
    dialog.get_by_label("How many of them").fill("2")
    dialog.get_by_role("button", name="Make the queue").click()
    expect(row_of(page, "Teachers disagree")).to_contain_text("2 people each, blind")
    expect(row_of(page, "Teachers disagree").get_by_role("link", name="Start")).to_be_visible()
    (queue,) = store.queues()
    assert (queue.size, queue.needed, queue.criteria["limit"]) == (3, 2, 3)
    tasks = [store.task(queue.key, position) for position in range(3)]
    assert [task.assignee for task in tasks] == ["bob", "bob", None]
    assert {task.sample_id for task in tasks} <= {corpus.samples[row].id for row in disagreeing}


def test_a_choice_is_counted_and_called_by_its_name(
    running: Served, store: Store, corpus: Corpus, page: Page
) -> None:
    cables = [sample for sample in corpus.samples if sample.category == "cable"]
    normal = [sample for sample in cables if not sample.anomalous]
    page.goto(running.url)
    page.get_by_role("button", name="Choose samples").click()
    dialog = page.get_by_role("dialog", name="New queue")
    dialog.get_by_role("checkbox", name="cable").click()
    expect(dialog.get_by_role("status")).to_have_text(f"{len(cables)} samples")
    dialog.get_by_label("Kind").click()
    page.get_by_role("option", name="Only normal").click()
    expect(dialog.get_by_role("status")).to_contain_text(f"{len(normal)} sample")
    expect(dialog.get_by_label("Title")).to_have_value("Cable, normal")
    dialog.get_by_role("button", name="Make the queue").click()
    expect(row_of(page, "Cable, normal")).to_be_visible()
    (queue,) = store.queues()
    assert [store.task(queue.key, 0).sample_id] == [sample.id for sample in normal][:1]


def test_progress_is_shown_and_one_goes_on(running: Served, store: Store, corpus: Corpus, page: Page) -> None:
    ids = [sample.id for sample in corpus.samples[:4]]
    queue = store.add_queue("Four", Criteria(), ids, by="ann")
    regions = corpus.samples[0].regions
    review = Review(
        "0" * 8, ids[0], "ann", "2026-11-26T09:00:00+00:00", 4.0, 1, False, 1, "keep", "", regions, regions
    )
    store.add_review(review, queue.key)
    page.goto(running.url)
    expect(row_of(page, "Four").get_by_role("img", name="25% done")).to_be_visible()
    expect(row_of(page, "Four").get_by_role("cell")).to_have_text(
        ["25%", "4", "1", "0", "1", "3", re.compile("Go on")]
    )
    expect(page.get_by_text("in all")).to_be_visible()
    row_of(page, "Four").get_by_role("link", name="Go on: Four").click()
    page.wait_for_url("**/queue/four")


def test_queues_are_assigned_and_removed(running: Served, store: Store, corpus: Corpus, page: Page) -> None:
    queue = store.add_queue("Few", Criteria(), [sample.id for sample in corpus.samples[:5]], by="ann")
    page.goto(running.url)
    page.get_by_role("button", name="More for Few").click()
    page.get_by_text("Assign…").click()
    dialog = page.get_by_role("dialog", name="Assign: Few")
    dialog.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("say to whom")).to_be_visible()
    dialog.get_by_label("Person").fill("bob")
    dialog.get_by_label("How many").fill("2")
    dialog.get_by_role("button", name="Assign").click()
    expect(page.get_by_text("2 samples for bob")).to_be_visible()
    assert [store.task(queue.key, position).assignee for position in (1, 2)] == ["bob", None]
    page.get_by_role("button", name="More for Few").click()
    page.get_by_text("Remove…").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove the queue").click()
    expect(page.get_by_text("There is no queue yet")).to_be_visible()
    assert store.queues() == []


def test_labels_stay_text_wherever_they_are_shown(running: Served, store: Store, page: Page) -> None:
    opened: list[str] = []

    def dismiss(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    store.add_queue(SCRIPT, Criteria(), [WIDE], by="ann")
    page.goto(running.url)
    expect(page.get_by_role("rowheader", name=SCRIPT)).to_be_visible()
    for path in ("/explore?labels=" + SCRIPT, "/statistics", "/runs"):
        page.goto(running.url + path)
        expect(page.get_by_text(SCRIPT).first).to_be_visible()
    page.locator(f'a.sample[aria-label*="{WIDE}"]').click()
    expect(page.get_by_role("dialog").get_by_text(SCRIPT).first).to_be_visible()
    assert opened == []


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_pages_are_accessible(
    running: Served, store: Store, corpus: Corpus, browser: Browser, colours: str
) -> None:
    store.add_queue("Some", Criteria(), [sample.id for sample in corpus.samples[:5]], needed=2, by="ann")
    context = browser.new_context(color_scheme=colours, reduced_motion="reduce")  # type: ignore[arg-type]
    page = context.new_page()
    for path, ready in (
        ("/", "Runs disagree"),
        ("/explore", "Audit finding"),
        ("/statistics", "Longest sides of images"),
        ("/runs?run=model&against=expert", "Neither"),
        ("/people", "Nobody has to log in"),
        ("/disputes", "Nothing to settle"),
    ):
        page.goto(running.url + path)
        expect(page.get_by_text(ready).first).to_be_visible()
        assert page.locator("h1").count() == page.locator("main").count() == 1
        assert violations(page) == []
    context.close()


def test_the_colours_are_kept(running: Served, store: Store, page: Page) -> None:
    page.goto(running.url + "/people")
    expect(page.locator("body.body--light")).to_be_visible()
    page.get_by_role("button", name="Light or dark").click()
    expect(page.locator("body.body--dark")).to_be_visible()
    page.goto(running.url + "/statistics")
    expect(page.locator("body.body--dark")).to_be_visible()
