from __future__ import annotations

import base64
import io
import json
import re
from html import escape
from pathlib import Path

import pytest
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import SourceInfo, write_corpus
from mmrad.curate.paper import table_1, table_3
from mmrad.curate.statistics import Composition, Dataset, Statistics, count_corpus
from mmrad.report.statistics import Summary, composition_table, dataset_table, shown_tables, write_statistics
from mmrad.sample import Region, Sample

HOSTILE = "</td><script>document.title='taken'</script><img src=x onerror=\"alert(1)\"> & $\\frac{ 検査"


def count(folder: Path, category: str, *, anomalous: bool = True) -> Statistics:
    region = Region(Box(2, 2, 12, 12), HOSTILE)
    samples = [
        Sample(f"plant/x/test/{n}", "plant", category, "test", f"{n}.png", (40, 10),
               (region,) * n if anomalous else (), "CC0")
        for n in range(4)
    ]  # fmt: skip
    info = SourceInfo(adapter="mvtec", root="raw", licence="CC0")
    return count_corpus(write_corpus(folder, {"plant": info}, samples), [], None)


@pytest.fixture
def statistics(tmp_path: Path) -> Statistics:
    return count(tmp_path / "corpus", HOSTILE)


def test_hostile_names_stay_text(statistics: Statistics, tmp_path: Path) -> None:
    other = Dataset(Composition(HOSTILE, images=3), HOSTILE, HOSTILE)
    summary = Summary(tmp_path / HOSTILE.replace("/", ""), statistics, HOSTILE, (HOSTILE,), datasets=(other,))
    page = write_statistics(summary, tmp_path / "out").read_text("utf-8")
    assert "<script" not in page
    assert HOSTILE not in page
    # The category, the note, the dataset's three cells, and the tokenizer under both tables.
    assert page.count(escape(HOSTILE, quote=True).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")) == 7


def test_the_page_holds_everything_it_shows(statistics: Statistics, tmp_path: Path) -> None:
    page = write_statistics(Summary(tmp_path, statistics, "some-model"), tmp_path / "out")
    text = page.read_text("utf-8")
    assert not re.search(r"https?://|@import|url\(", text)
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'(?:src|href)="([^"]*)', text))
    assert "default-src 'none'" in text
    embedded = [base64.b64decode(found) for found in re.findall(r"data:image/png;base64,([^\"]+)", text)]
    files = [page.with_name(f"{name}.png") for name in ("box_size", "boxes_per_image", "images_per_category")]
    assert embedded == [path.read_bytes() for path in files]
    for content in embedded:
        with Image.open(io.BytesIO(content)) as image:
            assert len(set(image.convert("L").get_flattened_data())) > 2


def test_a_corpus_without_anomalies_has_a_page(tmp_path: Path) -> None:
    statistics = count(tmp_path / "corpus", "nut", anomalous=False)
    page = write_statistics(Summary(tmp_path, statistics, None), tmp_path / "out").read_text("utf-8")
    assert "The corpus has no anomalous image." in page


def test_the_papers_row_stands_below_its_source(statistics: Statistics, tmp_path: Path) -> None:
    rows = table_1()
    paper = {"plant": rows["mvtec"], "SUM": rows["SUM"]}
    table = composition_table(Summary(tmp_path, statistics, "some-model", paper=paper))
    names = [(published, cells[0].strip()) for published, cells in table.rows]
    assert names == [(False, "plant"), (True, "MVTecAD (paper)"), (False, "SUM"), (True, "SUM (paper)")]
    shown = dict(zip(table.columns, table.rows[1][1], strict=True))
    assert shown["images"] == "2,485"
    assert shown["text tokens"] == "503,306"
    assert shown["normal"] == "–"
    assert shown["anomaly types"] == "37"
    assert "tokenizer of some-model" in table.caption


def test_tokens_that_were_not_counted_are_called_so(statistics: Statistics, tmp_path: Path) -> None:
    unknown = Composition("plant", images=4, with_text=2, text_tokens=None)
    taught = Statistics((unknown,), (), statistics.box_sizes, statistics.boxes_per_image)
    summary = Summary(tmp_path, taught, None)
    table = composition_table(summary)
    assert [cells[table.columns.index("text tokens")] for _, cells in table.rows] == ["not counted"] * 2
    assert "Text tokens are not counted." in table.caption
    assert ("text tokens", "not counted") in [cells for _, cells in dataset_table(summary).rows]


def test_the_corpus_stands_last_beside_the_published_datasets(statistics: Statistics, tmp_path: Path) -> None:
    summary = Summary(tmp_path / "mine", statistics, "some-model", datasets=tuple(table_3()))
    table = dataset_table(summary)
    assert table.columns == ("", "MMAD", "Anomaly-Instruct-125K", "MMR-AD", "this corpus (mine)")
    rows = {cells[0]: cells[1:] for _, cells in table.rows}
    assert rows["figures"] == ("published", "published", "published", "counted")
    assert rows["text tokens"] == ("0.58M", "10M", "26M", "0")
    assert rows["tokens per sample"] == ("69", "80", "208", "–")
    assert rows["anomaly types"] == ("244", "–", "395", "1")
    assert len(shown_tables(summary)) == 2
    assert len(shown_tables(Summary(tmp_path, statistics, None))) == 1


def test_json_has_everything(statistics: Statistics, tmp_path: Path) -> None:
    paper = {"SUM": table_1()["SUM"]}
    summary = Summary(tmp_path, statistics, "some-model", ("a note",), paper, tuple(table_3()))
    found = json.loads(json.dumps(summary.to_dict(), allow_nan=False))
    assert found["tokenizer"] == "some-model"
    assert found["sources"][0]["anomalies"] == 6
    assert found["sources"][0]["paper"] is None
    assert found["sum"]["paper"]["images"] == 127137
    assert [row["published"] for row in found["datasets"]] == [True, True, True, False]
    assert sum(found["box_size"]["counts"]) == 6
    assert len(found["box_size"]["edges"]) == len(found["box_size"]["counts"]) + 1
    assert found["boxes_per_image"] == {"1": 1, "2": 1, "3": 1}
    assert found["categories"] == [{"source": "plant", "category": HOSTILE, "normal": 1, "anomalous": 3}]
