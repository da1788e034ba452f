from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mmrad.bench import Run
from mmrad.errors import UsageError
from mmrad.metrics import score
from mmrad.report import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """Tags with their attributes, and the text of each element that holds raw text."""

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


@pytest.fixture
def written(runs: list[Run], tmp_path: Path) -> Path:
    return write_report(runs, tmp_path / "out", thumb=32)


def test_hostile_text_stays_text(written: Path) -> None:
    page = Page(written.read_text("utf-8"))
    scripts = page.named("script")
    assert len(scripts) == 2  # the data and our own
    assert page.named("img") == []
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)


def test_nothing_is_asked_of_the_network(written: Path) -> None:
    text = written.read_text("utf-8")
    page = Page(text)
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    assert not re.search(r"https?://|@import|url\(", text)
    policy = next(m for m in page.named("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in (policy["content"] or "")


def test_the_embedded_figures_are_those_of_the_metrics(written: Path, runs: list[Run]) -> None:
    found = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', written.read_text(), re.DOTALL
    )
    assert found
    data = json.loads(found[1])
    for run, shown in zip(runs, data["runs"], strict=True):
        expected = score(run.samples, run.verdicts).categories[0].figures["accuracy"]
        values = [expected.value, expected.low, expected.high, expected.categories]
        assert shown["categories"][0]["figures"]["accuracy"] == values
    assert len(data["gallery"]) == 5


def test_runs_on_different_queries_are_not_passed_off_as_comparable(runs: list[Run], tmp_path: Path) -> None:
    assert "did not judge the same queries" not in write_report(runs, tmp_path / "same.html").read_text()
    fewer = Run(runs[1].path, runs[1].info.model_copy(update={"sample_ids": runs[1].info.sample_ids[:3]}))
    path = write_report([runs[0], fewer], tmp_path / "other.html")
    assert path.name == "other.html"
    assert "did not judge the same queries" in path.read_text("utf-8")


def test_no_run_or_an_empty_one_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run to report"):
        write_report([], tmp_path)
    empty = Run(runs[1].path, runs[1].info.model_copy(update={"sample_ids": []}))
    with pytest.raises(UsageError, match="'hasty' has no queries"):
        write_report([empty], tmp_path)


@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, so the page's script cannot be run"
)
def test_a_browser_draws_the_page(written: Path, tmp_path: Path) -> None:
    assert CHROMIUM
    rendered = _rendered(written, "#run=all&open=0:plant/bolt/test/bad2", tmp_path)
    page = Page(rendered)
    classes = [attributes.get("class") or "" for _, attributes in page.tags]
    assert classes.count("card") == 10  # five queries, two runs
    assert {"rect"} <= {tag for tag, _ in page.tags}
    assert sum(tag == "tr" for tag, _ in page.tags) == 4 + 2 + 2  # leaderboard, differences, breakdown
    assert "open" in page.named("dialog")[0]
    text = " ".join(page.texts)
    assert "<title>taken</title>" not in rendered
    assert "Partly found" in text
    assert "not a readable image" in text


@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, so the page's script cannot be run"
)
def test_a_filter_in_the_address_is_applied(written: Path, tmp_path: Path) -> None:
    page = Page(_rendered(written, "#run=1&outcome=missed", tmp_path))
    assert sum(attributes.get("class") == "card" for _, attributes in page.tags) == 3


DRIVER = """<script>
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const first = () => document.querySelector(".leaderboard tbody th").textContent.slice(0, 5);
const place = () => document.getElementById("viewer-place").textContent[0];
const log = [];
const accuracy = document.querySelectorAll(".leaderboard thead button")[1];
accuracy.click(); log.push(first());
accuracy.click(); log.push(first());
document.querySelector(".card").click(); log.push(place());
press("ArrowRight"); log.push(place());
press("ArrowLeft"); press("ArrowLeft"); log.push(place());
press("m"); log.push(new URLSearchParams(location.hash.slice(1)).get("open")[0]);
press("b"); log.push(document.body.className);
document.getElementById("close").click(); log.push(String(viewer.open));
const search = document.querySelector("input[type=search]");
search.value = "bad1"; search.dispatchEvent(new Event("input", { bubbles: true }));
log.push(String(document.querySelectorAll(".card").length));
document.body.append("driven: " + log.join(" "));
</script>"""


@pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine, so the page's script cannot be run"
)
def test_sorting_keys_and_search_work(written: Path, tmp_path: Path) -> None:
    text = written.read_text("utf-8")
    driven = tmp_path / "driven.html"
    # The page's own policy would, rightly, not let a second script run.
    driven.write_text(re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text) + DRIVER, "utf-8")
    found = re.search(r"driven: ([^<]*)", _rendered(driven, "#run=0", tmp_path).rpartition("</script>")[2])
    assert found
    assert found[1].split() == ["caref", "hasty", "1", "2", "5", "1", "no-boxes", "false", "1"]


def _rendered(path: Path, hash_: str, folder: Path) -> str:
    """The page's document after its script has run."""
    command = [
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", "--dump-dom",
        path.as_uri() + hash_,
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
