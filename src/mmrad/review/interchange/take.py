"""Reading the files of a tool, and adding what they say to the reviews of a corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from mmrad.corpus import Corpus
from mmrad.corpus.names import file_stems
from mmrad.corpus.reviews import Review
from mmrad.errors import UsageError
from mmrad.review.interchange.annotated import Annotation
from mmrad.review.interchange.coco import read_coco
from mmrad.review.interchange.cvat import read_cvat
from mmrad.review.interchange.decide import NEEDED, Nothing, RefusedError, decide
from mmrad.review.interchange.documents import documents
from mmrad.review.interchange.label_studio import read_label_studio
from mmrad.review.store import Ledger, Store
from mmrad.sample import Sample

Reader = Callable[[str, bytes], Iterable[Annotation]]

TOOLS: dict[str, tuple[str, Reader]] = {
    "label-studio": (".json", read_label_studio),
    "cvat": (".xml", read_cvat),
    "coco": (".json", read_coco),
}
"""Suffix of each tool's documents, and what reads them."""

_NAMED = 10
"""So many images are named for each reason; of the rest the number is told."""

_BATCH = 500
"""So many annotations are decided on and stored at once; what others decide meanwhile comes before them."""

_FIRST = datetime.min.replace(tzinfo=UTC)

Progress = Callable[[int, int], None]
"""Is told how many annotations of how many are done, after each batch."""


@dataclass(slots=True)
class Taken:
    """What became of the annotations of some files.

    Attributes:
        unchanged: Reviews that keep a sample as it was.
        changed: Reviews that keep it with other regions.
        dropped: Reviews that drop it.
        unsure: Reviews that cannot tell.
        blind: How many of all these are blind.
        outlines: How many of their regions are upright boxes around an outline of another form.
        known: Annotations that had been imported before.
        open: Images of which nothing shows that somebody was done with them.
        unknown: Images that are not in the corpus.
        refused: Annotations that cannot be taken, and why.
    """

    unchanged: int = 0
    changed: int = 0
    dropped: int = 0
    unsure: int = 0
    blind: int = 0
    outlines: int = 0
    known: int = 0
    open: int = 0
    unknown: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Lines for people."""
        total = self.unchanged + self.changed + self.dropped + self.unsure
        lines = [
            f"{total} reviews: {self.unchanged} kept as they were, {self.changed} changed, "
            f"{self.dropped} dropped, {self.unsure} unsure"
        ]
        if self.blind:
            lines.append(f"{self.blind} of them are blind: {NEEDED} people must agree on an image")
        if self.outlines:
            lines.append(f"{self.outlines} outlines became the upright boxes around them")
        if self.known:
            lines.append(f"{self.known} had been imported before")
        if self.open:
            lines.append(f"{self.open} images are open: nothing shows that somebody was done with them")
        lines += _named("images are not in the corpus", self.unknown)
        return "\n".join(lines + _named("annotations were left out", self.refused))

    def count(self, made: Review | Nothing, annotation: Annotation) -> None:
        """Count what an annotation made."""
        if made == "known":
            self.known += 1
        elif made == "open":
            self.open += 1
        else:
            self.unchanged += made.outcome == "keep" and made.after == made.before
            self.changed += made.outcome == "keep" and made.after != made.before
            self.dropped += made.outcome == "drop"
            self.unsure += made.outcome == "unsure"
            self.blind += made.blind
            self.outlines += annotation.outlines


def _named(what: str, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    more = [f"  and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return [f"{len(names)} {what}:", *(f"  {name}" for name in names[:_NAMED]), *more]


def import_reviews(
    corpus: Corpus,
    store: Store,
    files: Sequence[Path],
    tool: str,
    *,
    reviewer: str | None = None,
    finished: bool = False,
    blind: bool = False,
    progress: Progress | None = None,
) -> Taken:
    """Add the annotations of a tool's export to the reviews of a corpus.

    Images that several people annotated get blind reviews. Importing a file again adds nothing.

    Args:
        corpus: The corpus that was exported to the tool.
        store: The database of its reviews.
        files: What the tool exported, plain or as ZIP archives.
        tool: One of `TOOLS`.
        reviewer: Name of the reviewer; by default that of the tool, and of the person where the files tell.
        finished: Take images as done of which the files do not tell, unchanged ones too.
        blind: Make all reviews blind.
        progress: Told of the annotations.

    Raises:
        DataError: When a file is none of the tool's, or the reviews cannot be read or written.
        UsageError: When one reviewer is named for the work of several people.
    """
    suffix, read = TOOLS[tool]
    found = [one for file in files for name, text in documents(file, suffix) for one in read(name, text)]
    people = {one.person for one in found if one.finished is not False}
    if reviewer and len(people) > 1:
        raise UsageError(
            f"the files have the work of {len(people)} people ({', '.join(sorted(people))}): "
            "import them without --reviewer, or one file after the other"
        )
    taken = Taken()
    matched = sorted(_matched(corpus, found, taken), key=lambda pair: pair[0].at or _FIRST)
    several = {sample.id for _, sample in matched} if blind else _several(matched)

    def said(annotation: Annotation, sample: Sample, history: Sequence[Review]) -> Review | Nothing:
        name = reviewer or ":".join(filter(None, (tool, annotation.person)))
        return decide(annotation, sample, history, name, blind=sample.id in several, finished=finished)

    ledger = Ledger(store, corpus.path)
    for start in range(0, len(matched), _BATCH):
        batch = matched[start : start + _BATCH]
        ledger.refresh()
        store.add_reviews(list(_reviews(batch, ledger, said, taken)))
        if progress:
            progress(start + len(batch), len(matched))
    ledger.refresh()  # writes reviews.jsonl
    return taken


def _reviews(
    batch: Iterable[tuple[Annotation, Sample]],
    ledger: Ledger,
    said: Callable[[Annotation, Sample, Sequence[Review]], Review | Nothing],
    taken: Taken,
) -> Iterator[Review]:
    """The reviews that annotations make, each after those before it; the others are counted."""
    made: defaultdict[str, list[Review]] = defaultdict(list)
    for annotation, sample in batch:
        try:
            review = said(annotation, sample, [*ledger.history(sample.id), *made[sample.id]])
        except RefusedError as error:
            taken.refused.append(f"{annotation.where}: {error}")
            continue
        taken.count(review, annotation)
        if isinstance(review, Review):
            made[sample.id].append(review)
            yield review


def _matched(
    corpus: Corpus, annotations: Iterable[Annotation], taken: Taken
) -> Iterator[tuple[Annotation, Sample]]:
    """The annotations with their samples; a file's name counts only where the sample is not said."""
    by_id = {sample.id: sample for sample in corpus.samples}
    by_file = _by_file(corpus.samples)
    for annotation in annotations:
        said = annotation.sample_id
        sample = by_file.get(annotation.image) if said is None else by_id.get(str(said))
        if sample:
            yield annotation, sample
        else:
            taken.unknown.append(f"{annotation.where}: {said or annotation.image}")


def _by_file(samples: Sequence[Sample]) -> dict[str, Sample]:
    """The samples by the names of their files in an export, where turned images and parts are PNG."""
    stems = file_stems(samples)
    suffixes = {sample.id: {PurePosixPath(sample.image).suffix, ".png"} for sample in samples}
    return {stems[sample.id] + suffix: sample for sample in samples for suffix in suffixes[sample.id]}


def _several(matched: Iterable[tuple[Annotation, Sample]]) -> set[str]:
    """Ids of the samples that several people annotated."""
    people: dict[str, set[str]] = {}
    for annotation, sample in matched:
        if annotation.finished is not False:
            people.setdefault(sample.id, set()).add(annotation.person)
    return {sample_id for sample_id, who in people.items() if len(who) >= NEEDED}
