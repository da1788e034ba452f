"""The desk for people who do not see it well or use no mouse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from desking import Desk
from reviewed import PART, WIDE, reviewed_corpus
from served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    corpus = tmp_path_factory.mktemp("access") / "corpus"
    reviewed_corpus(corpus, 6)
    with served(corpus, "--reviewer", "ann") as running:
        yield running


def assert_clean(page: Page) -> None:
    """No rule of axe is broken, contrast included.

    Left to itself, axe asks for the style sheets once more, at which Quasar shows a bar of progress.
    """
    found = Axe().run(page, options={"preload": False})
    assert not found.response["violations"], found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, server: Served, scheme: Any) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    desk = Desk(context.new_page(), server.url)
    desk.open_sample(WIDE)
    expect(desk.page.locator(f"body.body--{scheme}")).to_be_attached()
    assert_clean(desk.page)
    desk.press("Tab", "l")
    assert_clean(desk.page)
    desk.press("Escape", "d")
    assert_clean(desk.page)
    desk.press("Escape", "?")
    assert_clean(desk.page)
    desk.press("Escape", "e")
    desk.page.get_by_role("textbox", name="Text").fill("nothing of use")
    expect(desk.page.locator(".desk-checks .failed").first).to_be_visible()
    assert_clean(desk.page)
    desk.press("Escape")
    desk.route("**/api/reviews", lambda route: route.abort())
    desk.press("u")
    expect(desk.notices).to_contain_text("Not saved yet")
    assert_clean(desk.page)
    context.close()


def test_tab_leads_through_the_boxes_and_on(page: Page, server: Served) -> None:
    desk = Desk(page, server.url)
    desk.open_sample(WIDE)
    visited = []
    for _ in range(60):
        desk.press("Tab")
        visited.append(
            page.evaluate(
                "document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"
            )
        )
        if visited[-1].startswith("Unsure"):
            break
    assert visited[0].startswith("Box 1 of 2") and visited[1].startswith("Box 2 of 2")
    assert any(name.startswith("Keep") for name in visited) and visited[-1].startswith("Unsure")
    desk.press("Escape", "Shift+Tab")
    assert page.evaluate("document.activeElement.closest('.desk') !== null")


def test_what_happens_is_said(page: Page, server: Served) -> None:
    desk = Desk(page, server.url)
    desk.open_sample(PART)
    expect(desk.message).to_have_attribute("role", "status")
    desk.press("g")
    expect(desk.message).to_contain_text("Select two boxes or more")
    desk.press("Tab", "Delete")
    expect(desk.message).to_have_text("Deleted.")
    desk.press("Control+z")
    expect(desk.message).to_have_text("Undone.")
    desk.press("p")
    expect(desk.message).to_have_text("There is nothing to propose from.")
