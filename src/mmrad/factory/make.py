"""Writes a factory's images in the raw layouts of real datasets."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from mmrad.errors import DataError, UsageError
from mmrad.factory.canvas import Image
from mmrad.factory.plan import Job, loco_values, plan, plan_assorted, snake
from mmrad.factory.render import PRODUCTS, PRODUCTS_BY_SOURCE, SOURCES, Instance, product_of, render_seeds

LICENCE = "CC0-1.0"
"""Of what the factory makes, whatever the licence of the dataset whose layout it has."""

ASSORTED = "assorted"
"""The source of the products composed by chance."""

_CHUNK = 16
# Sensor noise repeats nothing, so looking for repeats only costs time.
_PNG = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY]


@dataclass(frozen=True, slots=True)
class FactorySummary:
    """What `make_factory` wrote.

    Attributes:
        root: the folder that holds one folder a source.
        sources: source to its root.
        normal: source to the number of images without an anomaly.
        anomalous: source to the number of images with one.
    """

    root: Path
    sources: dict[str, Path]
    normal: dict[str, int]
    anomalous: dict[str, int]

    @property
    def images(self) -> int:
        """Number of images written."""
        return sum(self.normal.values()) + sum(self.anomalous.values())


def make_factory(
    root: Path,
    *,
    seed: int = 0,
    train: int = 20,
    good: int = 10,
    per_anomaly: int = 3,
    sources: Sequence[str] = SOURCES,
    assorted: int = 0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> FactorySummary:
    """Write made-up datasets, each in the raw layout of a real one, to `root/mvtec`, `root/visa` and so on.

    The same arguments give the same bytes, whatever `workers` is.

    Args:
        root: folder to write to; made when it does not exist.
        seed: of everything, not negative.
        train: normal training images a category (images, not objects, also for Real-IAD).
        good: normal test images a category.
        per_anomaly: images for each anomaly type of a category.
        sources: which of `SOURCES` to write.
        assorted: how many products composed by chance to write to `root/assorted`, in MVTec AD's layout.
            Product k is the same whatever the seed. A call with `sources=()` gives them counts of their own.
        workers: processes that draw.
        progress: called with (images done, images in all).

    Returns:
        What was written.

    Raises:
        UsageError: an unknown source or a negative count.
        DataError: a source's folder exists and is not empty, or a file cannot be written.
    """
    _check(root, seed, min(train, good, per_anomaly, assorted), sources, assorted, workers)
    jobs = [j for s in sources for j in plan(s, seed=seed, train=train, good=good, per_anomaly=per_anomaly)]
    jobs += plan_assorted(assorted, seed=seed, train=train, good=good, per_anomaly=per_anomaly)
    written = [*sources, ASSORTED] if assorted else list(sources)
    for folder in sorted({path.parent for j in jobs for path in _files(root, j)}):
        folder.mkdir(parents=True, exist_ok=True)
    done = 0
    for count in _drawn(root, jobs, workers):
        done += count
        if progress is not None:
            progress(done, len(jobs))
    for source in written:
        _WRITE_INDEX[source](root / source, [j for j in jobs if j.source == source])
        _text(root / source / "mmrad.toml", f'licence = "{LICENCE}"\n')
    good_counts = Counter(j.source for j in jobs if j.anomaly is None)
    bad_counts = Counter(j.source for j in jobs if j.anomaly is not None)
    return FactorySummary(
        root,
        {s: root / s for s in written},
        {s: good_counts[s] for s in written},
        {s: bad_counts[s] for s in written},
    )


def factory_roots(root: Path) -> dict[str, tuple[str, Path]]:
    """Each source of a factory with the adapter that reads it and its root, as `build_corpus` takes them.

    The four sources, and `assorted` when it is there.
    """
    roots = {source: (source, root / source) for source in SOURCES}
    if (root / ASSORTED).exists():
        roots[ASSORTED] = ("mvtec", root / ASSORTED)
    return roots


def _check(root: Path, seed: int, least: int, sources: Sequence[str], assorted: int, workers: int) -> None:
    unknown = [s for s in sources if s not in SOURCES]
    if unknown:
        raise UsageError(f"the factory has no source {unknown[0]!r}: take some of {', '.join(SOURCES)}")
    if min(seed, least) < 0 or workers < 1:
        raise UsageError("seed, train, good, per_anomaly and assorted must be at least 0, workers at least 1")
    for source in [*sources, ASSORTED] if assorted else sources:
        folder = root / source
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DataError(f"{folder} exists already: give an empty folder, or remove it")


def _drawn(root: Path, jobs: list[Job], workers: int) -> Iterable[int]:
    chunks = [jobs[i : i + _CHUNK] for i in range(0, len(jobs), _CHUNK)]
    draw = partial(_draw_chunk, root)
    if workers == 1:
        yield from map(draw, chunks)
        return
    # Not fork: the caller may run threads (OpenCV, torch), whose locks a forked child would inherit.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(draw, chunks)


def _draw_chunk(root: Path, jobs: list[Job]) -> int:
    for job in jobs:
        _draw(root, job)
    return len(jobs)


def _files(root: Path, job: Job) -> list[Path]:
    """One path in each folder that a job writes to."""
    base = root / job.source
    if not job.mask:
        return [base / job.image]
    mask = base / job.mask
    return [base / job.image, mask / "000.png" if job.form == "folder" else mask]


def _draw(root: Path, job: Job) -> None:
    base = root / job.source
    out = render_seeds(job.category, job.seeds, job.anomaly, job.view)
    pixels: Image = out.image[:, :, 0] if product_of(job.category).grey else out.image[:, :, ::-1]
    if job.image.endswith(".png"):
        _save(base / job.image, pixels, ".png", _PNG)
    else:
        quality = 85 + (job.seeds.shot >> 16) % 12
        _save(base / job.image, pixels, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])
    if job.form == "folder":
        for k, instance in enumerate(out.instances):
            _save_mask(base / job.mask / f"{k:03d}.png", (instance,), job.value)
    elif job.mask:
        _save_mask(base / job.mask, out.instances, job.value)


def _save_mask(path: Path, instances: tuple[Instance, ...], value: int) -> None:
    union = np.logical_or.reduce([i.mask for i in instances])
    _save(path, union.astype(np.uint8) * np.uint8(value), ".png", _PNG)


def _save(path: Path, pixels: Image, suffix: str, options: list[int]) -> None:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise DataError(f"{path}: OpenCV could not encode the image as {suffix}")
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise DataError(f"{path}: cannot write ({error.strerror}): check the disk and the rights") from error


def _by_category(jobs: list[Job]) -> dict[str, list[Job]]:
    out: dict[str, list[Job]] = {}
    for job in jobs:
        out.setdefault(job.category, []).append(job)
    return out


def _index_mvtec(root: Path, jobs: list[Job]) -> None:
    """MVTec AD says everything by folders."""


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _index_visa(root: Path, jobs: list[Job]) -> None:
    for category, own in _by_category(jobs).items():
        rows = [(j.image, j.anomaly or "normal", j.mask) for j in own]
        _text(root / category / "image_anno.csv", _csv(("image", "label", "mask"), rows))
    split = [(j.category, j.split, "anomaly" if j.anomaly else "normal", j.image, j.mask) for j in jobs]
    _text(root / "split_csv" / "1cls.csv", _csv(("object", "split", "label", "image", "mask"), split))


def _index_loco(root: Path, jobs: list[Job]) -> None:
    for category in PRODUCTS_BY_SOURCE["loco"]:
        config = [
            {
                "defect_name": snake(label),
                "pixel_value": value,
                "saturation_threshold": 1.0,
                "relative_saturation": True,
            }
            for label, value in loco_values(category).items()
        ]
        _text(root / category / "defects_config.json", json.dumps(config, indent=4) + "\n")


def _index_realiad(root: Path, jobs: list[Job]) -> None:
    for category, own in _by_category(jobs).items():
        prefix = f"realiad_1024/{category}/"

        def entry(job: Job, prefix: str = prefix) -> dict[str, str | None]:
            code = PRODUCTS[job.category].anomalies[job.anomaly].code if job.anomaly else "OK"
            return {
                "category": job.category,
                "anomaly_class": code,
                "image_path": job.image.removeprefix(prefix),
                "mask_path": job.mask.removeprefix(prefix) or None,
            }

        index = {
            "meta": {"prefix": f"{category}/", "normal_class": "OK"},
            "train": [entry(j) for j in own if j.split == "train"],
            "test": [entry(j) for j in own if j.split == "test"],
        }
        _text(root / "realiad_jsons" / f"{category}.json", json.dumps(index, indent=1) + "\n")


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


_WRITE_INDEX: dict[str, Callable[[Path, list[Job]], None]] = {
    ASSORTED: _index_mvtec,
    "mvtec": _index_mvtec,
    "visa": _index_visa,
    "loco": _index_loco,
    "realiad": _index_realiad,
}
