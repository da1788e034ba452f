"""Scripted negatives: plausible wrong texts in the scripted teacher's words, without a model."""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from mmrad.answer import Instance
from mmrad.box import Box, iou_matrix
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.image import RGB
from mmrad.sample import Sample
from mmrad.teach.course import Keys
from mmrad.teach.knowledge import read_knowledge
from mmrad.teach.lesson import Lesson, prepare, view_maker
from mmrad.teach.negatives import Kind, NegativeJournal, kind_of, other_meaning
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import SCRIPTED
from mmrad.teach.verify import Similarity
from mmrad.view import Budget

APART_IOU = 0.3
"""A wrong box overlaps every true one by less: well below what counts as a match."""

_COMMON = ("scratch", "crack", "dent", "stain", "hole", "missing part", "discoloration", "foreign object")
"""Labels for products of which no other is known."""

_TRIES = 40
"""So many fruitless tries in a row end a search."""

_SMALLEST_SIDE = 8
"""Pixels of a false alarm's shorter side, at least, where the view has them."""


class ScriptedNegatives:
    """Writes wrong texts by telling the scripted teacher a false truth.

    A normal query gets false alarms, at the places that differ most from the reference, or, where none is
    shown, from their surroundings. An anomalous one is
    called normal, gets a box beside the true one, another label of its category and, where it has several
    places, one of them less, in turn.

    Args:
        knowledge: Known labels by category, see `mmrad.teach.read_knowledge`.
        similarity: Compares labels.
    """

    version = "1"

    def __init__(self, knowledge: Mapping[str, Sequence[str]], similarity: Similarity) -> None:
        self._knowledge, self._similarity = knowledge, similarity
        self._teacher = ScriptedTeacher()

    def keys(self, pair_key: str, sample: Sample, count: int) -> list[str]:
        """Keys of the first texts of a sample.

        Args:
            pair_key: Key of the pair, see `mmrad.teach.course.Keys`.
            sample: The sample.
            count: How many.
        """
        labels = list(self._knowledge.get(sample.category, ()))
        parts = ([pair_key, "negative", self.version, labels, number] for number in range(count))
        return [hashlib.sha256(json.dumps(part).encode()).hexdigest()[:32] for part in parts]

    def write(self, lesson: Lesson) -> Iterator[str]:
        """Wrong texts for a pair, all different, always the same ones in the same order.

        Args:
            lesson: The pair and its truth.

        Yields:
            Texts, places in pixels of the query's view, until no further one is found.
        """
        rng = random.Random(f"{lesson.seed}/negatives")
        kinds = _kinds(lesson.truth)
        rng.shuffle(kinds)
        texts: set[str] = set()
        suspected: list[Box] = []
        fruitless = turn = 0
        while fruitless < _TRIES:
            kind = kinds[turn % len(kinds)]
            turn += 1
            claim = self._claim(kind, lesson, suspected, rng)
            text = self._told(lesson, claim, rng) if claim is not None else ""
            if text in texts or kind_of(text, lesson.truth, self._similarity) != kind:
                fruitless += 1
                continue
            fruitless = 0
            texts.add(text)
            suspected += [place.box for place in claim or () if kind == "false_alarm"]
            yield text

    def _told(self, lesson: Lesson, claim: Sequence[Instance], rng: random.Random) -> str:
        query, reference = lesson.query, lesson.reference.image if lesson.reference else None
        return self._teacher.write(query.image, reference, query, claim, lesson.sample.category, rng)

    def _claim(
        self, kind: Kind, lesson: Lesson, suspected: Sequence[Box], rng: random.Random
    ) -> tuple[Instance, ...] | None:
        """The places of a false truth of that kind; None when none was found."""
        if kind == "miss":
            return ()
        category = lesson.sample.category
        if kind == "false_alarm":
            box = _suspicious_place(lesson.query.image, _compared(lesson), suspected, rng)
            return (Instance(box, rng.choice(self._knowledge.get(category) or _COMMON)),)
        index = rng.randrange(len(lesson.truth))
        place = lesson.truth[index]
        others = (*lesson.truth[:index], *lesson.truth[index + 1 :])
        if kind == "missed_place":
            return others
        if kind == "wrong_label":
            label = self._other_label(place.label, category, rng)
            return None if label is None else (*others, replace(place, label=label))
        box_beside = _beside(place.box, lesson.truth, lesson.query.size_wh, rng)
        return None if box_beside is None else (*others, replace(place, box=box_beside))

    def _other_label(self, label: str, category: str, rng: random.Random) -> str | None:
        """A label that means something else: one of the category, else a common one."""
        for known in (self._knowledge.get(category, ()), _COMMON):
            others = [other for other in known if other_meaning(other, label, self._similarity)]
            if others:
                return rng.choice(others)
        return None


def _kinds(truth: Sequence[Instance]) -> list[Kind]:
    if not truth:
        return ["false_alarm"]
    return ["miss", "wrong_box", "wrong_label", *(("missed_place",) if len(truth) > 1 else ())]


def _beside(box: Box, truth: Sequence[Instance], size_wh: tuple[int, int], rng: random.Random) -> Box | None:
    """The box moved and resized inside the view, so that it overlaps no true place much."""
    for _ in range(_TRIES):
        sides = [
            min(limit, max(1, round(length * rng.uniform(0.4, 1.6))))
            for length, limit in zip((box.x2 - box.x1, box.y2 - box.y1), size_wh, strict=True)
        ]
        x1, y1 = (
            min(max(0, round(middle + side * rng.uniform(-2, 2) - side / 2)), limit - side)
            for middle, side, limit in zip(box.center, sides, size_wh, strict=True)
        )
        moved = Box(x1, y1, x1 + sides[0], y1 + sides[1])
        if iou_matrix([moved], [Box(*place.box.rounded()) for place in truth]).max() < APART_IOU:
            return moved
    return None


def _compared(lesson: Lesson) -> RGB:
    """What the query is compared with; without a reference, itself without its finer structure."""
    if lesson.reference:
        return lesson.reference.image
    image = lesson.query.image
    return cv2.GaussianBlur(image, (0, 0), max(image.shape[:2]) / 16).astype(np.uint8, copy=False)


def _suspicious_place(query: RGB, reference: RGB, taken: Sequence[Box], rng: random.Random) -> Box:
    """The box, of a random size, in which the query differs most from the reference outside `taken`.

    Args:
        query: Shape `(height, width, 3)`.
        reference: Of any size, taken to show the same frame.
        taken: Boxes in pixels of the query that count as equal.
        rng: Chooses the size, and one among equals.
    """
    height, width = query.shape[:2]
    other = cv2.resize(reference, (width, height), interpolation=cv2.INTER_AREA)
    difference = cv2.cvtColor(cv2.absdiff(query, other), cv2.COLOR_RGB2GRAY)
    for box in taken:
        x1, y1, x2, y2 = box.rounded()
        difference[y1:y2, x1:x2] = 0
    w, h = (min(side, max(_SMALLEST_SIDE, round(side * rng.uniform(0.08, 0.3)))) for side in (width, height))
    total = cv2.integral(difference)
    inside = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    largest = np.flatnonzero(inside == inside.max())
    y, x = divmod(int(largest[rng.randrange(len(largest))]), inside.shape[1])
    return Box(x, y, x + w, y + h)


@dataclass(slots=True)
class NegativesSummary:
    """How the negatives of a corpus stand after a call.

    Attributes:
        samples: Samples that were asked for.
        written: Negatives written in this call, by kind.
        known: Negatives that were there before.
        refused: Answers of this call that were unreadable or, after all, right.
        failures: Requests of this call that gave no answer, by status.
        short: Ids of samples of which fewer than wanted were found.
        unreadable: What was wrong with samples whose images cannot be shown.
    """

    samples: int
    written: Counter[str] = field(default_factory=Counter)
    known: int = 0
    refused: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    short: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """One line for people."""
        parts = [f"{self.known + self.written.total()} negatives for {self.samples} samples"]
        kinds = ", ".join(f"{kind} {count}" for kind, count in self.written.most_common())
        parts.append(f"{self.written.total()} new" + (f" ({kinds})" if kinds else ""))
        if self.refused:
            parts.append(f"{self.refused} answers unreadable or right")
        if self.failures:
            parts.append("no answer: " + ", ".join(f"{name} {n}" for name, n in self.failures.most_common()))
        for what, found in (("with fewer than wanted", self.short), ("unreadable", self.unreadable)):
            if found:
                parts.append(f"{len(found)} samples {what}, first {found[0]}")
        return "; ".join(parts)


def write_scripted_negatives(
    corpus: Corpus,
    *,
    budget: Budget,
    per_sample: int = 2,
    seed: int = 0,
    samples: Sequence[Sample] | None = None,
    similarity: Similarity | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NegativesSummary:
    """Write negatives for every sample into `negatives/scripted.jsonl`; called again, only what is missing.

    Args:
        corpus: A corpus with references.
        budget: Area of the views, in pixels.
        per_sample: Texts a sample.
        seed: Seed of all choices; those of a sample depend on no other sample's.
        samples: Samples of the corpus; None means all.
        similarity: Compares labels; None means the bundled sentence embeddings.
        progress: Told how many samples of how many are through.

    Raises:
        DataError: When a sample has no reference, or the file is damaged.
        MissingExtraError: When labels must be compared and the packages for it are not installed.
    """
    pairs = corpus.pairs(corpus.samples if samples is None else samples)
    similarity = similarity or LabelSimilarity()
    writer = ScriptedNegatives(read_knowledge(corpus), similarity)
    pair_keys = Keys(ScriptedTeacher(), budget, seed)
    view_of = view_maker(budget)
    summary = NegativesSummary(len(pairs))
    with NegativeJournal(corpus, SCRIPTED, similarity) as journal:
        for done, pair in enumerate(pairs, start=1):
            keys = writer.keys(pair_keys.of(pair), pair.sample, per_sample)
            known = sum(key in journal.known for key in keys)
            summary.known += known
            if known < per_sample:
                try:
                    lesson = prepare(pair, view_of, seed)
                except DataError as error:
                    summary.unreadable.append(f"{pair.sample.id}: {error}")
                else:
                    _append(journal, writer, lesson, keys, summary)
            if progress:
                progress(done, len(pairs))
    return summary


def _append(
    journal: NegativeJournal,
    writer: ScriptedNegatives,
    lesson: Lesson,
    keys: Sequence[str],
    summary: NegativesSummary,
) -> None:
    """Append those of a sample's texts that are missing."""
    found = 0
    for key, text in zip(keys, writer.write(lesson), strict=False):
        found += 1
        if key not in journal.known:
            kept = journal.keep(key, lesson.sample, lesson.query.size_wh, text)
            if not isinstance(kept, str):
                summary.written[kept.kind] += 1
    if found < len(keys):
        summary.short.append(lesson.sample.id)
