"""Descriptions: what other datasets say of an image in words, without coordinates or reasoning.

The questions of MMAD and the conversations of Anomaly-Instruct-125K are no think-then-answer texts and cannot be
made into any. Their answers are kept as they are, to be looked at or told to a teacher. MMAD is a benchmark:
whoever trains on its answers cannot be measured by it.

descriptions/ORIGIN.jsonl    one line a question with its answer
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.journal import Journal, Record, read_journal
from mmrad.teach.published import Places, Problems, match, questions_in, read_entries
from mmrad.teach.texts import file_name


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


def import_descriptions(corpus: Corpus, file: Path, *, origin: str) -> DescriptionSummary:
    """Bring the questions and answers of `mmad.json` or of conversations into a corpus; bare yes and no are
    left out. Done again, nothing is appended.

    Args:
        corpus: The corpus.
        file: The file.
        origin: Whose words these are; names the file `descriptions/ORIGIN.jsonl`.

    Raises:
        DataError: When the file is unreadable or of another form.
    """
    ...
