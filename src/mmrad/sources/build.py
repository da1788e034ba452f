"""`mmrad build`: raw sources to a corpus; what cannot be used is listed with its reason."""

from __future__ import annotations

import json
import os
import tomllib
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.curate.labels import label_table, plain_label
from mmrad.curate.masks import regions_from_mask
from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.image import file_of, read_image, read_mask
from mmrad.sample import Region, Sample
from mmrad.sources.base import Adapter, MaskFile, RawSample, Rejection
from mmrad.sources.registry import ADAPTERS

REJECTIONS = "rejections.jsonl"

Progress = Callable[[int, int], None]
"""Called with the number of images read and the number to read."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One image to read."""

    source: str
    root: Path
    raw: RawSample
    licence: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A written corpus and what did not get into it."""

    corpus: Corpus
    rejections: tuple[Rejection, ...]


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
    jobs: list[_Job] = []
    rejections: list[Rejection] = []
    # Every root is walked before any image is read: a wrong folder shows at once, not after hours.
    for name, (adapter_name, root) in sources.items():
        if adapter_name not in ADAPTERS:
            raise UsageError(f"no adapter {adapter_name!r}; there are {', '.join(ADAPTERS)}")
        adapter = ADAPTERS[adapter_name]
        own_licence, own_labels = _own_words(root)
        licence = own_licence or adapter.licence
        labels = {**label_table(adapter_name), **own_labels}
        infos[name] = SourceInfo(adapter=adapter_name, root=_stored_root(root, out), licence=licence)
        raws, refused = _walk(adapter, root)
        raws = raws if limit_per_category is None else _limited(raws, limit_per_category)
        jobs += [_Job(name, root, raw, licence, labels) for raw in raws]
        rejections += [replace(item, source=name) for item in refused]
    samples: list[Sample] = []
    for item in _read_all(jobs, workers, progress):
        if isinstance(item, Sample):
            samples.append(item)
        else:
            rejections.append(item)
    _write_rejections(out / REJECTIONS, rejections)
    if not samples:
        first = f"; the first is {rejections[0].path}: {rejections[0].reason}" if rejections else ""
        raise DataError(f"{out}: nothing to write: {len(rejections)} files were rejected{first}")
    return BuildResult(write_corpus(out, infos, samples), tuple(rejections))


def _own_words(root: Path) -> tuple[str | None, dict[str, str]]:
    """What a file `mmrad.toml` in the root of a source says: its licence, and labels in other words.

    Raises:
        DataError: When it holds anything else.
    """
    path = root / "mmrad.toml"
    if not path.exists():
        return None, {}
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        licence, labels = content.pop("licence", None), content.pop("labels", {})
        texts = [*labels, *labels.values(), licence or ""]
        if content or not all(isinstance(text, str) for text in texts):
            raise ValueError(f"there is also {sorted(content)}" if content else "not all of it is text")
    except (OSError, ValueError, AttributeError) as error:
        wanted = 'licence = "NAME" and a table [labels] of "name" = "plain words"'
        raise DataError(f"{path}: may hold {wanted}; {error}") from error
    return licence, labels


def _walk(adapter: Adapter, root: Path) -> tuple[list[RawSample], list[Rejection]]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the folder of {adapter.title}")
    raws: list[RawSample] = []
    rejections: list[Rejection] = []
    taken: dict[tuple[str, str, str], str] = {}
    for item in adapter.read(root):
        if isinstance(item, Rejection):
            rejections.append(item)
            continue
        # Ids have one spelling of accented letters, whatever the file system made of them.
        key = (item.category, item.split, unicodedata.normalize("NFC", item.stem))
        if key in taken:
            rejections.append(
                Rejection(item.image, f"would have the same id as {taken[key]}; rename one of them")
            )
        else:
            taken[key] = item.image
            raws.append(item)
    return raws, rejections


def _read_all(
    jobs: Sequence[_Job], workers: int | None, progress: Progress | None
) -> Iterator[Sample | Rejection]:
    pool = ThreadPoolExecutor(workers or os.cpu_count())
    try:
        for done, item in enumerate(pool.map(_sample, jobs), start=1):
            yield item
            if progress:
                progress(done, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt must not wait for the images still in the queue


def _limited(raws: Sequence[RawSample], limit: int) -> list[RawSample]:
    categories: dict[str, tuple[list[RawSample], list[RawSample]]] = {}
    for raw in raws:
        categories.setdefault(raw.category, ([], []))[raw.anomalous is not False].append(raw)
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


def _sample(job: _Job) -> Sample | Rejection:
    source, root, raw = job.source, job.root, job.raw
    try:
        height, width = read_image(root / raw.image).shape[:2]
        marked = [_marked(root, raw, mask, (width, height)) for mask in raw.masks]
        regions = [*raw.regions, *(region for found in marked for region in found)]
        _check(raw, root, regions, (width, height))
    except DataError as error:
        # The root is this machine's business; the list may travel with the corpus.
        return Rejection(raw.image, str(error).replace(f"{root}{os.sep}", ""), source)
    return Sample(
        id=unicodedata.normalize("NFC", f"{source}/{raw.category}/{raw.split}/{raw.stem}"),
        source=source,
        category=raw.category,
        split=raw.split,
        image=raw.image,
        size_wh=(width, height),
        regions=tuple(
            replace(region, label=plain_label(job.labels, raw.category, region.label)) for region in regions
        ),
        licence=job.licence,
        provenance=raw.provenance,
        given_references=raw.given_references,
    )


def _marked(root: Path, raw: RawSample, mask: MaskFile, size_wh: tuple[int, int]) -> list[Region]:
    values = read_mask(root / mask.path)
    height, width = values.shape
    if (width, height) != size_wh:
        raise DataError(
            f"the mask {mask.path} is {width}x{height}, its image {raw.image} is {size_wh[0]}x{size_wh[1]}"
        )
    try:
        found = regions_from_mask(values, mask.labels, threshold=mask.threshold)
    except ValueError as error:
        raise DataError(f"{mask.path}: {error}") from error
    if not found and raw.anomalous:
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
    if raw.anomalous is False and regions:
        raise DataError(f"normal, but {raw.provenance} marks {len(regions)} anomalous areas")
    for reference in raw.given_references:
        if not file_of(root / reference).is_file():
            raise DataError(f"its reference {reference} is missing")


def _stored_root(root: Path, out: Path) -> str:
    root, out = root.resolve(), out.resolve()
    if root.is_relative_to(out.parent):
        return Path(os.path.relpath(root, out)).as_posix()
    return root.as_posix()


def _write_rejections(path: Path, rejections: Sequence[Rejection]) -> None:
    rows = ({"source": r.source, "path": r.path, "reason": r.reason} for r in rejections)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
