"""Verifying the texts of a corpus again, without asking anybody.

Truth, checks and thresholds change: a person corrects a box, a new version of mmrad looks for more, a recipe
is stricter. Every answer that was ever paid for is judged anew, and may become the text of its sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmrad.corpus import Corpus
from mmrad.journal import Journal, Record
from mmrad.sample import Reasoning, Sample
from mmrad.teach.lesson import truth_in
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import (
    after_reviews,
    read_answers,
    read_texts,
    reasoning,
    text_of,
    text_path,
    truth_hash,
)
from mmrad.teach.verify import CHECKS, Limits, Similarity, feedback, passed, quality, verify

Outcome = tuple[Sample, bool, Mapping[str, bool]]

_GROUP = 1024
"""Lines between two fsyncs: what is lost in a power cut costs only computing."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How many of some texts pass.

    Attributes:
        texts: Number of texts.
        verified: How many pass all checks.
        checks: How many pass each check.
    """

    texts: int
    verified: int
    checks: dict[str, int]

    def cells(self) -> list[str]:
        """Number of texts, then shares in per cent: all checks, and each check."""
        counts = [self.verified, *self.checks.values()]
        return [f"{self.texts:,}", *(f"{100 * n / self.texts:.1f}" if self.texts else "-" for n in counts)]


@dataclass(frozen=True, slots=True)
class PassRates:
    """How texts do, by check and by category.

    Attributes:
        overall: All texts.
        categories: Those of each `source/category`, sorted by name.
    """

    overall: Rate
    categories: dict[str, Rate]

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> PassRates:
        """The rates of texts, each given by its sample, whether it is verified, and its checks."""
        groups: dict[str, list[Outcome]] = {}
        for outcome in outcomes:
            sample = outcome[0]
            groups.setdefault(f"{sample.source}/{sample.category}", []).append(outcome)
        everything = [outcome for group in groups.values() for outcome in group]
        return cls(_rate(everything), {name: _rate(groups[name]) for name in sorted(groups)})

    def rows(self) -> list[list[str]]:
        """A table: its head, a row for each category, and one for all; shares in per cent."""
        head = ["category", "texts", "verified", *CHECKS]
        rows = [[name, *rate.cells()] for name, rate in self.categories.items()]
        return [head, *rows, ["all", *self.overall.cells()]]

    def as_dict(self) -> dict[str, Any]:
        """Counts as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of the texts of a teacher.

    Attributes:
        teacher: Who wrote them.
        answers: How all answers do that are texts, tries that were followed by another included.
        samples: How the text of each sample does, which is the one that is trained on.
        changed: Answers whose checks, truth or quality are others than before.
        left_out: Answers of samples that the corpus no longer has.
    """

    teacher: str
    answers: PassRates
    samples: PassRates
    changed: int
    left_out: int

    def summary(self) -> str:
        """A sentence for people."""
        samples, answers = self.samples.overall, self.answers.overall
        share = f"{samples.verified} of {samples.texts} ({100 * samples.verified / samples.texts:.1f} %)"
        parts = [
            f"{self.teacher}: {share} samples with texts have a verified one",
            f"{answers.verified} of {answers.texts} answers pass",
            f"{self.changed} changed",
        ]
        if self.left_out:
            parts.append(f"{self.left_out} answers of samples that the corpus no longer has were left out")
        return "; ".join(parts)

    def describe(self) -> str:
        """The sentence, and the table of all answers in plain columns."""
        return self.summary() + "\n" + _columns(self.answers.rows())

    def as_dict(self) -> dict[str, Any]:
        """The verification as JSON values."""
        return asdict(self)


def verify_corpus(
    corpus: Corpus,
    teacher: str,
    *,
    similarity: Similarity | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Verify every answer of a teacher again, against the truth the corpus has now.

    Answers that changed are appended to the teacher's journal as a whole, where the last line of one counts.
    So is a text that a person edited: from then on it is that answer.

    Args:
        corpus: The corpus.
        teacher: Whose texts.
        similarity: Compares labels; None means the bundled sentence embeddings.
        limits: Thresholds; None means the default ones.
        progress: Called with answers done and answers in all.

    Raises:
        DataError: When the teacher has written nothing, or the file is damaged.
    """
    path = text_path(corpus, teacher)
    samples = {sample.id: sample for sample in corpus.samples}
    answers = {
        sample_id: [record for record in records if record.get("status", "ok") == "ok"]
        for sample_id, records in read_answers(path).items()
    }
    known = {sample_id: some for sample_id, some in answers.items() if some and sample_id in samples}
    total = sum(map(len, known.values()))
    if not total:
        read_texts(corpus, teacher)  # raises the error that says whose texts there are
    judge = _Judge(similarity or LabelSimilarity(), limits or Limits())
    judged: list[Outcome] = []
    chosen: list[Outcome] = []
    changed = 0
    with Journal(path, group=_GROUP) as journal:
        for sample_id, records in known.items():
            sample = samples[sample_id]
            reviews = corpus.reviews.get(sample_id, ())
            edited = after_reviews(records, sample, reviews, path.stem)
            fresh = [judge(record, sample, reasoning(record, path, sample)) for record in edited]
            for old, new in zip(records, fresh, strict=True):
                if new != old:
                    journal.append(new)
                    changed += 1
            judged += [(sample, record["verified"], record["checks"]) for record in fresh]
            if text := text_of(after_reviews(fresh, sample, reviews, path.stem)):
                chosen.append((sample, text["verified"], text["checks"]))
            if progress:
                progress(len(judged), total)
    left_out = sum(map(len, answers.values())) - total
    return Verification(teacher, PassRates.of(judged), PassRates.of(chosen), changed, left_out)


@dataclass(frozen=True, slots=True)
class _Judge:
    similarity: Similarity
    limits: Limits

    def __call__(self, record: Record, sample: Sample, text: Reasoning) -> Record:
        """The line of an answer as it would be written now."""
        truth = truth_in(sample, text.view_wh)
        checks = verify(text.text, truth, self.similarity, self.limits, category=sample.category)
        good = passed(checks)
        new = {
            **record,
            "truth": truth_hash(sample),
            "verified": good,
            "checks": checks,
            "quality": quality(text.text, truth),
        }
        new.pop("feedback", None)
        if not good:
            new["feedback"] = feedback(text.text, checks, truth, self.limits, category=sample.category)
        return new


def _rate(outcomes: Sequence[Outcome]) -> Rate:
    verified = sum(good for _, good, _ in outcomes)
    counts = Counter(name for _, _, checks in outcomes for name, good in checks.items() if good)
    return Rate(len(outcomes), verified, {name: counts[name] for name in CHECKS})


def _columns(rows: list[list[str]]) -> str:
    """Rows of text with columns of equal width, the first one to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
