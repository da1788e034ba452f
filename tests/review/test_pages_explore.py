"""The grid of samples, its filter, and the pages of `mmrad view`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from accessible import violations
from browser import needs_browser
from mmrad.corpus import Corpus
from reviewed import big_corpus
from served import Served, served

pytestmark = needs_browser

SAMPLES = 4000


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return big_corpus(tmp_path_factory.mktemp("explore") / "corpus", SAMPLES)


@pytest.fixture(scope="module")
def running(corpus: Corpus) -> Iterator[Served]:
    with served(corpus.path, command="view") as server:
        yield server


def explored(page: Page, running: Served, query: str = "") -> Locator:
    """The cells of the grid, when it and its filter are there."""
    page.goto(f"{running.url}/explore{query}")
    expect(page.get_by_label("Smallest region at most")).to_be_visible()
    expect(page.locator("a.sample img").first).to_be_visible()
    return page.locator("a.sample")


def count(page: Page, value: str) -> Locator:
    return page.locator(".choice", has=page.get_by_text(value, exact=True)).locator(".count")


def test_only_what_is_in_sight_is_in_the_document(running: Served, corpus: Corpus, page: Page) -> None:
    cells = explored(page, running)
    grid = page.get_by_role("grid", name="Samples")
    columns = int(grid.get_attribute("aria-colcount") or 0)
    assert int(grid.get_attribute("aria-rowcount") or 0) == -(-SAMPLES // columns)
    for share in (0.25, 0.5, 1.0):
        grid.evaluate("(view, share) => { view.scrollTop = share * view.scrollHeight; }", share)
        row = int(share * SAMPLES / columns) - 1
        expect(grid.get_by_role("row").and_(page.locator(f'[aria-rowindex="{row + 1}"]'))).to_be_visible()
        assert cells.count() < 80
    last = page.locator(f'a.sample[aria-label$="{corpus.samples[-1].id}"]')
    expect(last).to_be_visible()
    expect(last.locator("img")).to_have_js_property("complete", True)
    assert int(last.locator("img").evaluate("image => image.naturalWidth")) > 0


def test_boxes_lie_on_thumbnails_where_they_are(running: Served, corpus: Corpus, page: Page) -> None:
    explored(page, running)
    sample = next(sample for sample in corpus.samples if len(sample.regions) == 2)
    shapes = page.locator(f'a.sample[aria-label$="{sample.id}"] svg')
    assert shapes.get_attribute("viewBox") == f"0 0 {sample.size_wh[0]} {sample.size_wh[1]}"
    drawn = shapes.locator("rect.true").evaluate_all(
        "all => all.map((one) => ['x', 'y', 'width', 'height'].map((name) => Number(one.getAttribute(name))))"
    )
    boxes = [region.box.xyxy for region in sample.regions]
    assert drawn == [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]


def test_the_grid_is_gone_through_with_keys(running: Served, corpus: Corpus, page: Page) -> None:
    cells = explored(page, running)
    columns = int(page.get_by_role("grid").get_attribute("aria-colcount") or 0)
    cells.first.focus()
    for key, place in (
        ("ArrowLeft", 0), ("ArrowRight", 1), ("ArrowDown", 1 + columns), ("ArrowUp", 1), ("ArrowUp", 1),
        ("End", SAMPLES - 1), ("ArrowRight", SAMPLES - 1), ("PageUp", None), ("Home", 0),
    ):  # fmt: skip
        page.keyboard.press(key)
        if place is not None:
            expect(page.locator(":focus")).to_have_attribute("data-index", str(place))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name=corpus.samples[1].id)
    expect(dialog.get_by_role("img", name=corpus.samples[1].id)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_filter_counts_alternatives_and_stands_in_the_address(
    running: Served, corpus: Corpus, page: Page
) -> None:
    of_source = sum(sample.source == "source_1" for sample in corpus.samples)
    both = sum(sample.source in ("source_1", "source_2") for sample in corpus.samples)
    anomalous = sum(
        sample.source in ("source_1", "source_2") and sample.anomalous for sample in corpus.samples
    )
    explored(page, running)
    expect(count(page, "source_1")).to_have_text(f"{of_source:,}")
    page.get_by_role("checkbox", name="source_1").click()
    expect(page.get_by_role("status")).to_have_text(f"{of_source:,} samples")
    expect(count(page, "source_2")).not_to_have_text("0")
    page.get_by_role("checkbox", name="source_2").click()
    expect(page.get_by_role("status")).to_have_text(f"{both:,} samples")
    page.get_by_label("Kind", exact=True).click()
    page.get_by_role("option", name="Only anomalous").click()
    expect(page.get_by_role("status")).to_have_text(f"{anomalous:,} samples")
    page.wait_for_url(re.compile(r"sources=source_1&sources=source_2&anomalous=True$"))
    page.reload()
    expect(page.get_by_role("status")).to_have_text(f"{anomalous:,} samples")
    expect(page.get_by_role("checkbox", name="source_1")).to_be_checked()
    page.get_by_role("link", name="Clear").click()
    expect(page.get_by_role("status")).to_have_text(f"{SAMPLES:,} samples")


def test_rare_values_are_found_and_ids_searched(running: Served, corpus: Corpus, page: Page) -> None:
    explored(page, running)
    rare = page.get_by_role("checkbox", name="kind 49")
    expect(rare).to_have_count(0)
    page.get_by_role("group", name="Label").get_by_label("Find among").fill("49")
    rare.click()
    labelled = sum(any(region.label == "kind 49" for region in sample.regions) for sample in corpus.samples)
    expect(page.get_by_role("status")).to_have_text(f"{labelled:,} samples")
    page.get_by_label("Part of the id").fill("no such id")
    expect(page.get_by_text("No sample is like this")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("0 samples")


def test_statistics_follow_the_choice(running: Served, corpus: Corpus, page: Page) -> None:
    chosen = [sample for sample in corpus.samples if sample.category == "part_3"]
    page.goto(f"{running.url}/statistics?categories=part_3")
    expect(page.locator(".figure").first).to_have_text(f"{len(chosen):,}samples")
    expect(page.locator(".chip")).to_have_text("part_3")
    table = page.get_by_role("table", name="Samples by category")
    rows = table.get_by_role("row")
    expect(rows).to_have_count(1 + len({sample.source for sample in chosen}))
    sizes = page.locator("section", has=page.get_by_role("heading", name="Longest sides of images"))
    expect(sizes.locator("svg")).to_be_visible()
    sizes.get_by_text("As a table").click()
    counts = sizes.get_by_role("cell").all_inner_texts()
    assert sum(int(text.replace(",", "")) for text in counts) == len(chosen)


@pytest.mark.parametrize(
    "path", ["/explore?colour=red", "/statistics?sources=nowhere", "/explore?smallest=x"]
)
def test_what_cannot_be_asked_for_is_told_without_a_traceback(running: Served, page: Page, path: str) -> None:
    page.goto(running.url + path)
    expect(page.get_by_text(re.compile("colour|nowhere|smallest")).first).to_be_visible()
    assert "Traceback" not in page.content() and "Traceback" not in running.log()


def test_who_only_views_is_offered_nothing_else(running: Served, page: Page) -> None:
    page.goto(running.url + "/")
    page.wait_for_url("**/explore")
    assert page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts() == [
        "Explore",
        "Statistics",
    ]
    expect(page.locator("a.sample img").first).to_be_visible()
    expect(page.get_by_role("button", name="Make a queue of these")).to_have_count(0)
    assert violations(page) == []
