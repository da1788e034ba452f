"""`mmrad build`: raw sources to a corpus; what cannot be used is listed with its reason."""

from __future__ import annotations

import json
import os
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.corpus.reviewed import Decisions
from mmrad.corpus.reviews import read_reviews
from mmrad.corpus.tables import QUALITY, table_writer
from mmrad.curate.labels import label_table
from mmrad.curate.licences import terms
from mmrad.curate.selection import Selection
from mmrad.errors import DataError, UsageError
from mmrad.files import write_text
from mmrad.sources.base import RawSample, Rejection
from mmrad.sources.examine import Context
from mmrad.sources.judge import Judgement, judge
from mmrad.sources.pipeline import Findings, Progress, Runner, examine_all
from mmrad.sources.registry import ADAPTERS
from mmrad.sources.reviewed import ReviewedFindings

REJECTIONS = "rejections.jsonl"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """A written corpus.

    Attributes:
        corpus: The corpus.
        rejections: What did not get into it.
        decisions: What its reviews made of the samples.
    """

    corpus: Corpus
    rejections: tuple[Rejection, ...]
    decisions: Decisions


def build_corpus(
    sources: Mapping[str, tuple[str, Path]],
    out: Path,
    *,
    selection: Selection | None = None,
    commercial: bool = False,
    runner: Runner = "native",
    progress: Progress | None = None,
) -> BuildResult:
    """Read raw datasets and write them as one corpus.

    Every image is decoded once, and never again for as long as nothing about it changes (see
    `mmrad.sources.pipeline`). Images and annotations that cannot be used, and images that the selection
    leaves out, are listed with file and reason in `rejections.jsonl` of the corpus folder.

    Where the folder has reviews, samples are written as people left them, and those that they dropped are
    listed like the rest. Samples whose raw regions changed since their review are written as they are now.

    Args:
        sources: Source name -> (adapter name, root folder).
        out: Folder of the corpus.
        selection: Which of the usable images are kept; None keeps all.
        commercial: Refuse sources whose licence does not allow commercial use.
        runner: Where the images are read, see `mmrad.sources.pipeline`.
        progress: Told after every image.

    Raises:
        UsageError: When an adapter does not exist, or a licence does not allow what is asked.
        DataError: When a root is missing or has another layout, no sample is left, or `reviews.jsonl` is
            damaged.
    """
    reviews = read_reviews(out)
    contexts: dict[str, Context] = {}
    infos: dict[str, SourceInfo] = {}
    for name, (adapter_name, root) in sources.items():
        context = _context(name, adapter_name, root)
        if commercial and not terms(context.licence).commercial:
            raise UsageError(
                f"{name}: its licence, {context.licence}, does not allow commercial use; leave it out"
            )
        contexts[name] = context
        infos[name] = SourceInfo(adapter=adapter_name, root=_stored_root(root, out), licence=context.licence)
    rejections: list[Rejection] = []
    raws = _walk_all(sources, rejections)
    found = ReviewedFindings(examine_all(raws, contexts, out, runner=runner, progress=progress), reviews)
    policy = selection or Selection()
    judgements = judge(found, policy)
    for item, judgement in zip(found, judgements, strict=True):
        if item.rejection:
            rejections.append(item.rejection)
        elif item.sample and judgement.left_out:
            rejections.append(Rejection(item.sample.image, judgement.left_out, item.sample.source))
    _write_rejections(out / REJECTIONS, rejections)
    if not any(judgement.kept for judgement in judgements):
        first = f"; the first is {rejections[0].path}: {rejections[0].reason}" if rejections else ""
        raise DataError(f"{out}: nothing to write: {len(rejections)} files were rejected{first}")
    _write_quality(out / "quality", infos, found, judgements)
    kept = (item.sample for item, judgement in zip(found, judgements, strict=True) if judgement.kept)
    samples = (sample for sample in kept if sample)
    corpus = write_corpus(out, infos, samples, selection=policy.model_dump(mode="json"))
    return BuildResult(corpus, tuple(rejections), found.decisions)


def _context(name: str, adapter_name: str, root: Path) -> Context:
    if adapter_name not in ADAPTERS:
        raise UsageError(f"no adapter {adapter_name!r}; there are {', '.join(ADAPTERS)}")
    adapter = ADAPTERS[adapter_name]
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; give the folder of {adapter.title}")
    licence, labels = _own_words(root)
    return Context(name, root, licence or adapter.licence, {**label_table(adapter_name), **labels})


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


def _walk_all(
    sources: Mapping[str, tuple[str, Path]], rejections: list[Rejection]
) -> Iterator[tuple[str, RawSample]]:
    """The images of all sources; what an adapter refuses is added to `rejections`."""
    for name, (adapter_name, root) in sources.items():
        taken: dict[tuple[str, str, str], str] = {}
        for item in ADAPTERS[adapter_name].read(root):
            if isinstance(item, Rejection):
                rejections.append(replace(item, source=name))
                continue
            # Ids have one spelling of accented letters, whatever the file system made of them.
            key = (item.category, item.split, unicodedata.normalize("NFC", item.stem))
            if key in taken:
                reason = f"would have the same id as {taken[key]}; rename one of them"
                rejections.append(Rejection(item.image, reason, name))
            else:
                taken[key] = item.image
                yield name, item


def _write_quality(
    folder: Path, sources: Iterable[str], found: Findings, judgements: Sequence[Judgement]
) -> None:
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(table_writer(folder / f"{name}.parquet", QUALITY)) for name in sources
        }
        for item, judgement in zip(found, judgements, strict=True):
            if item.sample and item.measures and judgement.kept:
                writers[item.sample.source].add(
                    {
                        "id": item.sample.id,
                        "sha256": item.sha256,
                        "hash": item.measures.hash,
                        "measures": list(item.measures.raw.items()),
                        "findings": list(judgement.findings),
                        "duplicate_of": judgement.duplicate_of,
                    }
                )


def _stored_root(root: Path, out: Path) -> str:
    root, out = root.resolve(), out.resolve()
    if root.is_relative_to(out.parent):
        return Path(os.path.relpath(root, out)).as_posix()
    return root.as_posix()


def _write_rejections(path: Path, rejections: Sequence[Rejection]) -> None:
    rows = ({"source": r.source, "path": r.path, "reason": r.reason} for r in rejections)
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
