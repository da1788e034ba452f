from __future__ import annotations

from dataclasses import asdict

from mmrad.curate.paper import table_1, table_3
from mmrad.sources import ADAPTERS


def test_table_1_adds_up_and_names_adapters_that_exist() -> None:
    rows = table_1()
    assert set(rows) - {"SUM"} <= set(ADAPTERS)
    total = rows.pop("SUM")
    assert rows.pop("mmr-ad") is total
    sources = {row.name: row for row in rows.values()}
    assert len(sources) == 14
    for figure in ("images", "text_tokens", "categories", "anomaly_types", "anomalies"):
        assert sum(asdict(row)[figure] for row in sources.values()) == asdict(total)[figure]


def test_table_1_has_a_row_for_every_source_of_the_paper() -> None:
    rows = table_1()
    assert rows["mvtec"].images == 2485
    assert rows["mvtec"].anomaly_types == 37
    assert rows["visa"] == rows["visa-converted"]
    assert "deeppcb" not in rows


def test_table_3_agrees_with_its_own_printed_figures() -> None:
    rows = {row.counts.name: row for row in table_3()}
    assert list(rows) == ["MMAD", "Anomaly-Instruct-125K", "MMR-AD"]
    assert [round(row.counts.tokens_per_sample or 0) for row in rows.values()] == [69, 80, 208]
    for row in rows.values():
        counts = row.counts
        assert row.published
        assert (counts.normal or 0) + (counts.anomalous or 0) == counts.images
    assert rows["Anomaly-Instruct-125K"].counts.anomaly_types is None
