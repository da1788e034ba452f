"""Pages in a real browser, and what a parser sees of them."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, so the page's script cannot be run"
)


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


def rendered(path: Path, hash_: str, folder: Path, budget: int = 5000) -> str:
    """The page's document after its script has run."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder / 'profile'}", f"--virtual-time-budget={budget}", "--dump-dom",
        path.as_uri() + hash_,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def driven(path: Path, steps: str, hash_: str, folder: Path) -> list[str]:
    """What a script writes to `log` in a page that has started.

    Args:
        path: The page.
        steps: Body of an asynchronous function; `log` is a list of texts, `press` a key.
        hash_: What the address ends with.
        folder: For files.
    """
    text = path.read_text("utf-8")
    # The page's own policy would, rightly, not let a second script run.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    copy = path.with_name("driven.html")
    copy.write_text(text + DRIVER.replace("STEPS", steps), "utf-8")
    found = re.search(r'<pre id="driven">(.*?)</pre>', rendered(copy, hash_, folder), re.DOTALL)
    assert found, "the script did not run to its end"
    return list(json.loads(Page(found[1]).texts[0]))


DRIVER = """<script>
const log = [];
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const change = (field, value) => {
  if (field.type === "checkbox" || field.type === "radio") field.checked = value; else field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
};
const later = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
(async () => {
  while (!document.documentElement.dataset.ready) await later(20);
  try { STEPS } catch (error) { log.push(`failed: ${error}`); }
  const out = document.createElement("pre");
  out.id = "driven";
  out.textContent = JSON.stringify(log.map(String));
  document.body.append(out);
})();
</script>"""
