"""Bringing published texts into a corpus, as the texts of one more teacher.

They are checked against the corpus like any other, and only what passes counts as verified. Whose texts these
are, and in pixels of which image they give places, is for the caller to say: no file states it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Literal

from mmrad.answer import parse
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal, Record
from mmrad.sample import Sample
from mmrad.teach.lesson import truth_in
from mmrad.teach.published import (
    EXPECTED,
    Entry,
    Places,
    Problems,
    is_multiple_choice,
    match,
    read_entries,
    texts_in,
)
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import read_answers, text_path, truth_hash
from mmrad.teach.verify import Similarity, passed, verify
from mmrad.view import Budget, view_size

Pixels = Literal["original"] | Budget
"""Pixels in which texts give places: of the original image, or of its view of that budget."""

Progress = Callable[[int, int], None]

_GROUP = 512
"""Lines between two fsyncs: they cost nothing to make again."""


@dataclass(slots=True)
class ImportSummary:
    """What became of the entries of a file.

    Attributes:
        teacher: Whose texts they are now.
        entries: How many entries there are.
        matched: Entries about a sample of the corpus.
        verified: Texts that passed all checks.
        failed: Texts that did not; they are kept, unverified.
        failed_checks: How many failed each check.
        appended: Lines that were new.
        unmatched: Entries about no sample, or about one of several.
        unreadable: Matched entries without a think-then-answer text.
    """

    teacher: str
    entries: int = 0
    matched: int = 0
    verified: int = 0
    failed: int = 0
    failed_checks: Counter[str] = field(default_factory=Counter)
    appended: int = 0
    unmatched: Problems = field(default_factory=Problems)
    unreadable: Problems = field(default_factory=Problems)

    def describe(self) -> str:
        """Some lines for people."""
        failed = ", ".join(f"{name} {count}" for name, count in self.failed_checks.most_common())
        lines = [
            f"{self.teacher}: {self.entries} entries, {self.matched} about samples of this corpus; "
            f"{self.verified} verified, {self.failed} failed"
            + (f" ({failed})" if failed else "")
            + f"; {self.appended} new"
        ]
        problems = self.unmatched.describe("unmatched") + self.unreadable.describe("unreadable")
        return "\n".join(lines + problems)


def import_texts(
    corpus: Corpus,
    file: Path,
    *,
    teacher: str,
    pixels: Pixels,
    similarity: Similarity | None = None,
    progress: Progress | None = None,
) -> ImportSummary:
    """Bring the texts of a file into a corpus, in `texts/TEACHER.jsonl`; done again, nothing is appended.

    Read are the `text_annos.json` of MMR-AD's release and conversations in the form of LLaVA or OpenAI, see
    `mmrad.teach.published`. Entries are matched to samples by the paths of images. A text without reasoning,
    or whose answer cannot be read, is not taken.

    Args:
        corpus: The corpus.
        file: The file, or a folder with `text_annos.json` files.
        teacher: Who wrote the texts.
        pixels: Of what the texts give places.
        similarity: Compares labels; None means the bundled sentence embeddings.
        progress: Told how many entries of how many are through.

    Raises:
        DataError: When a file is unreadable or has no texts; the message says what was found.
        UsageError: When `pixels` is neither.
    """
    if pixels != "original" and not isinstance(pixels, Budget):
        raise UsageError(f"pixels is {pixels!r}; it must be 'original' or the budget of a view")
    entries = read_entries(file)
    _refuse_without_texts(file, entries)
    path = text_path(corpus, teacher)
    known = {(key, record.get("key")) for key, records in read_answers(path).items() for record in records}
    summary = ImportSummary(teacher)
    lines = _lines(corpus, entries, summary, pixels, similarity or LabelSimilarity(), progress)
    new = (line for line in lines if (line["sample_id"], line["key"]) not in known)
    first = next(new, None)
    if first:  # or there would be an empty journal, a teacher without a text
        with Journal(path, group=_GROUP) as journal:
            for line in chain([first], new):
                known.add((line["sample_id"], line["key"]))
                journal.append(line)
                summary.appended += 1
    return summary


def _refuse_without_texts(file: Path, entries: list[Entry]) -> None:
    """Raise when no entry has a text of a known form."""
    if any(is_multiple_choice(entry.content) for entry in entries):
        raise DataError(
            f"{file}: MMAD's questions have no reasoning and no coordinates, so no think-then-answer text "
            "can be made of them; import_descriptions keeps the right options as descriptions"
        )
    reason = ""
    for entry in entries:
        try:
            texts_in(entry.content)
        except ValueError as error:
            reason = reason or f"{entry.image!r}: {error}"
        else:
            return
    raise DataError(f"{file}: no text in any of {len(entries)} entries; {reason}; expected {EXPECTED}")


def _lines(
    corpus: Corpus,
    entries: list[Entry],
    summary: ImportSummary,
    pixels: Pixels,
    similarity: Similarity,
    progress: Progress | None,
) -> Iterator[Record]:
    """A line for each text, counted in the summary."""
    places = Places(corpus.samples)
    summary.entries = len(entries)
    for done, entry in enumerate(entries, start=1):
        if sample := match(entry, places, summary.unmatched):
            summary.matched += 1
            try:
                texts, view_wh = _readable(entry), _view_wh(sample, pixels)
            except ValueError as error:
                summary.unreadable.add(entry.image, str(error))
            else:
                for text in texts:
                    yield _line(text, sample, view_wh, summary, similarity)
        if progress:
            progress(done, len(entries))


def _readable(entry: Entry) -> list[str]:
    """The think-then-answer texts of an entry; without any, a ValueError says what the first one lacks."""
    texts = texts_in(entry.content)
    reasons = {text: _why_unreadable(text) for text in texts}
    readable = [text for text, reason in reasons.items() if not reason]
    if not readable:
        raise ValueError(next(iter(reasons.values()), "nobody answers in the conversation"))
    return readable


def _why_unreadable(text: str) -> str:
    answer = parse(text)
    if answer.status != "ok":
        return f"{answer.status}: {answer.detail}"
    return "" if answer.think else "no reasoning before the answer"


def _view_wh(sample: Sample, pixels: Pixels) -> tuple[int, int]:
    return view_size(sample.size_wh, pixels) if isinstance(pixels, Budget) else sample.size_wh


def _line(
    text: str, sample: Sample, view_wh: tuple[int, int], summary: ImportSummary, similarity: Similarity
) -> Record:
    checks = verify(text, truth_in(sample, view_wh), similarity, category=sample.category)
    good = passed(checks)
    summary.verified += good
    summary.failed += not good
    summary.failed_checks.update(name for name, fine in checks.items() if not fine)
    truth = truth_hash(sample)
    key = json.dumps([summary.teacher, sample.id, view_wh, truth, text])
    return {
        "sample_id": sample.id,
        "key": hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32],
        "teacher": summary.teacher,
        "view_wh": list(view_wh),
        "truth": truth,
        "status": "ok",
        "text": text,
        "verified": good,
        "checks": dict(checks),
    }
