"""Teaching a corpus: one verified text for each sample, kept as soon as it is written."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmrad.answer import Instance
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.image import read_image
from mmrad.journal import Journal, Record
from mmrad.sample import Pair, Reasoning, Sample
from mmrad.teach.scripted import Teacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import read_answers, read_texts, reasoning, text_of, text_path
from mmrad.teach.verify import CHECKS, Similarity, passed, verify
from mmrad.view import Budget, View, make_view, rescale, view_size

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TeachSummary:
    """How the texts of a teacher did.

    Attributes:
        teacher: Name of the teacher.
        texts: Number of texts.
        verified: How many of them passed all checks.
        passed: How many passed each check.
        changed: How many were written in this call, or verified with another outcome than before.
    """

    teacher: str
    texts: int
    verified: int
    passed: dict[str, int]
    changed: int

    def describe(self) -> str:
        """One line for people."""
        checks = ", ".join(f"{name} {self._share(count)}" for name, count in self.passed.items())
        return (
            f"{self.teacher}: {self.texts} texts ({self.changed} new or changed), "
            f"{self.verified} verified ({self._share(self.verified)}): {checks}"
        )

    def _share(self, count: int) -> str:
        return f"{100 * count / self.texts:.1f} %" if self.texts else "-"


def run_teacher(
    corpus: Corpus,
    teacher: Teacher,
    *,
    budget: Budget,
    samples: Sequence[Sample] | None = None,
    seed: int = 0,
    similarity: Similarity | None = None,
    progress: Progress | None = None,
) -> TeachSummary:
    """Have a teacher write a text for each sample, verify it and append it to the corpus.

    Called again, it writes only what is missing or would now be another text: a line is kept while its
    teacher, seed, view size, truth and images are the same.

    Args:
        corpus: A corpus with references.
        teacher: Who writes.
        budget: Area of the views, in pixels.
        samples: Samples of the corpus; None means all.
        seed: Seed of the teacher's choices.
        similarity: Compares labels; None means the bundled sentence embeddings.
        progress: Called with samples done and samples in all.

    Returns:
        The summary over all texts of the samples, those of earlier calls included.

    Raises:
        DataError: When a sample has no reference, an image is unreadable or of another size than recorded, or
            the file of texts is damaged.
    """
    pairs = corpus.pairs(corpus.samples if samples is None else samples)
    path = text_path(corpus, teacher.name)
    known = read_answers(path)
    similar = similarity or LabelSimilarity()
    view_of = lru_cache(maxsize=16)(lambda image: make_view(read_image(image), budget))
    written = 0
    records = []
    with Journal(path) as journal:
        for done, pair in enumerate(pairs, 1):
            key = _key(pair.sample, corpus.references[pair.sample.id][0].image, teacher, budget, seed)
            record = text_of([r for r in known.get(pair.sample.id, ()) if r.get("key") == key])
            if record is None:
                record = {"key": key, **_taught(pair, teacher, view_of, seed, similar)}
                journal.append(record)
                written += 1
            records.append(reasoning(record, path))
            if progress:
                progress(done, len(pairs))
    return _summary(teacher.name, records, written)


def verify_corpus(corpus: Corpus, teacher: str, *, similarity: Similarity | None = None) -> TeachSummary:
    """Verify the texts of a teacher again, against the truth the corpus has now, without asking anybody.

    Outcomes that changed are written into the corpus.

    Raises:
        DataError: When the teacher has written nothing, or the file is damaged.
    """
    texts = read_texts(corpus, teacher)
    path = text_path(corpus, teacher)
    records = {key: text_of(answers) for key, answers in read_answers(path).items()}
    similar = similarity or LabelSimilarity()
    outcome: list[Reasoning] = []
    changed = 0
    with Journal(path) as journal:
        for sample in corpus.samples:
            if sample.id not in texts:
                continue
            old, record = texts[sample.id], records[sample.id] or {}
            checks = verify(record["text"], _truth(sample, old.view_wh), similar)
            if checks != old.checks:
                record = {**record, "verified": passed(checks), "checks": checks}
                journal.append(record)
                changed += 1
            outcome.append(reasoning(record, path))
    return _summary(teacher, outcome, changed)


def _taught(
    pair: Pair, teacher: Teacher, view_of: Callable[[Path], View], seed: int, similarity: Similarity
) -> Record:
    sample = pair.sample
    view, reference = view_of(pair.image), view_of(pair.references[0])
    if view.original_wh != sample.size_wh:
        raise DataError(
            f"{pair.image}: the image is {view.original_wh} pixels wide and high, the corpus says "
            f"{sample.size_wh}; build the corpus again"
        )
    truth = _truth(sample, view.size_wh)
    rng = random.Random(f"{seed}/{sample.id}")
    text = teacher.write(view.image, reference.image, view, truth, sample.category, rng)
    checks = verify(text, truth, similarity)
    return {
        "sample_id": sample.id,
        "teacher": teacher.name,
        "view_wh": list(view.size_wh),
        "text": text,
        "verified": passed(checks),
        "checks": checks,
    }


def _truth(sample: Sample, view_wh: tuple[int, int]) -> list[Instance]:
    """The true places in pixels of a view of that size."""
    return [Instance(rescale(region.box, sample.size_wh, view_wh), region.label) for region in sample.regions]


def _key(sample: Sample, reference: str, teacher: Teacher, budget: Budget, seed: int) -> str:
    """A hash of everything that can change the text; images count by their path in the source."""
    truth = [(region.box.xyxy, region.label) for region in sample.regions]
    asked = (teacher.name, teacher.version, seed, view_size(sample.size_wh, budget))
    parts = (sample.id, sample.category, sample.image, sample.size_wh, reference, truth, asked)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _summary(teacher: str, texts: Iterable[Reasoning], changed: int) -> TeachSummary:
    counts: Counter[str] = Counter()
    total = verified = 0
    for text in texts:
        total += 1
        verified += text.verified
        counts.update(name for name, good in text.checks.items() if good)
    return TeachSummary(teacher, total, verified, {name: counts[name] for name in CHECKS}, changed)
