"""All images of all sources through `examine`: streamed by Daft, kept in a journal, never done twice.

What was found out of an image is one line of `examined.jsonl` in the corpus folder, under a key made of
everything that can change it: what the adapter said of it, the licence and labels of its source, and size and
time of its files. A build that was killed goes on after its last lines; one with another selection opens no
image; of changed data only what changed is read.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pydantic import TypeAdapter

from mmrad.corpus.tables import table_writer
from mmrad.errors import DataError
from mmrad.image import file_of
from mmrad.journal import Journal
from mmrad.sources.base import RawSample
from mmrad.sources.examine import Context, Examined, examine

JOURNAL = "examined.jsonl"

Runner = Literal["native", "ray"]

Progress = Callable[[int, int], None]
"""Called with the number of images read and the number to read."""

_VERSION = 1
"""Raised when `examine` or what it calls finds out something else of the same image."""

_ROWS = 128
"""Images of one file of work, which is what a machine of a cluster takes at a time."""

_BATCH = 16
"""Images that one core reads at a time."""

_FSYNC = 256
"""Images that a kill may cost."""

_PROCESSES_FROM = 2000
"""Images from which each core gets a process of its own: it starts in two seconds and is a quarter faster."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt(3)."""

_KEPT_BYTES = 1 << 30

_WORK = pa.schema([("key", pa.string()), ("source", pa.string()), ("raw", pa.string())])

_RAW: TypeAdapter[RawSample] = TypeAdapter(RawSample)
_EXAMINED: TypeAdapter[Examined] = TypeAdapter(Examined)


class Findings:
    """What was found out of every image of a build, in the order of the walk; lies on disk.

    Args:
        journal: The journal.
        offsets: Where the line of each image starts.
    """

    def __init__(self, journal: Path, offsets: list[int]) -> None:
        self._journal = journal
        self._offsets = offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Examined]:
        if not self._offsets:  # and so perhaps no journal
            return
        with self._journal.open("rb") as file:
            for offset in self._offsets:
                file.seek(offset)
                yield _EXAMINED.validate_python(json.loads(file.readline())["examined"])


def examine_all(
    raws: Iterable[tuple[str, RawSample]],
    contexts: Mapping[str, Context],
    out: Path,
    *,
    runner: Runner = "native",
    progress: Progress | None = None,
) -> Findings:
    """Read all images that the journal does not know yet.

    Args:
        raws: The name of its source and what the adapter found, for each image.
        contexts: The sources by name.
        out: Folder of the journal; on a cluster, one that all machines see, as the images.
        runner: `native` uses the cores of this machine, `ray` a Ray cluster (`RAY_ADDRESS`).
        progress: Told as images are done.
    """
    known = _known(out / JOURNAL)
    keys: list[str] = []
    work = out / ".work"
    _clear(work)
    todo = _write_work(work, _new(raws, contexts, known, keys))
    if todo:
        with Journal(out / JOURNAL, group=_FSYNC) as journal:
            for done, (key, found) in enumerate(
                _run(work, contexts, runner, todo >= _PROCESSES_FROM), start=1
            ):
                journal.append({"key": key, "examined": json.loads(found)})
                if progress:
                    progress(len(keys) - todo + done, len(keys))
        known = _known(out / JOURNAL)
    elif progress:
        progress(len(keys), len(keys))
    _clear(work)
    return Findings(out / JOURNAL, [known[key] for key in keys])


def _known(journal: Path) -> dict[str, int]:
    """Where the line of each key starts; a torn last line is none."""
    found: dict[str, int] = {}
    if not journal.exists():
        return found
    offset = 0
    with journal.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.endswith(b"\n"):
                try:
                    found[json.loads(line)["key"]] = offset
                except (ValueError, KeyError, TypeError) as error:
                    raise DataError(
                        f"{journal}, line {number}: not a line of a build ({error}); remove the line"
                    ) from error
            offset += len(line)
    return found


def _new(
    raws: Iterable[tuple[str, RawSample]],
    contexts: Mapping[str, Context],
    known: Mapping[str, int],
    keys: list[str],
) -> Iterator[dict[str, str]]:
    """The images that are not known, as rows of work; every key is added to `keys`."""
    for source, raw in raws:
        text = _RAW.dump_json(raw).decode()
        key = _key(contexts[source], raw, text)
        keys.append(key)
        if key not in known:
            yield {"key": key, "source": source, "raw": text}


def _key(context: Context, raw: RawSample, text: str) -> str:
    paths = [raw.image, *(mask.path for mask in raw.masks)]
    stamps = [_stamp(file_of(context.root / path)) for path in paths]
    parts = [_VERSION, context.source, context.licence, sorted(context.labels.items()), text, stamps]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change of a file; of one that is not there, zeros."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)
    return (status.st_size, status.st_mtime_ns)


def _write_work(work: Path, rows: Iterator[dict[str, str]]) -> int:
    """Write rows of work into Parquet files of `_ROWS` each; returns how many rows there are."""
    count = 0
    row = next(rows, None)
    while row is not None:
        with table_writer(work / f"{count // _ROWS:06}.parquet", _WORK) as writer:
            while row is not None:
                writer.add(row)
                count += 1
                row = next(rows, None)
                if count % _ROWS == 0:
                    break
    return count


def _run(
    work: Path, contexts: Mapping[str, Context], runner: Runner, processes: bool
) -> Iterator[tuple[str, str]]:
    """Key and `Examined` as JSON for each row of work, as they are done."""
    # Daft reports its use to its makers unless told not to.
    os.environ["DAFT_ANALYTICS_ENABLED"] = "0"
    os.environ["DO_NOT_TRACK"] = "true"
    import daft

    sources = dict(contexts)

    @daft.func(return_dtype=daft.DataType.string(), use_process=processes)
    def found(source: str, raw: str) -> str:
        return _examine_row(sources[source], raw)

    if daft.get_or_infer_runner_type() != runner:  # it can be set once only
        (daft.set_runner_ray if runner == "ray" else daft.set_runner_native)()
    rows = daft.read_parquet(str(work / "*.parquet")).into_batches(_BATCH)
    done = rows.select(rows["key"], found(rows["source"], rows["raw"]).alias("found"))
    for batch in done.to_arrow_iter():
        yield from zip(batch.column("key").to_pylist(), batch.column("found").to_pylist(), strict=True)


def _examine_row(context: Context, raw: str) -> str:
    keep_freed_memory()
    return _EXAMINED.dump_json(examine(context, _RAW.validate_json(raw))).decode()


@cache
def keep_freed_memory() -> None:
    """Let the C library keep the memory of images for the next ones.

    By default glibc gives it back and asks for it anew for every image, which takes a third of the time.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
        library.mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)


def _clear(work: Path) -> None:
    for path in work.glob("*"):
        path.unlink()
    if work.exists():
        work.rmdir()
