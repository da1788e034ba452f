"""What teachers wrote of each sample, which checks failed, and where the teachers disagree."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mmrad.answer import Answer, parse
from mmrad.box import match
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import AGREED_IOU, Review
from mmrad.review.index.columns import Mask, Tags, listed
from mmrad.review.index.lines import Lines
from mmrad.sample import Reasoning, Sample
from mmrad.teach.texts import after_reviews, reasoning, teachers, text_of, text_path
from mmrad.teach.verify import CHECKS
from mmrad.view import rescale

Reader = Callable[[Sequence[int]], list[Sample]]
"""Gives the samples of rows."""

_BATCH = 4096
"""Samples that are in memory at once while all texts are read."""


@dataclass(frozen=True, slots=True)
class TextSignals:
    """What is known of the texts of all samples.

    Attributes:
        failed: The checks that a text of some teacher fails.
        disagreeing: Where two teachers say different things, shape `(samples,)`.
    """

    failed: Tags
    disagreeing: Mask


class Texts:
    """The texts of a corpus, as they are after its reviews.

    Args:
        corpus: The corpus.
        rows: Row of each sample.

    Raises:
        DataError: When a journal is damaged.
    """

    def __init__(self, corpus: Corpus, rows: Mapping[str, int]) -> None:
        self._corpus = corpus
        self._count = len(rows)
        self.journals = {name: Lines(text_path(corpus, name), rows) for name in teachers(corpus)}

    def of(self, row: int, sample: Sample, reviews: Sequence[Review] | None = None) -> Iterator[Reasoning]:
        """The text of each teacher that has one.

        Args:
            row: Row of the sample.
            sample: The sample.
            reviews: Its reviews; None takes those that the corpus had when they were first read.

        Raises:
            DataError: When a line is no text.
        """
        if reviews is None:
            reviews = self._corpus.reviews.get(sample.id, ())
        for name, lines in self.journals.items():
            records = lines.of(row, sample.id)
            answers = {(record.get("key"), record.get("try", 1)): record for record in records}
            record = text_of(after_reviews(list(answers.values()), sample, reviews, name))
            if record:
                yield reasoning(record, lines.path, sample)

    def signals(self, samples: Reader) -> TextSignals:
        """Read all texts, a second or more for each ten thousand."""
        failed: list[tuple[int, str]] = []
        disagreeing = np.zeros(self._count, bool)
        for row, sample in self._with_texts(samples):
            texts = list(self.of(row, sample))
            failed += [(row, name) for text in texts for name, good in text.checks.items() if not good]
            disagreeing[row] = disagree(texts, sample.size_wh)
        return TextSignals(listed("failed check", failed, self._count, CHECKS), disagreeing)

    def _with_texts(self, samples: Reader) -> Iterator[tuple[int, Sample]]:
        rows = sorted({row for lines in self.journals.values() for row in lines.rows})
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            yield from zip(batch, samples(batch), strict=True)


def disagree(texts: list[Reasoning], size_wh: tuple[int, int]) -> bool:
    """Whether two of the texts of a sample say different things.

    That is Yes and No, or places that do not match one to one at `AGREED_IOU`. A text that cannot be read
    says nothing; that it fails a check tells of it.

    Args:
        texts: The texts, each in pixels of its own view.
        size_wh: Width and height of the image.
    """
    if len({(text.answer or text.text, text.view_wh) for text in texts}) < 2:
        return False  # so it is mostly, as teachers copy the truth, and parsing takes the longest
    answers = [(parse(text.text), text.view_wh) for text in texts]
    said = [(answer, view_wh) for answer, view_wh in answers if answer.status == "ok"]
    return any(_differ(*one, *other, size_wh) for one, other in combinations(said, 2))


def _differ(
    one: Answer, one_wh: tuple[int, int], other: Answer, other_wh: tuple[int, int], size_wh: tuple[int, int]
) -> bool:
    if one.anomalous != other.anomalous or len(one.instances) != len(other.instances):
        return True
    ours, theirs = (
        [rescale(place.box, view_wh, size_wh) for place in answer.instances]
        for answer, view_wh in ((one, one_wh), (other, other_wh))
    )
    return ours != theirs and len(match(ours, theirs, AGREED_IOU)) != len(ours)
