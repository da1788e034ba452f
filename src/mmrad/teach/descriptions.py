"""Descriptions: what other datasets say of an image in words, without coordinates or reasoning.

The questions of MMAD and the conversations of Anomaly-Instruct-125K are no think-then-answer texts and cannot
be made into any. Their answers are kept as they are, to be looked at or told to a teacher. MMAD is a
benchmark: whoever trains on its answers cannot be measured by it.

descriptions/ORIGIN.jsonl    one line a question with its answer
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import file_name
from mmrad.journal import Journal, Record, read_journal
from mmrad.teach.published import Places, Problems, match, questions_in, read_entries

_BARE = ("yes", "no")


@dataclass(frozen=True, slots=True)
class Description:
    """A question about an image and its answer in words.

    Attributes:
        sample_id: The sample.
        origin: Whose words these are.
        question: What was asked.
        answer: The answer.
    """

    sample_id: str
    origin: str
    question: str
    answer: str


@dataclass(slots=True)
class DescriptionSummary:
    """What became of the entries of a file.

    Attributes:
        entries: How many entries there are.
        matched: Entries about a sample of the corpus.
        descriptions: Questions with an answer in words.
        appended: Lines that were new.
        unmatched: Entries about no sample, or about one of several.
        unreadable: Matched entries of another form.
    """

    entries: int
    matched: int = 0
    descriptions: int = 0
    appended: int = 0
    unmatched: Problems = field(default_factory=Problems)
    unreadable: Problems = field(default_factory=Problems)

    def describe(self) -> str:
        """Some lines for people."""
        line = (
            f"{self.entries} entries, {self.matched} about samples of this corpus; "
            f"{self.descriptions} answers in words, {self.appended} new"
        )
        problems = self.unmatched.describe("unmatched") + self.unreadable.describe("unreadable")
        return "\n".join([line, *problems])


def import_descriptions(corpus: Corpus, file: Path, *, origin: str) -> DescriptionSummary:
    """Bring questions and answers into a corpus; done again, nothing is appended.

    Of MMAD's `mmad.json` the right options are taken, of conversations what the assistant says; a bare Yes or
    No describes nothing and is left out.

    Args:
        corpus: The corpus.
        file: The file.
        origin: Whose words these are; names their journal.

    Raises:
        DataError: When the file is unreadable.
    """
    entries = read_entries(file)
    places = Places(corpus.samples)
    path = description_path(corpus, origin)
    known = {str(record.get("key")) for record in read_journal(path)}
    summary = DescriptionSummary(len(entries))
    with Journal(path, group=512) as journal:
        for entry in entries:
            sample = match(entry, places, summary.unmatched)
            if sample is None:
                continue
            summary.matched += 1
            try:
                questions = questions_in(entry.content)
            except ValueError as error:
                summary.unreadable.add(entry.image, str(error))
                continue
            for question, answer in questions:
                if answer.strip(" .!").casefold() in _BARE:
                    continue
                summary.descriptions += 1
                line = _line(Description(sample.id, origin, question, answer))
                if line["key"] not in known:
                    known.add(line["key"])
                    journal.append(line)
                    summary.appended += 1
    return summary


def _line(description: Description) -> Record:
    content = asdict(description)
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    return {"key": key, **content}


def description_path(corpus: Corpus, origin: str) -> Path:
    """The journal of an origin."""
    return corpus.path / "descriptions" / f"{file_name(origin)}.jsonl"


def read_descriptions(corpus: Corpus, origin: str) -> dict[str, list[Description]]:
    """The descriptions of an origin by sample id; empty when there are none.

    Raises:
        DataError: When the file is damaged.
    """
    path = description_path(corpus, origin)
    found: dict[str, list[Description]] = {}
    for record in read_journal(path):
        try:
            values = [str(record[each.name]) for each in fields(Description)]
        except KeyError as error:
            raise DataError(f"{path}: a line has no {error}; remove it and import again") from error
        found.setdefault(values[0], []).append(Description(*values))
    return found
