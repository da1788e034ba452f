from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from browser import Page, driven, facts_of, needs_browser, opened, queries_of, rendered
from mmrad.bench import Run
from mmrad.errors import DataError, UsageError
from mmrad.metrics import score
from mmrad.report import write_report
from mmrad.report.facts import COMPARED
from mmrad.report.page import ReportWriter
from mmrad.sample import Usage, Verdict


@pytest.fixture
def written(runs: list[Run], tmp_path: Path) -> Path:
    return write_report(runs, tmp_path / "out", thumb=32)


def with_verdicts(run: Run, verdicts: dict[str, Verdict], **info: object) -> Run:
    changed = Run(run.path, run.info.model_copy(update=info))
    changed.__dict__.update(verdicts=verdicts)
    return changed


def test_hostile_text_stays_text(written: Path) -> None:
    page = Page(written.read_text("utf-8"))
    scripts = page.named("script")
    assert [script.get("id") for script in scripts] == ["facts", None, "images", "queries"]
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
    assert "default-src 'none'; img-src data:;" in (policy["content"] or "")


def test_the_embedded_figures_are_those_of_the_metrics(written: Path, runs: list[Run]) -> None:
    data = facts_of(written)
    for run, shown in zip(runs, data["runs"], strict=True):
        expected = score(run.samples, run.verdicts).categories[0].figures["accuracy"]
        values = [expected.value, expected.low, expected.high, expected.categories]
        assert shown["categories"][0]["figures"]["accuracy"] == values
    assert len(queries_of(written)["queries"]["id"]) == 5


def test_differences_are_turned_for_the_other_leader(written: Path) -> None:
    first, second = facts_of(written)["pairs"]
    assert (first["leader"], first["run"], second["leader"], second["run"]) == (0, 1, 1, 0)
    for name in COMPARED:
        (a, low, high, p, adjusted), (b, *_) = first["figures"][name], second["figures"][name]
        assert a == -b and low <= a <= high
        assert p == adjusted  # one comparison with each leader


def test_runs_on_different_queries_are_not_passed_off_as_comparable(runs: list[Run], tmp_path: Path) -> None:
    fewer = Run(runs[1].path, runs[1].info.model_copy(update={"sample_ids": runs[1].info.sample_ids[:3]}))
    with pytest.raises(UsageError, match="different queries"):
        write_report([runs[0], fewer], tmp_path / "refused.html")
    assert not (tmp_path / "refused.html").exists()
    path = write_report([runs[0], fewer], tmp_path / "other.html", mixed=True)
    assert path.name == "other.html"
    assert "Not comparable" in path.read_text("utf-8")


def test_no_run_or_an_empty_one_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        write_report([], tmp_path)
    with pytest.raises(UsageError, match="'hasty' has no queries"):
        write_report([with_verdicts(runs[1], {}, sample_ids=[])], tmp_path)
    with pytest.raises(DataError, match="no verdict yet"):
        write_report([with_verdicts(runs[1], {})], tmp_path)


def test_what_is_not_asked_yet_is_no_failure(runs: list[Run], tmp_path: Path) -> None:
    asked = dict(list(runs[0].verdicts.items())[:2])
    path = write_report([with_verdicts(runs[0], asked), with_verdicts(runs[1], {})], tmp_path)
    shown = facts_of(path)["runs"]
    assert len(shown) == 1
    assert (shown[0]["asked"], shown[0]["of"]) == (2, 5)
    assert shown[0]["overall"]["figures"]["accuracy"][0] == 1.0  # of those asked
    assert shown[0]["overall"]["unanswered"] == {}
    text = " ".join(" ".join(Page(path.read_text("utf-8")).texts).split())
    assert "2 of 5 answered so far" in text
    assert "Without any answer yet, and so in no table: hasty" in text


def test_repeats_are_one_row_with_their_spread(runs: list[Run], tmp_path: Path) -> None:
    about = [{"variant_of": "hasty", "repeat": n} for n in (1, 2)]
    second = {key: runs[0].verdicts[key] for key in runs[1].verdicts}
    repeated = [
        with_verdicts(runs[1], runs[1].verdicts, about=about[0]),
        with_verdicts(runs[1], second, about=about[1], name="hasty#2"),
    ]
    found = facts_of(write_report(repeated, tmp_path))["repeats"]["hasty"]
    values = [score(run.samples, run.verdicts).overall.figures["accuracy"].value for run in repeated]
    assert found["count"] == 2
    assert found["overall"]["accuracy"][0] == pytest.approx(sum(v or 0 for v in values) / 2)


def test_an_unknown_price_is_never_free(runs: list[Run], tmp_path: Path) -> None:
    tokens = {
        key: replace(verdict, usage=Usage(1000, 100, 1.0, cached=key.endswith("good1")))
        for key, verdict in runs[0].verdicts.items()
    }
    priced = with_verdicts(runs[0], tokens, about={"price": {"input": 2.0, "output": 10.0}})
    costs = [run["cost"] for run in facts_of(write_report([priced, runs[1]], tmp_path))["runs"]]
    assert costs[0]["dollars"] == pytest.approx(3.0)  # the answer out of the cache does not make it cheaper
    assert costs[1]["dollars"] is None


def test_published_rows_stand_only_beside_their_dataset(runs: list[Run], tmp_path: Path) -> None:
    # The corpus of these tests has one source, `plant`, that the adapter of MVTec AD reads.
    rows = facts_of(write_report(runs, tmp_path, published=True))["published"]
    assert {row["source"] for row in rows} == {"plant"}
    gemini = next(row for row in rows if row["model"] == "Gemini-2.5-pro")
    assert gemini["figures"]["accuracy"] == pytest.approx(0.794)
    assert gemini["figures"]["iou0.1_recall"] == pytest.approx(0.460)
    assert facts_of(write_report(runs, tmp_path))["published"] == []


@needs_browser
def test_a_browser_draws_the_page(written: Path) -> None:
    html = rendered(written, "#open=plant/bolt/test/bad2")
    page = Page(html)
    classes = page.classes()
    assert classes.count("card") == 5
    assert classes.count("panel") == 2
    assert {"rect", "path"} <= {tag for tag, _ in page.tags}
    assert "open" in page.named("dialog")[0]
    text = " ".join(page.texts)
    assert "<title>taken</title>" not in html
    assert "Partly right" in text
    assert "not a readable image" in text


@needs_browser
def test_a_filter_in_the_address_is_applied(written: Path) -> None:
    page = Page(rendered(written, "#run=1&outcome=missed"))
    assert page.classes().count("card") == 3


@needs_browser
def test_the_leaderboard_sorts_by_mouse_and_keyboard(written: Path) -> None:
    steps = """
      const first = () => document.querySelector(".leaderboard tbody th").dataset.value.slice(0, 5);
      const heading = () => document.querySelector('.leaderboard th[data-key="accuracy"]');
      heading().firstChild.click(); log.push(first(), heading().getAttribute("aria-sort"));
      heading().firstChild.click(); log.push(first(), heading().getAttribute("aria-sort"));
      log.push(heading().firstChild.tagName, heading().firstChild.type, heading().firstChild.tabIndex);
      change(document.querySelector('input[name="iou"][value="0.5"]'), true);
      log.push(first(), heading().getAttribute("aria-sort"), state.iou);"""
    found = driven(written, steps)
    # A button in the heading is reached by Tab and pressed by Enter; a new figure keeps the order.
    assert found == [
        "caref", "descending", "hasty", "ascending", "BUTTON", "button", "0", "hasty", "ascending", "0.5",
    ]  # fmt: skip


@needs_browser
def test_keys_step_and_the_address_follows(written: Path) -> None:
    steps = """
      const place = () => byId("viewer-place").textContent[0];
      document.querySelector(".card").click(); log.push(place());
      press("ArrowRight"); log.push(place());
      press("ArrowLeft"); press("ArrowLeft"); log.push(place());
      log.push(new URLSearchParams(location.hash.slice(1)).get("open") === entries[4].id);
      press("b"); press("t"); log.push(document.body.className);
      const closed = new Promise((done) => viewer.addEventListener("close", done));
      byId("close").click(); await closed; log.push(viewer.open, location.hash);"""
    assert driven(written, steps) == [
        "1", "2", "5", "true", "no-boxes no-truth", "false", "#boxes=0&truth=0",
    ]  # fmt: skip


@needs_browser
def test_filters_and_search(written: Path) -> None:
    steps = """
      const form = byId("gallery-controls").elements;
      const cards = () => document.querySelectorAll(".card").length;
      const names = () => entries.map((item) => item.id.split("/").pop()).sort().join(" ");
      change(form.show, "disagree"); log.push(names());
      change(form.show, "low_iou"); log.push(names());
      change(form.show, "wrong"); change(form.run, "0"); log.push(names());
      change(form.show, ""); change(form.run, "all"); change(form.label, "normal");
      log.push(names());
      change(form.label, ""); change(form.q, "BAD1"); await later(300); log.push(cards());
      change(form.q, "no such text"); await later(300);
      log.push(cards(), byId("gallery-count").textContent);"""
    assert driven(written, steps) == [
        "bad1 bad2 bad3 good1",
        "bad3",
        "bad2 bad3 good2",
        "good1 good2",
        "1",
        "0",
        "Nothing fits these filters.",
    ]


@needs_browser
def test_a_link_to_a_query_wins_over_filters_that_hide_it(written: Path) -> None:
    steps = 'log.push(viewer.open, byId("viewer-title").textContent);'
    hash_ = "#run=1&outcome=right&open=plant/bolt/test/bad1"
    assert driven(written, steps, hash_) == ["true", "plant/bolt/test/bad1"]


@needs_browser
def test_boxes_in_the_reasoning_are_marked_by_their_worth(runs: list[Run], tmp_path: Path) -> None:
    think = "Seen at [8, 8, 28, 24], and [60, 40, 76, 56] too; [1, 2, 3, 4] is light."
    answer = "Yes. {'bbox_2d': [8, 8, 28, 24], 'label': 'x'}, {'bbox_2d': [60, 40, 76, 56], 'label': 'x'}"
    key = next(key for key in runs[0].verdicts if key.endswith("bad2"))
    said = runs[0].verdicts[key]
    places = tuple(replace(region, label="x") for region in said.regions)
    raw = f"<think>{think}</think><answer>{answer}</answer>"
    verdicts = {**runs[0].verdicts, key: replace(said, think=think, raw_text=raw, regions=places)}
    path = write_report([with_verdicts(runs[0], verdicts)], tmp_path / "out", thumb=32)
    steps = """
      const marks = document.querySelectorAll(".panel mark");
      for (const mark of marks) log.push(mark.className, mark.firstChild.data);
      log.push(document.querySelector(".panel .raw").textContent.length);"""
    assert driven(path, steps, f"#open={key}") == [
        "hit", "[8, 8, 28, 24]", "wrong", "[60, 40, 76, 56]", "other", "[1, 2, 3, 4]", str(len(raw)),
    ]  # fmt: skip


@needs_browser
def test_downloads_are_the_tables_as_text(written: Path) -> None:
    steps = """
      const blobs = [];
      URL.createObjectURL = (blob) => { blobs.push(blob); return "data:,"; };
      HTMLAnchorElement.prototype.click = function () { log.push(this.download); };
      for (const button of document.querySelectorAll("[data-download]")) button.click();
      for (const blob of blobs) log.push(await blob.text());"""
    tex, md, csv, *texts = driven(written, steps)
    assert (tex, md, csv) == ("leaderboard.tex", "leaderboard.md", "leaderboard.csv")
    assert texts == [facts_of(written)["downloads"][name] for name in (tex, md, csv)]
    assert "\\toprule" in texts[0] and "| ---" in texts[1] and texts[2].startswith("section,model")


@needs_browser
def test_another_leader_is_compared_with(written: Path) -> None:
    steps = """
      const cell = () => document.querySelector(".comparison tbody td .number").textContent;
      log.push(cell());
      change(byId("comparison-controls").elements.leader, "1");
      log.push(cell());"""
    first, second = driven(written, steps)
    assert (first[0], second[0]) == ("−", "+")
    assert first[1:] == second[1:]


@needs_browser
@pytest.mark.parametrize("there", [True, False])
def test_pictures_beside_the_page_may_be_missing(runs: list[Run], tmp_path: Path, there: bool) -> None:
    path = ReportWriter(tmp_path / "page.html", thumb=32, beside=True).write(runs)
    assert json.loads(path.read_text("utf-8").partition('id="images">')[2].partition("</script>")[0])
    if not there:
        (tmp_path / "page_files").rename(tmp_path / "elsewhere")
    with opened(path) as page:
        page.locator(".card").first.scroll_into_view_if_needed()  # they are loaded when they are looked at
        if there:
            page.wait_for_function("document.querySelector('.card img').naturalWidth")
        else:
            page.locator("#pictures-missing").wait_for()
        assert page.locator("#pictures-missing").is_hidden() == there
        assert bool(page.locator("img[src^='page_files/']").count()) == there
        assert page.locator(".card").count() == 5


@needs_browser
def test_controls_and_plots_have_names(written: Path) -> None:
    steps = """
      const all = (selector) => [...document.querySelectorAll(selector)];
      const named = (field) => field.labels?.length || field.ariaLabel || field.textContent.trim();
      const fields = all("select, input, button").filter((field) => !named(field));
      log.push(...fields.map((field) => field.outerHTML));
      log.push(...all("svg.chart").filter((chart) => !chart.ariaLabel).map(() => "chart"));
      log.push(...all("img").filter((image) => !image.alt).map((image) => image.src));
      const headed = (table) => table.tBodies[0].rows[0].querySelector("th[scope=row]");
      log.push(...all("table").filter((table) => !headed(table)).map((table) => table.id));
      log.push(document.querySelectorAll("svg.chart").length);"""
    assert driven(written, steps, "#open=plant/bolt/test/bad2") == ["3"]
