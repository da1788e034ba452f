"""How fast the report of a large benchmark is written, how large it is, and how fast Chromium opens it.

    python benchmarks/report.py [--queries 5000] [--models 5] [--out FOLDER]

The runs are made up: pictures of parts with marks on them, and answers that are right more or less often.
First paint and interactive are counted from the start of the navigation to the file, each in a fresh browser.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from playwright.sync_api import sync_playwright

from mmrad.answer import Instance, render
from mmrad.bench import Run, RunInfo, verdict_to_record
from mmrad.bench.run import VERDICTS_FILE
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.inspectors.base import failed_verdict, verdict_from_text
from mmrad.report.page import ReportWriter
from mmrad.sample import Region, Sample, ScoreKind, Usage, Verdict
from mmrad.view import Budget, View, rescale, view_size

SIZES = ((448, 336), (360, 480), (400, 400))
SOURCES = {
    "mvtec": ("bottle", "cable", "capsule", "hazelnut", "metal nut", "screw"),
    "visa": ("candle", "cashew", "fryum", "pcb1"),
    "mvtec3d": ("bagel", "dowel", "tire"),
    "mpdd": ("bracket", "tubes"),
}
LABELS = ("scratch", "dent", "missing part", "contamination", "crack", "bent pin", "hole")
SPLIT = "test"


@dataclass(frozen=True)
class Model:
    """A made-up inspector: how often it sees an anomaly, how well it points, what its answers are like."""

    name: str
    sees: float
    points: float
    alarms: float
    fails: float
    kind: ScoreKind | None
    about: dict[str, Any]
    inspector: dict[str, Any]
    seconds: float


def _asked(**other: Any) -> dict[str, Any]:
    return {"prompts": "default", "prompts_hash": "8f14e45fceea167a", "reasoning": True, "seed": 0, **other}


def _price(dollars_in: float, dollars_out: float) -> dict[str, Any]:
    return {"price": {"input": dollars_in, "output": dollars_out, "as_of": "2026-01-01"}}


MODELS = (
    Model("gpt-4o", 0.70, 0.30, 0.30, 0.02, "probability", _price(2.5, 10), _asked(), 4.0),
    Model("gemini-2.5-pro", 0.92, 0.55, 0.40, 0.01, "confidence", _price(1.25, 10), _asked(), 11.0),
    Model("qwen2.5-vl-72b", 0.66, 0.40, 0.22, 0.03, "probability", {}, _asked(), 6.0),
    Model("anomaly-r1-7b", 0.90, 0.82, 0.10, 0.01, "probability", {}, _asked(), 1.4),
    Model("patchcore", 0.95, 0.72, 0.08, 0.0, "map", {}, {"model": "patchcore"}, 0.05),
    Model("anomaly-r1-7b+knowledge", 0.94, 0.84, 0.08, 0.01, "probability", {},
          _asked(domain_knowledge={"screw": ["bent"]}), 1.5),
    *(Model(f"gpt-4o-mini#{n}" if n > 1 else "gpt-4o-mini", 0.6, 0.2, 0.35, 0.06, "confidence",
            {**_price(0.15, 0.6), "variant_of": "gpt-4o-mini", "repeat": n}, _asked(seed=n), 2.0)
      for n in (1, 2, 3)),
)  # fmt: skip


def make_runs(folder: Path, queries: int, models: Sequence[Model] = MODELS[:5]) -> list[Run]:
    """A made-up corpus with the runs of made-up models, all on disk."""
    rng = np.random.default_rng(0)
    samples = [_sample(number, rng) for number in range(queries)]
    for sample in samples:
        _draw(folder / "raw" / sample.source / sample.image, sample)
    normals = {s.category: replace(s, image=f"{s.category}/good.jpg", regions=()) for s in samples}
    for normal in normals.values():
        _draw(folder / "raw" / normal.source / normal.image, normal)
    infos = {
        name: SourceInfo(adapter=name, root=f"raw/{name}", licence="CC BY-NC-SA 4.0") for name in SOURCES
    }
    corpus = write_corpus(folder, infos, samples)
    chosen = [Reference(sample.id, 0, normals[sample.category].image, "aligned", 0.1) for sample in samples]
    corpus.write_references(chosen)
    return [_run(corpus, samples, model, folder / "runs" / model.name) for model in models]


def _sample(number: int, rng: np.random.Generator) -> Sample:
    source = list(SOURCES)[number % len(SOURCES)]
    category = SOURCES[source][number // len(SOURCES) % len(SOURCES[source])]
    width, height = SIZES[sum(map(ord, category)) % len(SIZES)]
    regions = []
    for _ in range(int(rng.choice([0, 1, 2], p=[0.4, 0.45, 0.15]))):
        wide, high = rng.integers(12, 90, 2)
        x, y = rng.integers(60, width - 60 - wide // 2), rng.integers(60, height - 60 - high // 2)
        box = Box(float(x), float(y), float(x + wide), float(y + high)).clipped((width, height))
        if box:
            regions.append(Region(box, str(rng.choice(LABELS))))
    identity = f"{source}/{category}/{SPLIT}/{number:05}"
    image = f"{category}/{number:05}.jpg"
    return Sample(
        identity, source, category, SPLIT, image, (width, height), tuple(regions), "CC BY-NC-SA 4.0"
    )


def _draw(path: Path, sample: Sample) -> None:
    """A part before a plain ground, with a grain that no two pictures share, and its anomalies."""
    width, height = sample.size_wh
    rng = np.random.default_rng(sum(map(ord, sample.category)))
    hue, (cx, cy) = rng.integers(70, 200, 3).tolist(), (width // 2, height // 2)
    picture = np.full((height, width, 3), 226, np.uint8)
    cv2.ellipse(picture, (cx, cy), (int(width * 0.4), int(height * 0.38)), 0, 0, 360, hue, -1, cv2.LINE_AA)
    for angle in range(0, 360, 45):
        at = (
            int(cx + width * 0.27 * np.cos(np.radians(angle))),
            int(cy + height * 0.25 * np.sin(np.radians(angle))),
        )
        cv2.circle(picture, at, 9, (60, 60, 64), -1, cv2.LINE_AA)
    grain = np.random.default_rng(sum(map(ord, sample.image))).normal(0, 9, (height // 4, width // 4, 1))
    picture = np.clip(picture + cv2.resize(grain, (width, height))[..., None], 0, 255).astype(np.uint8)
    for region in sample.regions:
        x1, y1, x2, y2 = region.box.rounded()
        cv2.ellipse(
            picture,
            ((x1 + x2) // 2, (y1 + y2) // 2),
            ((x2 - x1) // 2, (y2 - y1) // 2),
            0,
            0,
            360,
            (38, 34, 40),
            -1,
            cv2.LINE_AA,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture)


@cache
def _view(size_wh: tuple[int, int]) -> View:
    width, height = view_size(size_wh, Budget())
    return View(np.zeros((height, width, 3), np.uint8), size_wh)


def _run(corpus: Corpus, samples: Sequence[Sample], model: Model, folder: Path) -> Run:
    rng = np.random.default_rng(sum(map(ord, model.name)))
    hashes = {
        source: corpus.manifest.sources[source].samples_sha256 for source in {s.source for s in samples}
    }
    info = RunInfo(
        name=model.name, created="2026-01-01T00:00:00+00:00", mmrad_version="0", inspector=model.inspector,
        about=model.about, corpus="../..", corpus_sha256=hashes, references=1, reference_method="aligned",
        references_sha256="0", sample_ids=[sample.id for sample in samples],
    )  # fmt: skip
    folder.mkdir(parents=True)
    info.save(folder)
    with (folder / VERDICTS_FILE).open("w", encoding="utf-8") as file:
        for sample in samples:
            verdict = verdict_to_record(_verdict(sample, model, rng))
            file.write(json.dumps({"sample_id": sample.id, "key": "0", "verdict": verdict}) + "\n")
    return Run.load(folder)


def _verdict(sample: Sample, model: Model, rng: np.random.Generator) -> Verdict:
    if rng.random() < model.fails:
        kind = rng.choice(["refused", "truncated", "unparsed", "failed"])
        return failed_verdict(kind, "made up", raw_text="I am sorry, but I cannot judge this part.")
    view = _view(sample.size_wh)
    called = rng.random() < (model.sees if sample.anomalous else model.alarms)
    seen = list(sample.regions) or [Region(Box(100.0, 100.0, 150.0, 140.0), "stain")]
    places = [_pointed(region, view, model, rng) for region in seen] if called else []
    score = float(np.clip(rng.normal(0.78 if called else 0.25, 0.15), 0, 1))
    usage = Usage(1900, int(rng.integers(150, 400)), float(rng.lognormal(np.log(model.seconds), 0.3)))
    text = render(None if model.kind == "map" else _reasoning(sample, places, rng), places)
    score = round(score, 1) if model.kind == "confidence" else score
    return verdict_from_text(text, view, score=score, score_kind=model.kind or "probability", usage=usage)


def _pointed(region: Region, view: View, model: Model, rng: np.random.Generator) -> Instance:
    box = rescale(region.box, view.original_wh, view.size_wh)
    shift = 0.1 if rng.random() < model.points else 1.6
    dx, dy = rng.normal(0, shift, 2) * (box.x2 - box.x1, box.y2 - box.y1)
    moved = box.shifted(float(dx), float(dy)).clipped(view.size_wh) or box
    label = region.label if rng.random() < 0.8 else str(rng.choice(LABELS))
    return Instance(Box(*map(float, moved.rounded())), label)


def _reasoning(sample: Sample, places: Sequence[Instance], rng: np.random.Generator) -> str:
    parts = [
        f"The first image shows a normal {sample.category}; the second is compared with it part by part."
    ]
    checks = ["outline", "colour", "texture", "number of holes", "edges", "reflections of light", "print"]
    for check in rng.permutation(checks)[: rng.integers(3, 7)]:
        agrees = rng.choice(["agrees with", "is close to", "equals"])
        parts.append(
            f"The {check} of the second image {agrees} that of the first within "
            f"{rng.integers(1, 9)} percent, which is what one would expect."
        )
    for place in places:
        box = place.box if rng.random() < 0.85 else place.box.shifted(60, 0)
        parts.append(f"At {list(box.rounded())} there is a {place.label} that the first image does not have.")
    parts.append("So the second image is anomalous." if places else "So the second image shows no anomaly.")
    return "\n".join(parts)


# ---- the browser


def opened(path: Path) -> dict[str, float]:
    """Milliseconds from the start of the navigation to the first paint and until the page is interactive."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(path.as_uri())
        times = {name: page.wait_for_function(asked).json_value() for name, asked in TIMES.items()}
        browser.close()
    return times


TIMES = {
    "ready": "Number(document.documentElement?.dataset.ready)",
    "paint": "performance.getEntriesByName('first-contentful-paint')[0]?.startTime",
}


def _results(queries: int, models: int, folder: Path, repeats: int) -> Iterator[str]:
    runs = make_runs(folder, queries, MODELS[:models])
    writer = ReportWriter(folder / "report.html", gallery=queries, published=True)
    start = time.perf_counter()
    path = writer.write([Run.load(run.path) for run in runs])
    yield f"queries x models: {queries} x {len(runs)}"
    yield f"written in {time.perf_counter() - start:.1f} s"
    start = time.perf_counter()
    writer.write([Run.load(run.path) for run in runs])
    yield f"written again, pictures known, in {time.perf_counter() - start:.1f} s"
    beside = list(path.with_name("report_files").glob("*")) if path.with_name("report_files").is_dir() else []
    pictures = sum(file.stat().st_size for file in beside) / 1e6
    yield f"file {path.stat().st_size / 1e6:.1f} MB; {len(beside)} pictures beside it, {pictures:.1f} MB"
    times = [opened(path) for _ in range(repeats)]
    for name, title in (("paint", "first paint"), ("ready", "interactive, gallery drawn")):
        values = [one[name] / 1000 for one in times]
        span = f"{min(values):.2f} to {max(values):.2f}, {repeats} fresh browsers"
        yield f"{title}: {median(values):.2f} s ({span})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queries", type=int, default=5000)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.out or Path(temporary)
        for line in _results(given.queries, given.models, folder, given.repeats):
            print(line, flush=True)
