from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import pytest

from mmrad.errors import DataError
from mmrad.report import published
from mmrad.report.published import SOURCES, published_rows
from mmrad.sources.registry import ADAPTERS


def test_every_model_of_table_4_is_there_on_its_four_datasets() -> None:
    rows = published_rows()
    models = list(dict.fromkeys(row.model for row in rows))
    assert len(models) == 21
    assert len(rows) == 4 * len(models)
    assert {row.group for row in rows} == {"commercial", "open", "expert_full_shot", "anomaly_r1"}
    [gpt] = [row for row in rows if row.model == "GPT-4o" and row.source == "visa"]
    assert (gpt.det_accuracy, gpt.det_recall, gpt.det_precision) == (57.6, 69.4, 61.1)
    assert (gpt.loc_accuracy, gpt.loc_recall, gpt.loc_precision) == (3.7, 5.8, 9.2)


def test_datasets_are_sources_that_mmrad_reads() -> None:
    assert {row.source for row in published_rows()} == set(SOURCES.values()) <= ADAPTERS.keys()


def test_only_a_model_that_names_no_places_lacks_figures() -> None:
    lacking = {row.model for row in published_rows() if row.loc_accuracy is None}
    assert lacking == {"AnomalyGPT-7B"}
    assert all(row.det_accuracy is not None for row in published_rows())


def test_a_found_place_is_at_least_as_rare_as_one_that_is_right() -> None:
    """TP / (TP + FP + FN) is at most recall and precision in a category, and so it is in the mean."""
    for row in published_rows():
        if row.loc_accuracy is not None and row.loc_recall is not None and row.loc_precision is not None:
            assert row.loc_accuracy <= min(row.loc_recall, row.loc_precision) + 0.1, row
    assert 60 < mean(row.det_accuracy or 0 for row in published_rows()) < 90


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "table4.csv"
    monkeypatch.setattr(published, "_FILE", str(path))
    yield path
    published_rows.cache_clear()


@pytest.mark.parametrize(
    "line",
    ["open,M,VisA,101,1,1,1,1,1", "open,M,Other,1,1,1,1,1,1", "open,M,VisA,x,1,1,1,1,1", "open,M,VisA,1"],
)
def test_a_damaged_file_is_told(damaged: Path, line: str) -> None:
    header = "group,model,dataset,det_accuracy,det_recall,det_precision,loc_accuracy,loc_recall,loc_precision"
    for content in (line, "open,M,VisA,1,1,1,,,\nopen,M,VisA,2,1,1,,,"):
        damaged.write_text(f"{header}\n{content}\n", "utf-8")
        published_rows.cache_clear()
        with pytest.raises(DataError, match="install mmrad again"):
            published_rows()
