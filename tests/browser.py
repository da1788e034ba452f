"""Pages in a real browser, and what a parser sees of them."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api as playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, so the page's script cannot be run"
)
PATIENCE = 60_000
"""Milliseconds in which something must show; these machines are shared."""


class Page(HTMLParser):
    """Tags with their attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def classes(self) -> list[str]:
        return [attributes.get("class") or "" for _, attributes in self.tags]


def benchmark() -> Any:
    """`benchmarks/report.py`, which makes large runs and opens pages in real time."""
    path = Path(__file__).parents[1] / "benchmarks" / "report.py"
    spec = importlib.util.spec_from_file_location("report_benchmark", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def facts_of(path: Path) -> dict[str, Any]:
    """The figures in a page."""
    return json.loads(_script(path, "facts"))


def queries_of(path: Path) -> dict[str, Any]:
    """The gallery in a page."""
    return json.loads(gzip.decompress(base64.b64decode(_script(path, "queries"))))


def _script(path: Path, name: str) -> str:
    found = re.search(
        rf'<script type="[a-z/]+" id="{name}">(.*?)</script>', path.read_text("utf-8"), re.DOTALL
    )
    assert found
    return found[1]


@contextmanager
def chromium() -> Iterator[playwright.Browser]:
    """Debian's Chromium, in real time: its virtual time runs out while another process reads a blob."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(path: Path, hash_: str = "", *, bypass_csp: bool = True) -> Iterator[playwright.Page]:
    """A page that has started; an error in its scripts fails the test.

    Args:
        path: The page.
        hash_: What the address ends with.
        bypass_csp: Whether scripts of a test may do what the page's own policy forbids, such as waiting.
    """
    with chromium() as browser:
        page = browser.new_page(bypass_csp=bypass_csp)
        page.set_default_timeout(PATIENCE)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri() + hash_)
        page.wait_for_function("document.documentElement?.dataset.ready")
        yield page
        assert not errors


def rendered(path: Path, hash_: str = "") -> str:
    """The page's document after its script has run."""
    with opened(path, hash_, bypass_csp=False) as page:
        return page.content()


def driven(path: Path, steps: str, hash_: str = "") -> list[str]:
    """What a script writes to `log` in a page that has started.

    Args:
        path: The page.
        steps: Body of an asynchronous function; `log` is a list of texts, `press` a key.
        hash_: What the address ends with.
    """
    with opened(path, hash_) as page:
        return list(page.evaluate(DRIVER.replace("STEPS", steps)))


DRIVER = """async () => {
  const log = [];
  const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const change = (field, value) => {
    if (field.type === "checkbox" || field.type === "radio") field.checked = value; else field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
  STEPS
  return log.map(String);
}"""
