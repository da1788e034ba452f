"""A running review application and a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from browser import CHROMIUM, chromium
from builders import make_corpus
from served import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`mmrad review` on six samples, without accounts; the person is ann."""
    folder = tmp_path_factory.mktemp("review") / "corpus"
    make_corpus(folder, 6)
    with served(folder, "--reviewer", "ann") as running:
        yield running


@pytest.fixture(scope="module")  # Playwright's event loop runs until then, and `asyncio.run` wants none
def browser() -> Iterator[Browser]:
    """Debian's Chromium; tests are skipped without it."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page with a profile of its own; an error in its scripts fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors
