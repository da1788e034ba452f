"""5,000 queries in one page: whole, lazily drawn, with the pictures apart."""

from __future__ import annotations

from pathlib import Path

from browser import benchmark, facts_of, needs_browser, opened, queries_of
from mmrad.report.page import ReportWriter

QUERIES = 5000


@needs_browser
def test_five_thousand_queries_open(tmp_path: Path) -> None:
    bench = benchmark()
    runs = bench.make_runs(tmp_path, QUERIES, bench.MODELS[3:4])
    path = ReportWriter(tmp_path / "report.html", gallery=QUERIES, thumb=48, beside=True).write(runs)
    assert facts_of(path)["runs"][0]["overall"]["samples"] == QUERIES
    assert len(queries_of(path)["queries"]["id"]) == QUERIES

    with opened(path, "#open=visa/pcb1/test/04989") as page:
        page.wait_for_function("document.querySelector('.panel img')?.naturalWidth")
        assert page.locator("#viewer-title").inner_text() == "visa/pcb1/test/04989"
        assert page.evaluate("entries.length") == QUERIES
        assert page.locator(".card").count() < 300
        page.evaluate("viewer.close(); byId('method').scrollIntoView({ behavior: 'instant' })")
        page.wait_for_function("document.querySelectorAll('.card').length > 48")
        assert page.locator("#pictures-missing").is_hidden()
