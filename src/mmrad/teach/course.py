"""A teacher's course over samples: what is answered, what to ask next, and every answer kept at once."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from mmrad.endpoint import Reply
from mmrad.endpoint.reply import ReplyStatus
from mmrad.errors import ProviderError
from mmrad.image import image_hash
from mmrad.journal import Journal, Record
from mmrad.sample import Pair
from mmrad.teach.lesson import Earlier, Lesson, Teacher
from mmrad.teach.texts import is_approved, text_of, truth_hash
from mmrad.teach.verify import Limits, Similarity, feedback, passed, quality, verify
from mmrad.view import Budget, view_size

FINAL: tuple[ReplyStatus, ...] = ("ok", "truncated", "refused")
"""How an answer ended that counts as a try; the others are asked for again by the next run."""

GIVE_UP_AFTER = 8
"""So many failures before the first answer, all of one kind, and the teacher is given up."""

_CUT_FEEDBACK = "Your text was cut at its limit. Write the whole text again, much shorter."


@dataclass(slots=True)
class Tally:
    """How a course stands.

    Attributes:
        teacher: Who writes.
        total: Samples of the course.
        done: Samples that are through: verified, or without a try left.
        verified: Samples with a verified text.
        answers: Answers of this call that were texts.
        failed_checks: How many of them failed each check.
        failures: Answers of this call that were no texts, by status.
        unreadable: What was wrong with samples whose images cannot be shown.
        dollars: Money spent in this call; None when the price is unknown.
        stopped: Whether the cap on money ended the course.
    """

    teacher: str
    total: int
    done: int = 0
    verified: int = 0
    answers: int = 0
    failed_checks: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    dollars: float | None = None
    stopped: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The tally as JSON values."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in plain.items()}

    def describe(self) -> str:
        """One line for people."""
        share = f"{100 * self.verified / self.total:.1f} %" if self.total else "-"
        parts = [f"{self.teacher}: {self.verified} of {self.total} samples have a verified text ({share})"]
        parts.append(
            f"{self.answers} new texts" + (f", ${self.dollars:.4f}" if self.dollars is not None else "")
        )
        if self.failed_checks:
            parts.append("failed checks: " + _counts(self.failed_checks))
        if self.failures:
            parts.append("no text: " + _counts(self.failures))
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} samples with unreadable images, first {self.unreadable[0]}")
        if self.stopped:
            parts.append("stopped by --max-cost; the same command with a higher one goes on")
        return "; ".join(parts)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())


@dataclass(frozen=True, slots=True)
class Turn:
    """What is asked next of a sample: numbers of the missing answers, and the refused text before them."""

    numbers: tuple[int, ...]
    earlier: Earlier | None


class Keys:
    """Keys of answers: hashes of everything that can change the text of a pair.

    Args:
        teacher: Who writes.
        budget: Area of the views, in pixels.
        seed: Seed of the course.
    """

    def __init__(self, teacher: Teacher, budget: Budget, seed: int) -> None:
        self._asked = json.dumps([teacher.key(), seed], sort_keys=True)
        self._budget = budget
        self._image_hash = lru_cache(maxsize=1 << 16)(image_hash)  # one reference serves many queries

    def of(self, pair: Pair) -> str:
        """The key of a pair's answers."""
        sample = pair.sample
        images = [self._image_hash(path) for path in (pair.image, pair.references[0])]
        view_wh = view_size(sample.size_wh, self._budget)
        truth = truth_hash(sample)
        parts = (self._asked, sample.id, sample.category, images, sample.size_wh, view_wh, truth)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def answers_under(key: str, known: Sequence[Record]) -> list[Record]:
    """What was answered under a key; a text that a person approved counts under every key."""
    text = text_of(known)
    approved = text is not None and text.get("verified") is True and is_approved(text)
    return [record for record in known if record.get("key") == key or (approved and record is text)]


def next_turn(teacher: Teacher, answers: Sequence[Record]) -> Turn | None:
    """What to ask a teacher next about a sample; None when it is verified or no try is left.

    Args:
        teacher: Who writes.
        answers: What was answered, see `answers_under`.
    """
    final = [record for record in answers if record.get("status", "ok") in FINAL]
    rounds, begun = divmod(len(final), teacher.best_of)
    text = text_of(final)
    verified = text is not None and text.get("verified") is True
    if text is not None and verified and is_approved(text):
        return None
    if begun == 0 and (verified or rounds >= teacher.tries):
        return None
    last = final[len(final) - begun - teacher.best_of : len(final) - begun]
    start = max((int(record.get("try", 1)) for record in answers), default=0) + 1
    return Turn(tuple(range(start, start + teacher.best_of - begun)), _earlier(last))


class Course:
    """The state of one teacher over samples; every answer goes into the journal as it comes.

    Args:
        teacher: The teacher.
        journal: The journal of its texts.
        known: Answers in the journal by sample id.
        similarity: Compares labels.
        limits: Thresholds of verification.
        total: Samples of the course.

    Attributes:
        verified: Ids of the samples that have a verified text under the present key.
    """

    def __init__(
        self,
        teacher: Teacher,
        journal: Journal,
        known: Mapping[str, Sequence[Record]],
        *,
        similarity: Similarity,
        limits: Limits,
        total: int,
    ) -> None:
        self.teacher = teacher
        self.tally = Tally(teacher.name, total, dollars=0.0 if teacher.price else None)
        self._journal = journal
        self._known = known
        self._similarity, self._limits = similarity, limits
        self.verified: set[str] = set()
        self._answers: dict[str, list[Record]] = {}
        self._answered = any(record.get("status", "ok") == "ok" for some in known.values() for record in some)

    def enter(self, sample_id: str, key: str) -> bool:
        """Take up a sample, with what was answered before under that key; whether anything is left to ask."""
        answers = answers_under(key, self._known.get(sample_id, ()))
        self._answers[sample_id] = answers
        if next_turn(self.teacher, answers):
            return True
        self._leave(sample_id)
        return False

    def turn(self, sample_id: str) -> Turn | None:
        """What to ask next about a sample; None when it is verified or no try is left."""
        return next_turn(self.teacher, self._answers[sample_id])

    def check(self, lesson: Lesson, reply: Reply) -> dict[str, bool]:
        """The outcome of each check of a reply's text; none where there is no text."""
        if reply.status != "ok":
            return {}
        return verify(
            reply.text, lesson.truth, self._similarity, self._limits, category=lesson.sample.category
        )

    def record(self, lesson: Lesson, key: str, number: int, reply: Reply, checks: Mapping[str, bool]) -> None:
        """Keep an answer with the outcome of its checks.

        Raises:
            ProviderError: When nothing but failures of one kind has come.
        """
        texts = reply.status == "ok"
        good = texts and passed(checks)
        cost = self.teacher.price.cost(reply.usage) if self.teacher.price else None
        record: Record = {
            "sample_id": lesson.sample.id,
            "key": key,
            "try": number,
            "teacher": self.teacher.name,
            "view_wh": list(lesson.query.size_wh),
            "truth": truth_hash(lesson.sample),
            "status": reply.status,
            "text": reply.text,
            "verified": good,
            "checks": dict(checks),
            "feedback": "" if good else self._feedback(lesson, reply, checks),
            "quality": quality(reply.text, lesson.truth) if texts else 0.0,
            "detail": reply.detail,
            "model_reported": reply.model_reported,
            "input_tokens": reply.usage.input_tokens,
            "output_tokens": reply.usage.output_tokens,
            "dollars": cost,
        }
        self._journal.append({name: value for name, value in record.items() if value not in (None, "")})
        self._answers[lesson.sample.id].append(record)
        self._count(reply, checks, cost)

    def _feedback(self, lesson: Lesson, reply: Reply, checks: Mapping[str, bool]) -> str:
        if reply.status == "truncated":
            return _CUT_FEEDBACK
        category = lesson.sample.category
        return feedback(reply.text, checks, lesson.truth, self._limits, category=category)

    def _count(self, reply: Reply, checks: Mapping[str, bool], cost: float | None) -> None:
        tally = self.tally
        if tally.dollars is not None:
            tally.dollars += cost or 0.0
        if reply.status == "ok":
            self._answered = True
            tally.answers += 1
            tally.failed_checks.update(name for name, good in checks.items() if not good)
            return
        tally.failures[reply.status] += 1
        if not self._answered and max(tally.failures.values()) >= GIVE_UP_AFTER:
            status, count = tally.failures.most_common(1)[0]
            raise ProviderError(
                f"{tally.teacher}: given up, the first {count} answers ended as {status!r}: {reply.detail}"
            )

    def skip(self, sample_id: str, reason: str) -> None:
        """A sample cannot be shown."""
        self.tally.unreadable.append(f"{sample_id}: {reason}")
        self._leave(sample_id)

    def has(self, sample_id: str, number: int) -> bool:
        """Whether that answer to a sample is kept already."""
        return any(record.get("try") == number for record in self._answers[sample_id])

    def finish(self, sample_id: str) -> None:
        """Nothing more is asked about a sample in this call."""
        if sample_id not in self._answers:
            return
        if self.turn(sample_id) is None:
            self._leave(sample_id)
        else:
            del self._answers[sample_id]

    def _leave(self, sample_id: str) -> None:
        """A sample is through; its texts are let go, since a course may have a hundred thousand."""
        text = text_of(self._answers.pop(sample_id, ()))
        self.tally.done += 1
        if text is not None and text.get("verified") is True:
            self.tally.verified += 1
            self.verified.add(sample_id)


def _earlier(answers: Sequence[Record]) -> Earlier | None:
    """The best text of a round and what was wrong with it; None where there was no text."""
    texts = [record for record in answers if record.get("text") and record.get("feedback")]
    if not texts:
        return None
    best = max(texts, key=lambda record: float(record.get("quality", 0)))
    return Earlier(str(best["text"]), str(best["feedback"]))
