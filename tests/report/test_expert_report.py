"""Experts in tables and on the page: marked thresholds, oracle rows out of competition, maps in pictures."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benched import NO, Writer, run_of, yes
from browser import Page, driven, facts_of, needs_browser, queries_of, rendered
from commands import run as command
from expert_parts import FLAW, make_parts, mean_detector
from mmrad.bench import Run
from mmrad.bench.expert_runs import RunMaps
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.corpus import Corpus, write_corpus
from mmrad.errors import UsageError
from mmrad.report import write_report
from mmrad.report.heat import SIDE, heat_layers
from mmrad.report.leaderboard import leaderboard
from mmrad.report.tables import comparison, details, pixels, to_markdown
from mmrad.report.thumbnails import Thumbnails
from mmrad.sample import Region, Sample

__all__ = ["mean_detector"]

pytestmark = pytest.mark.usefixtures("mean_detector")


def masked(corpus: Corpus) -> Corpus:
    """The corpus with a mask for each anomaly, as one of MVTec AD would have it, of that dataset's name."""
    mask = np.zeros((56, 84), np.uint8)
    x1, y1, x2, y2 = FLAW.rounded()
    mask[y1:y2, x1:x2] = 255
    Image.fromarray(mask).save(corpus.path / "raw" / "mask.png")

    def with_mask(sample: Sample) -> Sample:
        return replace(sample, regions=(Region(FLAW, "spot", "mask.png"),)) if sample.anomalous else sample

    info = corpus.manifest.sources["made"].model_copy(
        update={"root": "raw", "adapter": "mvtec", "licence": "CC BY-NC-SA 4.0"}
    )
    samples = [with_mask(sample) for sample in corpus.samples]
    references = list(corpus.references.values())
    for path in (*corpus.path.glob("samples/*"), corpus.path / "corpus.json"):
        path.unlink()
    made = write_corpus(corpus.path, {"made": info}, samples)
    made.write_references(reference for chosen in references for reference in chosen)
    return made


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return masked(make_parts(tmp_path / "corpus"))


@pytest.fixture
def runs(corpus: Corpus, tmp_path: Path) -> list[Run]:
    """A model that misses one category, and an expert under both thresholds."""
    test = corpus.select(splits=["test"])
    said = yes(32, 4, 45, 12)
    run_of(
        corpus,
        Writer(lambda s: said if s.anomalous and s.category == "bolt" else NO),
        tmp_path / "runs",
        test,
    )
    asked = BenchRecipe(runs=(Entry(model="patchcore", expert_settings={"size": 32}, alpha=0.4),))
    list(Benchmark(corpus, asked, tmp_path / "runs").run())
    return [Run.load(tmp_path / "runs" / name) for name in ("writer", "patchcore", "patchcore-oracle")]


def cells(table: object, name: str) -> dict[str, object]:
    found = json.loads(json.dumps(table.to_dict()))  # type: ignore[attr-defined]
    return next(row["cells"] for row in found["rows"] if row["cells"]["model"]["value"] == name)


def test_thresholds_are_marked_and_told(runs: list[Run]) -> None:
    table = leaderboard(runs)
    column = next(column for column in table.columns if column.key == "threshold")
    assert not column.hidden
    assert cells(table, "patchcore")["threshold"]["value"] == "honest"
    assert cells(table, "patchcore-oracle")["threshold"]["value"] == "oracle (paper)"
    assert cells(table, "writer")["threshold"]["value"] is None
    for told in (to_markdown(table), to_markdown(details(runs)), to_markdown(comparison(runs, runs[0]))):
        assert "chosen on the test labels" in told
    assert "Honest thresholds" in to_markdown(leaderboard(runs[:2]))
    assert "test labels" not in to_markdown(leaderboard(runs[:2]))
    alone = leaderboard(runs[:1])
    assert next(column for column in alone.columns if column.key == "threshold").hidden


def test_an_oracle_row_is_never_the_best(runs: list[Run]) -> None:
    """It is better than both others in everything, and neither marked nor does it take their marks away."""
    table = leaderboard(runs)
    oracle, model, expert = (cells(table, name) for name in ("patchcore-oracle", "writer", "patchcore"))
    assert oracle["det_accuracy"]["value"] == 1.0 > model["det_accuracy"]["value"]
    assert not any(cell["best"] for cell in oracle.values())
    assert any(cell["best"] for cell in (*model.values(), *expert.values()))
    assert [row.cells[0].value for row in table.rows][-1] == "patchcore-oracle"
    assert facts_best(runs) == ("patchcore" if expert["det_accuracy"]["best"] else "writer")


def facts_best(runs: list[Run]) -> str:
    path = write_report(runs, runs[0].path.parent / "best.html", thumb=16)
    facts = facts_of(path)
    assert {pair["run"] for pair in facts["pairs"]} | {pair["leader"] for pair in facts["pairs"]} == {0, 1}
    return facts["runs"][facts["leader"]]["name"]


def test_published_experts_stand_beside_their_oracle_row(runs: list[Run]) -> None:
    rows = [(row.cells[0].value, row.published) for row in leaderboard(runs, published=True).rows]
    place = rows.index(("patchcore-oracle", False))
    assert rows[place + 1] == ("PatchCore", True)
    assert ("INP-Former", True) in rows[place:]
    assert ("GPT-5", True) in rows[:place]
    marked = [row for row in leaderboard(runs, published=True).rows if row.published and row.cells[1].value]
    assert {row.cells[1].value for row in marked} == {"oracle (paper)"}
    assert len(marked) == 5


def test_details_tell_alarms_beside_alpha_and_pixels(runs: list[Run]) -> None:
    table = details(runs)
    honest, oracle, model = (cells(table, name) for name in ("patchcore", "patchcore-oracle", "writer"))
    assert honest["alpha"]["value"] == 0.4
    flags = [runs[1].verdicts[s.id].anomalous for s in runs[1].samples if not s.anomalous]
    assert honest["false_alarms"]["value"] == pytest.approx(sum(map(bool, flags)) / len(flags))
    assert oracle["alpha"]["value"] is None
    assert model["false_alarms"]["value"] == 0.0
    assert honest["pixel_auroc"] == oracle["pixel_auroc"] != {"value": None}
    assert 0.9 < honest["pixel_auroc"]["value"] <= 1
    assert model["pixel_auroc"]["value"] is None
    assert 0 <= oracle["shared_accuracy"]["value"] <= 1
    assert honest["shared_accuracy"]["value"] is None
    # A map is no probability, whatever its scale, and an expert has no tokens to leave untold.
    assert honest["score_kind"]["value"] == "map"
    assert honest["brier"]["value"] is honest["ece"]["value"] is honest["unpriced"]["value"] is None
    assert honest["auroc"]["value"] == 1.0


def test_few_held_out_images_are_told(runs: list[Run]) -> None:
    info = runs[1].info
    for kind in ("max", "mixed"):
        told = Run(runs[1].path, info.model_copy(update={"about": {**info.about, "calibration": kind}}))
        table = leaderboard([told])
        assert table.rows[0].cells[1].value == f"honest ({kind})"
        assert any("promises nothing" in note for note in table.notes)


def test_pixels_have_a_table_of_their_own(runs: list[Run]) -> None:
    table = pixels(runs)
    assert [row.cells[0].value for row in table.rows] == ["patchcore"]  # the oracle run has the same maps
    assert cells(table, "patchcore")["queries"]["value"] == 12
    with pytest.raises(UsageError, match="no run has maps"):
        pixels(runs[:1])


def test_commands_take_runs_of_both_kinds_together(runs: list[Run]) -> None:
    folder = runs[0].path.parent
    lines = list(csv.DictReader(io.StringIO(command("score", folder, "--format", "csv"))))
    assert {line["model"]: line["threshold"] for line in lines} == {
        "writer": "", "patchcore": "honest", "patchcore-oracle": "oracle (paper)",
    }  # fmt: skip
    assert "AUPRO" in command("score", folder, "--by", "pixels")
    everything = json.loads(command("score", folder, "--json"))["runs"]
    by_name = {one["name"]: one["pixels"] for one in everything}
    assert by_name["writer"] is None
    assert by_name["patchcore"]["overall"]["figures"]["aupro"]["value"] > 0.5
    with pytest.raises(UsageError, match="no single IoU"):
        command("score", folder, "--by", "pixels", "--iou", "0.5")


# ---- heat


def test_heat_is_clear_where_it_is_cool_and_red_where_the_flaw_is(runs: list[Run]) -> None:
    thumbnails = Thumbnails(32)
    samples = runs[1].samples
    layers = heat_layers(runs[1], samples, thumbnails)
    assert layers.keys() == {sample.id for sample in samples}
    bad = next(sample for sample in samples if sample.anomalous)
    with Image.open(io.BytesIO(base64.b64decode(thumbnails.uris[layers[bad.id]].partition(",")[2]))) as image:
        assert (image.format, image.mode) == ("WEBP", "RGBA")
        assert max(image.size) <= SIDE
        pixels_ = np.asarray(image)
    x, y = (round(value) for value in FLAW.center)
    assert pixels_[y, x, 3] > 150 and pixels_[y, x, 0] > 150
    assert pixels_[-3, 3, 3] < 60
    good = next(sample for sample in samples if not sample.anomalous and sample.category == bad.category)
    with Image.open(
        io.BytesIO(base64.b64decode(thumbnails.uris[layers[good.id]].partition(",")[2]))
    ) as image:
        assert np.asarray(image)[..., 3].max() < pixels_[y, x, 3]  # on one scale a normal part is cool
    assert heat_layers(runs[0], samples, thumbnails) == {}
    assert heat_layers(runs[2], samples, thumbnails) == layers


def test_a_lost_map_costs_its_layer_alone(runs: list[Run]) -> None:
    lost = runs[1].samples[0].id
    RunMaps.of(runs[1]).store.path(lost).write_bytes(b"no map")
    layers = heat_layers(runs[1], runs[1].samples, Thumbnails(32))
    assert layers.keys() == {sample.id for sample in runs[1].samples} - {lost}


def test_layers_lie_beside_the_page_and_go_with_it(runs: list[Run], tmp_path: Path) -> None:
    path = write_report(runs, tmp_path / "page", thumb=16, beside=True)
    folder = path.with_name("report_files")
    kept = sorted(file.suffix for file in folder.iterdir())
    assert {".jpg", ".webp"} == set(kept)
    write_report(runs[:1], tmp_path / "page", thumb=16, beside=True)
    assert {file.suffix for file in folder.iterdir()} == {".jpg"}


def test_an_oracle_run_without_its_origin_is_shown_without_maps(runs: list[Run], tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere" / "patchcore-oracle"
    shutil.copytree(runs[2].path, alone)
    info = json.loads((alone / "run.json").read_text("utf-8"))
    corpus = (runs[2].path / info["corpus"]).resolve()
    (alone / "run.json").write_text(json.dumps(info | {"corpus": str(corpus)}), "utf-8")
    path = write_report([Run.load(alone)], tmp_path / "page", thumb=16)
    assert set(queries_of(path)["answers"][0]["heat"]) == {None}
    assert facts_of(path)["runs"][0]["overall"]["figures"].get("aupro") is None


# ---- the page in a browser


@pytest.fixture
def page(runs: list[Run], tmp_path: Path) -> Path:
    return write_report(runs, tmp_path / "page", thumb=32, published=True)


@needs_browser
def test_the_page_shows_maps_and_thresholds(page: Path, runs: list[Run]) -> None:
    bad = next(sample.id for sample in runs[1].samples if sample.anomalous)
    seen = Page(rendered(page, f"#open={bad}"))
    text = " ".join(seen.texts)
    assert seen.classes().count("panel") == 3
    assert seen.classes().count("heat") == 2  # over the query, for each of the expert's runs
    assert "PatchCore, oracle threshold (paper)" in text
    assert "anomalous, 1 place" in text
    assert "chosen on the test labels" in text
    assert "Experts at all thresholds" in text


@needs_browser
def test_an_expert_says_no_words(page: Path) -> None:
    said = driven(
        page,
        """
        for (const panel of document.querySelectorAll(".panel")) {
          log.push(panel.querySelectorAll(".reasoning, details, .raw").length);
          log.push(/\\b(yes|no)\\b/i.test(panel.textContent));
        }
        log.push(byId("reasoning-key").hidden);
        """,
        "#open=made/nut/test/bad/000",
    )
    assert said == ["3", "true", "0", "false", "0", "false", "false"]  # the model first: it writes


@needs_browser
def test_heat_can_be_switched_off_and_filters_work(page: Path, runs: list[Run]) -> None:
    said = driven(
        page,
        """
        const form = byId("gallery-controls").elements;
        const layers = () => [...document.querySelectorAll(".cards img.heat")];
        log.push(layers().length);
        change(form.run, "1");
        log.push(layers().length, getComputedStyle(layers()[0]).display);
        press("h");
        log.push(getComputedStyle(layers()[0]).display, form.heat.checked, location.hash.includes("heat=0"));
        change(form.show, "disagree");
        log.push(byId("gallery-count").textContent);
        change(form.run, "0");
        log.push(layers().length);
        """,
    )
    assert said[:6] == ["0", "12", "block", "none", "false", "true"]
    judged = [{run.verdicts[sample.id].anomalous for run in runs} for sample in runs[0].samples]
    assert said[6] == f"{sum(len(one) > 1 for one in judged)} of 12 queries"
    assert said[7] == "0"


@needs_browser
def test_oracle_rows_stand_last_and_unmarked_beside_published_ones(page: Path) -> None:
    said = driven(
        page,
        """
        const rows = () => [...byId("leaderboard-table").tBodies[0].rows];
        const names = () => rows().map((row) => row.cells[0].dataset.value);
        log.push(names().join());
        change(byId("leaderboard-controls").elements.scope, "made");
        const all = names();
        log.push(all.indexOf("PatchCore") - all.indexOf("patchcore-oracle"));
        log.push(document.querySelectorAll("#leaderboard-table tr.oracle .best").length);
        log.push(document.querySelectorAll("#leaderboard-table tr:not(.published) .best").length > 0);
        log.push(document.querySelectorAll("#plot-sweeps polyline").length, byId("sweeps").hidden);
        """,
    )
    assert said == ["writer,patchcore,patchcore-oracle", "1", "0", "true", "2", "false"]
