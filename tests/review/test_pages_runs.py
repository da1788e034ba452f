"""Verdicts of runs over the truth, and two runs compared."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from browser import needs_browser
from mmrad.bench.run import Run
from mmrad.sample import Sample, Verdict
from reviewed import made_runs, reviewed_corpus
from served import Served, served

pytestmark = needs_browser


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    return made_runs(reviewed_corpus(folder / "corpus", 40), folder / "runs")


@pytest.fixture(scope="module")
def running(runs: list[Run]) -> Iterator[Served]:
    with served(runs[0].path.parent, command="view") as server:
        yield server


def kind(sample: Sample, verdict: Verdict) -> str:
    """How a verdict is called on the page."""
    if verdict.anomalous is None:
        return "No answer"
    if verdict.anomalous == sample.anomalous:
        return "Right"
    return "Missed" if sample.anomalous else "False alarm"


def kinds(run: Run) -> dict[str, str]:
    return {sample.id: kind(sample, run.verdicts[sample.id]) for sample in run.samples}


def count(page: Page, name: str, expected: int) -> None:
    button = page.get_by_role("group", name="Samples").get_by_role("button", name=name)
    expect(button.locator("strong")).to_have_text(str(expected))


def shown(page: Page, expected: int) -> None:
    expect(page.locator("a.sample[aria-label]:not([aria-label=loading])")).to_have_count(expected)


def test_verdicts_are_counted_and_looked_at(running: Served, runs: list[Run], page: Page) -> None:
    model = kinds(runs[0])
    page.set_viewport_size({"width": 1900, "height": 1800})
    page.goto(f"{running.url}/runs?run=model")
    for name in ("Right", "Missed", "False alarm", "No answer"):
        count(page, name, list(model.values()).count(name))
    page.get_by_role("button", name="Missed").click()
    shown(page, list(model.values()).count("Missed"))
    page.wait_for_url("**/runs?run=model&kind=missed")
    page.reload()
    expect(page.get_by_role("button", name="Missed")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Right").click()
    found = [s for s in runs[0].samples if model[s.id] == "Right" and s.anomalous]
    shown(page, list(model.values()).count("Right"))
    cell = page.locator(f'a.sample[aria-label$="{found[0].id}"]')
    expect(cell.locator("rect.true")).to_have_count(len(found[0].regions))
    expect(cell.locator("rect.claimed")).to_have_count(len(runs[0].verdicts[found[0].id].regions))
    cell.click()
    dialog = page.get_by_role("dialog", name=found[0].id)
    expect(dialog.get_by_text("Looks so.")).to_be_visible()
    expect(dialog.get_by_text("right: says anomalous, score")).to_be_visible()


def test_two_runs_are_compared(running: Served, runs: list[Run], page: Page) -> None:
    model, expert = (kinds(run) for run in runs)
    right = {name: (model[name] == "Right", expert[name] == "Right") for name in model}
    page.goto(f"{running.url}/runs?run=model")
    page.get_by_label("Compared with").click()
    page.get_by_role("option", name="expert").click()
    count(page, "Both right", list(right.values()).count((True, True)))
    count(page, "Only model", list(right.values()).count((True, False)))
    count(page, "Only expert", list(right.values()).count((False, True)))
    count(page, "Neither", list(right.values()).count((False, False)))
    page.get_by_role("button", name="Only expert").click()
    shown(page, list(right.values()).count((False, True)))
    sample = next(s for s in runs[0].samples if right[s.id] == (False, True))
    page.locator(f'a.sample[aria-label$="{sample.id}"]').click()
    dialog = page.get_by_role("dialog", name=sample.id)
    expect(dialog.get_by_role("heading", name="model", exact=True)).to_be_visible()
    expect(dialog.get_by_role("heading", name="expert", exact=True)).to_be_visible()
    expect(dialog.locator(".picture-key")).to_have_count(3)


def test_a_run_that_is_not_there_is_told(running: Served, page: Page) -> None:
    page.goto(f"{running.url}/runs?run=nobody")
    expect(page.get_by_role("alert")).to_contain_text("there is no run 'nobody'")
