"""`mmrad build`: raw sources to a corpus; what cannot be used is listed with its reason."""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.curate.masks import regions_from_mask
from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.image import read_image, read_mask
from mmrad.sample import Region, Sample
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.registry import ADAPTERS

REJECTIONS = "rejections.jsonl"

Progress = Callable[[str, int, int], None]
"""Called with the source's name, the number of images read and the number to read."""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A written corpus and what did not get into it."""

    corpus: Corpus
    rejections: tuple[Rejection, ...]


def parse_source(text: str) -> tuple[str, tuple[str, Path]]:
    """Read `ADAPTER=ROOT` or `NAME:ADAPTER=ROOT` as `(name, (adapter, root))`.

    Raises:
        UsageError: When the text has another form or names no adapter.
    """
    left, equals, root = text.partition("=")
    name, _, adapter = left.rpartition(":")
    if not equals or not root or not adapter:
        raise UsageError(
            f"{text!r} should be ADAPTER=FOLDER or NAME:ADAPTER=FOLDER, for instance mvtec=data/mvtec"
        )
    name = name or adapter
    if adapter not in ADAPTERS:
        raise UsageError(f"no adapter {adapter!r}; there are {', '.join(sorted(ADAPTERS))}")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"the source name {name!r} may only have letters, digits, - and _")
    return name, (adapter, Path(root))


def build_corpus(
    sources: Mapping[str, tuple[str, Path]],
    out: Path,
    *,
    limit_per_category: int | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> BuildResult:
    """Read raw datasets and write them as one corpus.

    Every image is decoded once. Images and annotations that cannot be used are left out and listed, with file
    and reason, in `rejections.jsonl` of the corpus folder.

    Args:
        sources: Name of each source to its adapter's name and its root folder.
        out: Corpus folder; its samples are replaced.
        limit_per_category: At most so many images of a category, evenly spaced, half of them anomalous where
            there are enough; None takes all.
        workers: Threads that read images; None for one a core.
        progress: Told after every image.

    Raises:
        UsageError: When an adapter does not exist.
        DataError: When a root is missing or has another layout, or no sample is left.
    """
    infos: dict[str, SourceInfo] = {}
    samples: list[Sample] = []
    rejections: list[Rejection] = []
    for name, (adapter_name, root) in sources.items():
        if adapter_name not in ADAPTERS:
            raise UsageError(f"no adapter {adapter_name!r}; there are {', '.join(sorted(ADAPTERS))}")
        adapter = ADAPTERS[adapter_name]
        infos[name] = SourceInfo(adapter=adapter_name, root=_stored_root(root, out), licence=adapter.licence)
        for item in _read_source(name, adapter, root, limit_per_category, workers, progress):
            if isinstance(item, Sample):
                samples.append(item)
            else:
                rejections.append(replace(item, source=name))
    _write_rejections(out / REJECTIONS, rejections)
    if not samples:
        first = f"; the first is {rejections[0].path}: {rejections[0].reason}" if rejections else ""
        raise DataError(f"{out}: nothing to write: {len(rejections)} files were rejected{first}")
    return BuildResult(write_corpus(out, infos, samples), tuple(rejections))


def _read_source(
    name: str, adapter: Adapter, root: Path, limit: int | None, workers: int | None, progress: Progress | None
) -> Iterable[Sample | Rejection]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the folder of {adapter.title}")
    raws: list[RawSample] = []
    taken: set[tuple[str, str, str]] = set()
    for item in adapter.read(root):
        if isinstance(item, Rejection):
            yield item
            continue
        key = (item.category, item.split, item.stem)
        if key in taken:
            yield Rejection(
                item.image, f"another image is already called {'/'.join(key)}; rename one of them"
            )
            continue
        taken.add(key)
        raws.append(item)
    raws = raws if limit is None else _limited(raws, limit)
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        read = pool.map(lambda raw: _sample(name, adapter, root, raw), raws)
        for done, sample in enumerate(read, start=1):
            yield sample
            if progress:
                progress(name, done, len(raws))


def _limited(raws: Sequence[RawSample], limit: int) -> list[RawSample]:
    categories: dict[str, tuple[list[RawSample], list[RawSample]]] = {}
    for raw in raws:
        categories.setdefault(raw.category, ([], []))[raw.anomalous].append(raw)
    kept: list[RawSample] = []
    for normal, anomalous in categories.values():
        bad = min(len(anomalous), max(limit // 2, limit - len(normal)))
        kept += _spaced(normal, limit - bad) + _spaced(anomalous, bad)
    return kept


def _spaced(items: list[RawSample], count: int) -> list[RawSample]:
    """`count` of the items, evenly spaced over their order; all when there are fewer."""
    if count >= len(items):
        return items
    return [items[i * len(items) // count] for i in range(count)]


def _sample(source: str, adapter: Adapter, root: Path, raw: RawSample) -> Sample | Rejection:
    try:
        height, width = read_image(root / raw.image).shape[:2]
        regions = [
            *raw.regions,
            *(r for mask in raw.masks for r in _regions(root, raw.image, mask, (width, height))),
        ]
        _check(raw, root, regions, (width, height))
    except DataError as error:
        # The root is this machine's business; the list may travel with the corpus.
        return Rejection(raw.image, str(error).replace(f"{root}{os.sep}", ""))
    return Sample(
        # One spelling of accented letters, so that ids agree between file systems.
        id=unicodedata.normalize("NFC", f"{source}/{raw.category}/{raw.split}/{raw.stem}"),
        source=source,
        category=raw.category,
        split=raw.split,
        image=raw.image,
        size_wh=(width, height),
        regions=tuple(regions),
        licence=adapter.licence,
        provenance=raw.provenance,
        given_references=raw.given_references,
    )


def _regions(root: Path, image: str, mask: MaskFile, size_wh: tuple[int, int]) -> list[Region]:
    values = read_mask(root / mask.path)
    height, width = values.shape
    if (width, height) != size_wh:
        raise DataError(
            f"the mask {mask.path} is {width}x{height}, its image {image} is {size_wh[0]}x{size_wh[1]}"
        )
    try:
        found = regions_from_mask(values, mask.labels, threshold=mask.threshold)
    except ValueError as error:
        raise DataError(f"{mask.path}: {error}") from error
    if not found:
        raise DataError(
            f"anomalous, but the mask {mask.path} marks nothing: its largest value is {values.max()}, "
            f"and only values over {mask.threshold} count"
        )
    return [Region(box, label, mask.path) for box, label in found]


def _check(raw: RawSample, root: Path, regions: Sequence[Region], size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    image = Box(0, 0, width, height)
    for region in regions:
        box = region.box
        if box.x1 < image.x1 or box.y1 < image.y1 or box.x2 > image.x2 or box.y2 > image.y2:
            raise DataError(
                f"{raw.provenance}: the box {box.xyxy} lies outside the image of {width}x{height}"
            )
    if raw.anomalous and not regions:
        raise DataError("anomalous, but nothing says where; add a mask or boxes")
    for reference in raw.given_references:
        if not (root / reference).is_file():
            raise DataError(f"its reference {reference} is missing")


def _stored_root(root: Path, out: Path) -> str:
    root, out = root.resolve(), out.resolve()
    if root.is_relative_to(out.parent):
        return Path(os.path.relpath(root, out)).as_posix()
    return root.as_posix()


def _write_rejections(path: Path, rejections: Sequence[Rejection]) -> None:
    rows = ({"source": r.source, "path": r.path, "reason": r.reason} for r in rejections)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
