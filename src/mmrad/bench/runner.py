"""Asking an inspector for verdicts on samples, so that nothing answered is ever asked twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from mmrad import __version__
from mmrad.bench.leaks import refuse_seen
from mmrad.bench.progress import Progress, Reporter
from mmrad.bench.records import verdict_to_record
from mmrad.bench.run import INFO_FILE, VERDICTS_FILE, Run, RunInfo, load_info, price_of, read_lines, spent
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.files import file_name
from mmrad.image import image_hash
from mmrad.inspectors.base import Inspector, failed_verdict
from mmrad.journal import Journal
from mmrad.recipe import differences
from mmrad.sample import RETRIED, Pair, Sample, Verdict


def bench(
    corpus: Corpus,
    samples: Sequence[Sample],
    inspector: Inspector,
    out: Path,
    *,
    references: int = 1,
    about: Mapping[str, Any] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Ask an inspector for verdicts on samples; called again, it goes on where it stopped.

    The run lies in `out/NAME`, NAME being the inspector's. Asked again are queries without a verdict and
    those that ended as one of `RETRIED`. Whatever ends the call early, the verdicts given so far are kept.
    More or fewer samples of the same sources may be given next time: verdicts of samples left out stay in
    the file.

    Args:
        corpus: The corpus that the samples belong to.
        samples: The queries, no two with one id.
        inspector: Who is asked.
        out: Folder of runs.
        references: Reference images beside each query; 0 for none.
        about: What tables say of the run besides what the inspector says of itself.
        progress: Called at the start and after each verdict.

    Returns:
        The run, with a verdict for each sample.

    Raises:
        UsageError: When there are no samples, the inspector was trained on their dataset, or the folder holds
            a run that was asked otherwise or on other images.
        DataError: When a sample lacks its reference, or the folder holds a damaged run.
        ProviderError: When the inspector cannot answer at all.
        BudgetReached: When the inspector's cap on money leaves queries unasked; a later call asks them.
    """
    refuse_seen(corpus, samples, inspector)
    pairs = corpus.pairs(samples, references=references)
    folder = out / file_name(inspector.name)
    described = {**inspector.about(), **(about or {})}
    info = _begin(folder, _describe(corpus, pairs, inspector, folder, references, described))
    keys = _Keys(info.inspector)
    kept = _final_verdicts(folder, pairs, keys)
    open_pairs = [pair for pair in pairs if pair.sample.id not in kept]
    price = price_of(info)
    start = Progress(info.name, len(pairs), dollars=spent(folder, price) if price else None)
    report = Reporter(progress, start, kept.values(), price)
    with Journal(folder / VERDICTS_FILE) as journal, _inspection(inspector, open_pairs) as verdicts:
        for pair, verdict in verdicts:
            line = {"sample_id": pair.sample.id, "key": keys.of(pair), "verdict": verdict_to_record(verdict)}
            journal.append(line)
            report.add(verdict)
    return Run(folder, info)


@contextmanager
def _inspection(inspector: Inspector, pairs: Sequence[Pair]) -> Iterator[Iterator[tuple[Pair, Verdict]]]:
    """Pairs with their verdicts as they come; what the inspector has open is closed whatever happens."""
    answers = inspector.inspect(pairs) if pairs else iter(())

    def each() -> Iterator[tuple[Pair, Verdict]]:
        missing = set(range(len(pairs)))
        for index, verdict in answers:
            missing.discard(index)
            yield pairs[index], verdict
        for index in sorted(missing):
            yield pairs[index], failed_verdict("failed", "the inspector gave no verdict")

    try:
        yield each()
    finally:
        if isinstance(answers, Generator):
            answers.close()


class _Keys:
    """Keys of lines: a hash over the inspector's key, the bytes of the images and the sample's id."""

    def __init__(self, inspector: dict[str, Any]) -> None:
        self._inspector = json.dumps(inspector, sort_keys=True)
        self._image_hash = lru_cache(maxsize=1 << 16)(image_hash)  # one reference serves many queries

    def of(self, pair: Pair) -> str:
        images = [self._image_hash(path) for path in (pair.image, *pair.references)]
        return hashlib.sha256("\n".join([self._inspector, *images, pair.sample.id]).encode()).hexdigest()


def _describe(
    corpus: Corpus,
    pairs: Sequence[Pair],
    inspector: Inspector,
    folder: Path,
    references: int,
    about: Mapping[str, Any],
) -> RunInfo:
    ids = [pair.sample.id for pair in pairs]
    if len(set(ids)) != len(ids) or not ids:
        raise UsageError(f"{corpus.path}: no samples to bench" if not ids else "a sample was given twice")
    sources = sorted({pair.sample.source for pair in pairs})
    chosen = {
        sample.id: corpus.references.get(sample.id, ())[:references]
        for sample in corpus.samples
        if sample.source in sources
    }
    methods = {reference.method for sample_id in ids for reference in chosen[sample_id]}
    images = {sample_id: [reference.image for reference in some] for sample_id, some in chosen.items()}
    return RunInfo(
        name=inspector.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        mmrad_version=__version__,
        inspector=json.loads(json.dumps(inspector.key())),
        about=json.loads(json.dumps(about)),
        corpus=_relative(corpus.path, folder),
        corpus_sha256={source: corpus.manifest.sources[source].samples_sha256 for source in sources},
        references=references,
        reference_method="+".join(sorted(methods)) or "none",
        references_sha256=hashlib.sha256(json.dumps(images, sort_keys=True).encode()).hexdigest(),
        sample_ids=ids,
    )


def _relative(path: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()
    except ValueError:  # on another drive
        return str(path.resolve())


def _begin(folder: Path, asked: RunInfo) -> RunInfo:
    """Write `run.json`, or bring that of an earlier call up to date.

    Raises:
        UsageError: When the folder holds a run that was asked otherwise.
    """
    if not (folder / INFO_FILE).exists():
        if (folder / VERDICTS_FILE).exists():
            raise UsageError(
                f"{folder}: holds verdicts but no {INFO_FILE}; restore it, or choose another --out"
            )
        asked.save(folder)
        return asked
    held = load_info(folder)
    if different := list(differences(_compared(held), _compared(asked))):
        raise UsageError(
            f"{folder} holds a run that was asked otherwise: {'; '.join(different)}; "
            "choose another --out, or delete that folder"
        )
    info = asked.model_copy(update={"created": held.created, "mmrad_version": held.mmrad_version})
    if info != held:
        info.save(folder)
    return info


def _compared(info: RunInfo) -> dict[str, Any]:
    fields = {"name", "inspector", "corpus_sha256", "references", "references_sha256"}
    return info.model_dump(include=fields)


def _final_verdicts(folder: Path, pairs: Sequence[Pair], keys: _Keys) -> dict[str, Verdict]:
    """The verdicts of these pairs that need not be asked again, by sample id.

    Raises:
        UsageError: When one was given on other images: old and new verdicts would stand in one table.
    """
    final: dict[str, Verdict] = {}
    lines = read_lines(folder)
    for pair in pairs:
        key, verdict = lines.get(pair.sample.id, ("", None))
        if verdict is None or verdict.status in RETRIED:
            continue
        if key != keys.of(pair):
            raise UsageError(
                f"{folder} holds a verdict on {pair.sample.id}, but {pair.image} or a reference of it has "
                "changed since; restore the image, choose another --out, or delete that folder"
            )
        final[pair.sample.id] = verdict
    return final
