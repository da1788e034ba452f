"""Corpora with all that a review knows of samples, written to disk.

`reviewed_corpus` is small and has one of each oddity; `big_corpus` is as large as MMR-AD, quickly made.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from mmrad.answer import Instance, render
from mmrad.bench.run import Run, RunInfo, write_derived
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.corpus.manifest import Manifest
from mmrad.corpus.tables import QUALITY, REFERENCES, SAMPLES, table_writer
from mmrad.image import part_of
from mmrad.journal import Journal
from mmrad.sample import Region, Sample, ScoreKind, Verdict
from mmrad.teach.texts import SCRIPTED, text_path, truth_hash
from mmrad.teach.verify import passed, verify
from mmrad.view import Budget, rescale, view_size

TEACHER = "org/model:large"
"""A teacher whose journal is called otherwise, `org_model_large`, as its name is none of a file."""

SCRIPT = "<script>alert(1)</script>"
QUOTED = 'bent "pin" & it\'s <b>loose</b>'
FOREIGN = "裂纹 – Риss"

WIDE = "line/nut/test/wide"
"""400x150 pixels; two regions of one mask file, the first called `SCRIPT`; blurry, repeats another."""
TURNED = "line/nut/test/turned"
"""A JPEG stored lying with EXIF orientation 6, upright 300x480 pixels; one region, no mask."""
DEEP = "line/plate/test/deep"
"""A PNG of 16-bit grey, 220x160 pixels; one region called `FOREIGN`."""
PART = "yard/cable/test/part"
"""The right part of a strip, 256x192 pixels; one region called `QUOTED`, with a mask."""
GOOD = "line/plate/train/good"
"""A plain JPEG of 360x240 pixels; normal."""
CLEAR = "yard/cable/train/clear"
"""A PNG of 200x280 pixels with transparent pixels; normal, dark."""

_BUDGET = Budget(max_pixels=60 * 28 * 28)
_LABELS = ("scratch", "dent", "missing screw", "scratch")
_SIZES = ((320, 240), (240, 360), (500, 180), (300, 300))

Array = NDArray[np.uint8]


def reviewed_corpus(folder: Path, count: int = 12) -> Corpus:
    """A corpus of two sources and three categories, with references, masks, findings, texts of two teachers.

    The first six samples are those named above; every third of the others is normal. The teachers disagree on
    `WIDE` (one says No) and `TURNED` (other places) and on every fourth of the others; `PART` has no text by
    the scripted teacher, and `CLEAR` one that was refused. `GOOD` has a text that fails checks.

    Args:
        folder: Gets the corpus, and the images under `raw`.
        count: How many samples, at least 6.
    """
    samples = list(islice(_all_samples(folder / "raw"), count))
    samples.sort(key=lambda sample: sample.source)
    infos = {
        name: SourceInfo(adapter="made", root=f"raw/{name}", licence="CC0-1.0") for name in ("line", "yard")
    }
    corpus = write_corpus(folder, infos, samples)
    corpus.write_references(_references(samples, folder / "raw"))
    _write_quality(corpus)
    _write_texts(corpus)
    return Corpus(folder)


def _all_samples(raw: Path) -> Iterator[Sample]:
    """The samples, their images written one after the other, without end."""
    both = ((40, 30, 200, 70), SCRIPT), ((260, 100, 300, 130), "dent")
    yield _sample(raw, WIDE, "wide.png", (400, 150), *both, mask="wide_mask.png")
    yield _sample(raw, TURNED, "turned.jpg", (300, 480), ((20, 350, 140, 460), "scratch"))
    yield _sample(raw, DEEP, "deep.png", (220, 160), ((100, 20, 180, 60), FOREIGN))
    yield _sample(raw, PART, "strip.png", (256, 192), ((150, 30, 230, 170), QUOTED), mask="part_mask.png")
    yield _sample(raw, GOOD, "good.jpg", (360, 240))
    yield _sample(raw, CLEAR, "clear.png", (200, 280))
    kinds = cycle((("line", "nut"), ("line", "plate"), ("yard", "cable")))
    for number, (source, category) in enumerate(kinds):
        width, height = _SIZES[number % 4]
        box = (10 + number % 40, 30, width // 2 + number % 7, height - 20 - number % 11)
        regions = ((box, _LABELS[number % 4]),) if number % 3 else ()
        name = f"{source}/{category}/{'test' if number % 2 else 'validation'}/{number:03}"
        kind = "jpg" if number % 5 else "png"
        mask = f"{number:03}_mask.png" if number % 2 else None
        yield _sample(raw, name, f"{number:03}.{kind}", (width, height), *regions, mask=mask)


def _sample(
    raw: Path,
    name: str,
    image: str,
    size_wh: tuple[int, int],
    *regions: tuple[tuple[int, int, int, int], str],
    mask: str | None = None,
) -> Sample:
    source, category, split, _ = name.split("/")
    found = tuple(Region(Box(*box), label, mask) for box, label in regions)
    pixels = _picture(size_wh, [box for box, _ in regions])
    (raw / source).mkdir(parents=True, exist_ok=True)
    image = _write_image(name, pixels, raw / source / image)
    if mask and regions:
        Image.fromarray(_marks(size_wh, [box for box, _ in regions])).save(raw / source / mask)
    return Sample(name, source, category, split, image, size_wh, found, "CC0-1.0")


def _picture(size_wh: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]] = ()) -> Array:
    """A slope of greys, brighter to the right and the bottom, with red where the boxes are."""
    width, height = size_wh
    slope = np.add.outer(np.linspace(40, 110, height), np.linspace(0, 90, width))
    pixels = np.repeat(slope[..., None], 3, axis=2).astype(np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = (200, 40, 40)
    return pixels


def _marks(size_wh: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]]) -> Array:
    """A mask: the ellipse in each box, and a speck outside of all in the first corner."""
    width, height = size_wh
    y, x = np.mgrid[:height, :width] + 0.5
    marked = np.zeros((height, width), bool)
    marked[:2, :2] = True
    for x1, y1, x2, y2 in boxes:
        marked |= ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1
    return marked.astype(np.uint8) * 255


def _write_image(name: str, pixels: Array, path: Path) -> str:
    """Write the image of a sample as it is to be stored, and give its path relative to its source."""
    if name == TURNED:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.rot90(pixels)).save(path, quality=95, exif=exif)
    elif name == DEEP:
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(path)
    elif name == PART:
        Image.fromarray(np.concatenate([255 - pixels, pixels], axis=1)).save(path)
        height, width = pixels.shape[:2]
        return part_of(path.name, (width, 0, width, height))
    elif name == CLEAR:
        alpha = np.where(pixels[..., :1] > 60, 255, 0).astype(np.uint8)
        Image.fromarray(np.concatenate([pixels // 3, alpha], axis=2)).save(path)
    else:
        Image.fromarray(pixels).save(path)
    return path.name


def _references(samples: Sequence[Sample], raw: Path) -> Iterator[Reference]:
    """Two references for each sample, those of its category; the second has another size."""
    for source, category in sorted({(sample.source, sample.category) for sample in samples}):
        for rank, size_wh in enumerate(((400, 300), (260, 350))):
            Image.fromarray(_picture(size_wh)).save(raw / source / f"{category}_normal_{rank}.jpg")
    for sample in samples:
        for rank in (0, 1):
            yield Reference(sample.id, rank, f"{sample.category}_normal_{rank}.jpg", "aligned", 0.1 + rank)


def _write_quality(corpus: Corpus) -> None:
    found = {WIDE: ["blurry", "near_duplicate"], CLEAR: ["dark"]}
    for source in corpus.manifest.sources:
        with table_writer(corpus.path / "quality" / f"{source}.parquet", QUALITY) as writer:
            for sample in corpus.select(sources=[source]):
                repeats = TURNED if sample.id == WIDE else None
                writer.add(
                    {
                        "id": sample.id, "sha256": "00", "hash": "00", "measures": [("sharpness", 100.0)],
                        "findings": found.get(sample.id, []), "duplicate_of": repeats,
                    }
                )  # fmt: skip


def _write_texts(corpus: Corpus) -> None:
    with Journal(text_path(corpus, TEACHER)) as large, Journal(text_path(corpus, SCRIPTED)) as scripted:
        for number, sample in enumerate(corpus.samples):
            places = _places(sample)
            first = {"key": "a", "try": 1}
            if number % 5 == 0:  # a first try that fails
                large.append(_text(sample, TEACHER, (), said="nice") | first)
            bad = sample.id == GOOD
            text = _text(sample, TEACHER, () if bad else places, said="nice" if bad else None)
            large.append(text | {"key": "a", "try": 2})
            if sample.id == CLEAR:
                scripted.append({"sample_id": sample.id, "status": "refused", **first})
            elif sample.id != PART:
                scripted.append(_text(sample, SCRIPTED, _otherwise(sample, number, places)) | first)


def _places(sample: Sample) -> tuple[Instance, ...]:
    """The true places in pixels of the view."""
    view_wh = view_size(sample.size_wh, _BUDGET)
    return tuple(
        Instance(rescale(region.box, sample.size_wh, view_wh), region.label) for region in sample.regions
    )


def _otherwise(sample: Sample, number: int, places: tuple[Instance, ...]) -> tuple[Instance, ...]:
    """What the scripted teacher sees: mostly the truth, sometimes nothing, sometimes elsewhere."""
    if sample.id == WIDE:
        return ()
    if sample.id == TURNED or (places and number % 4 == 3):
        return tuple(replace(place, box=place.box.scaled(0.5, 0.5)) for place in places)
    return places


def _text(
    sample: Sample, teacher: str, places: tuple[Instance, ...], said: str | None = None
) -> dict[str, Any]:
    """A line of a teacher; its checks are those of `verify`, which compares labels letter by letter."""
    found = " ".join(f"There is a {place.label} at {list(place.box.rounded())}." for place in places)
    end = "There is a defect in the image." if places else "There are no anomalies in the second image."
    think = said or f"The {sample.category} in the second image is beside the first one. {found} {end}"
    text = render(think, places)
    checks = verify(text, _places(sample), lambda a, b: float(a == b), category=sample.category)
    return {
        "sample_id": sample.id, "status": "ok", "text": text, "view_wh": view_size(sample.size_wh, _BUDGET),
        "teacher": teacher, "checks": checks, "verified": passed(checks), "truth": truth_hash(sample),
        "quality": 1.0,
    }  # fmt: skip


def made_runs(corpus: Corpus, folder: Path) -> list[Run]:
    """A model's run with probabilities and an expert's with scores of its maps, on all samples but the last.

    By position: every seventh sample is not answered, every fifth is called the opposite of what it is. The
    expert is wrong on every third instead.
    """
    model = write_derived(
        folder / "model",
        _info(corpus, folder / "model", "model", {}),
        [_verdict(sample, row, 5, "probability") for row, sample in enumerate(corpus.samples[:-1])],
    )
    thresholds = {f"{s.source}/{s.category}": {"image": 10.0, "pixel": 10.0} for s in corpus.samples}
    expert = write_derived(
        folder / "expert",
        _info(corpus, folder / "expert", "expert", {"thresholds": thresholds}),
        [_verdict(sample, row, 3, "map") for row, sample in enumerate(corpus.samples[:-1])],
    )
    return [model, expert]


def _info(corpus: Corpus, folder: Path, name: str, key: dict[str, Any]) -> RunInfo:
    return RunInfo(
        name=name, created="2026-11-26T09:00:00Z", mmrad_version="0",
        inspector={"derived_from": name, **key}, about={"threshold": "honest"} if key else {},
        corpus=os.path.relpath(corpus.path, folder),
        corpus_sha256={name: info.samples_sha256 for name, info in corpus.manifest.sources.items()},
        references=1, reference_method="aligned", references_sha256="0",
        sample_ids=[sample.id for sample in corpus.samples[:-1]],
    )  # fmt: skip


def _verdict(sample: Sample, row: int, wrong: int, kind: ScoreKind) -> Verdict:
    if row % 7 == 6:
        return Verdict(None, (), "", "I cannot help with that.", None, "refused", detail="it refuses")
    said = sample.anomalous != (row % wrong == wrong - 1)
    sure = (row * 37 % 50) / 100  # how far from the border
    score = 0.5 + sure if said else 0.49 - sure * 0.9
    regions = sample.regions or (Region(Box(5, 5, 60, 60), "stain"),)
    return Verdict(
        said, regions if said else (), "Looks so.", "Yes." if said else "No.",
        score if kind == "probability" else 20 * score, "ok", score_kind=kind,
    )  # fmt: skip


def big_corpus(folder: Path, count: int) -> Corpus:
    """A corpus of many samples that share a few images, with references and findings.

    Four sources with ten categories each; half of the samples are anomalous, with one or two regions of 50
    labels. Its texts are made by `write_big_texts`.

    Args:
        folder: Gets the corpus, and the images under `raw`.
        count: How many samples.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for number in range(24):
        size_wh = (320, 240) if number % 2 else (240, 320)
        box = (20 + 4 * number, 40, 120 + 4 * number, 200)
        Image.fromarray(_picture(size_wh, [box] if number % 3 else [])).save(raw / f"{number}.jpg")
    infos = {}
    references = []
    for source, numbers in enumerate(np.array_split(np.arange(count), 4)):
        name = f"source_{source}"
        table = _big_table(name, numbers)
        _write_table(table, folder / "samples" / f"{name}.parquet")
        findings = [["blurry"] if number % 49 == 0 else [] for number in numbers.tolist()]
        nothing = pa.nulls(len(numbers), pa.string())
        measures = pa.array([[] for _ in findings], QUALITY.field("measures").type)
        quality = [table["id"], nothing, nothing, measures, pa.array(findings), nothing]
        _write_table(_table(quality, QUALITY), folder / "quality" / f"{name}.parquet")
        references.append(_big_references(table))
        infos[name] = SourceInfo(
            adapter="made", root="raw", licence="CC0-1.0", images=len(numbers),
            anomalous=int((numbers % 2).sum()), samples_sha256="0",
        )  # fmt: skip
    _write_table(pa.concat_tables(references), folder / "references.parquet")
    Manifest(sources=infos).save(folder)
    return Corpus(folder)


def _big_table(source: str, numbers: NDArray[np.int64]) -> pa.Table:
    rows = numbers.tolist()
    categories = [f"part_{number % 10}" for number in rows]
    ids = [f"{source}/{category}/test/{number:07}" for number, category in zip(rows, categories, strict=True)]
    regions = [
        [
            {
                "box": [20.0, 40.0, 60.0 + number % 100, 200.0],
                "label": f"kind {(number + k) % 50}",
                "mask": None,
            }
            for k in range(number % 4 // 2 + 1 if number % 2 else 0)
        ]
        for number in rows
    ]
    same = {"source": source, "split": "test", "licence": "CC0-1.0", "provenance": ""}
    columns: dict[str, Any] = {
        **{name: pa.array([value] * len(rows)) for name, value in same.items()},
        "id": ids, "category": categories, "image": [f"{number % 24}.jpg" for number in rows],
        "width": [320 if number % 2 else 240 for number in rows],
        "height": [240 if number % 2 else 320 for number in rows],
        "regions": pa.array(regions, SAMPLES.field("regions").type),
        "given_references": [[] for _ in rows],
    }  # fmt: skip
    return _table([columns[name] for name in SAMPLES.names], SAMPLES)


def _big_references(table: pa.Table) -> pa.Table:
    length = table.num_rows
    columns = [table["id"], [0] * length, ["0.jpg"] * length, ["aligned"] * length, [0.1] * length]
    return _table(columns, REFERENCES)


def _table(columns: Sequence[Any], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays(
        [
            column.combine_chunks() if isinstance(column, pa.ChunkedArray) else pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def _write_table(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path)


def write_big_texts(corpus: Corpus, teacher: str, words: int = 180) -> None:
    """A text of a teacher for each sample of a `big_corpus`, of so many words; every tenth says No."""
    path = text_path(corpus, teacher)
    path.parent.mkdir(exist_ok=True)
    think = " ".join(["plain"] * words)
    rows = corpus.table.select(["id", "width", "height", "regions"]).to_pylist()
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows):
            places = [Instance(Box(*region["box"]), region["label"]) for region in row["regions"]]
            record = {
                "sample_id": row["id"], "key": "a", "try": 1, "status": "ok", "teacher": teacher,
                "text": render(think, [] if number % 10 == 0 else places),
                "view_wh": [row["width"], row["height"]], "quality": 1.0, "verified": bool(number % 10),
                "checks": {"parses": True, "verdict": bool(number % 10)},
            }  # fmt: skip
            file.write(json.dumps(record) + "\n")
