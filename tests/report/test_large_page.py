"""5,000 queries in one page: whole, lazily drawn, with the pictures apart."""

from __future__ import annotations

import asyncio
from pathlib import Path

from browser import benchmark, facts_of, needs_browser, queries_of
from mmrad.report.page import ReportWriter

QUERIES = 5000


@needs_browser
def test_five_thousand_queries_open(tmp_path: Path) -> None:
    bench = benchmark()
    runs = bench.make_runs(tmp_path, QUERIES, bench.MODELS[3:4])
    path = ReportWriter(tmp_path / "report.html", gallery=QUERIES, thumb=48, beside=True).write(runs)
    assert facts_of(path)["runs"][0]["overall"]["samples"] == QUERIES
    assert len(queries_of(path)["queries"]["id"]) == QUERIES

    async def look() -> list[object]:
        async with bench.browsing(path.as_uri() + "#open=visa/pcb1/test/04989") as evaluate:
            await bench.until(evaluate, "document.documentElement.dataset.ready")
            await bench.until(evaluate, "document.querySelector('.panel img')?.naturalWidth")
            found = [await evaluate("byId('viewer-title').textContent"), await evaluate("entries.length")]
            found.append(await evaluate("document.querySelectorAll('.card').length < 300"))
            await evaluate("viewer.close(); byId('method').scrollIntoView({ behavior: 'instant' })")
            await bench.until(evaluate, "document.querySelectorAll('.card').length > 48")
            found.append(await evaluate("byId('pictures-missing').hidden"))
            return found

    assert asyncio.run(look()) == ["visa/pcb1/test/04989", QUERIES, True, True]
