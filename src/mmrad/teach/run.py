"""Teaching a corpus: teachers write until each sample has a verified text, within a cap on money."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from mmrad.corpus import Corpus
from mmrad.endpoint import Spending
from mmrad.endpoint.background import in_background
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal
from mmrad.sample import Pair, Sample
from mmrad.teach.batches import BatchLessons
from mmrad.teach.course import FINAL, Course, Keys, Tally
from mmrad.teach.lesson import Earlier, Lesson, Teacher, Writer, prepare, view_maker
from mmrad.teach.mllm import MLLMTeacher, request_estimate
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.texts import read_answers, reviewed_answers, text_path
from mmrad.teach.verify import Limits, Similarity
from mmrad.view import Budget


@dataclass(frozen=True, slots=True)
class Teaching:
    """How a corpus is taught.

    Attributes:
        budget: Area of the views, in pixels.
        seed: Seed of all choices.
        limits: Thresholds of verification.
        similarity: Compares labels; None means the bundled sentence embeddings.
        max_cost: US dollars that the texts of these teachers may cost, those of earlier calls included.
        progress: Called with the state of the present course, at its start and after each sample.
    """

    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    similarity: Similarity | None = None
    max_cost: float | None = None
    progress: Callable[[Tally], None] | None = None


def teach(
    corpus: Corpus,
    teachers: Sequence[Teacher],
    samples: Sequence[Sample] | None = None,
    teaching: Teaching = Teaching(),
) -> list[Tally]:
    """Have teachers write texts: the first for all samples, each further one for those still without.

    Every answer is verified and appended to `texts/TEACHER.jsonl` as it comes. Called again, only what is
    missing is asked for: an answer counts while teacher, parameters, prompt, view size, truth and the bytes
    of the images are the same. Answers that failed for the server's sake, and samples with tries left, are
    asked for again.

    Args:
        corpus: A corpus with references.
        teachers: Cheap ones first.
        samples: Samples of the corpus; None means all.
        teaching: How.

    Returns:
        How each teacher's course ended; when the cap on money stopped one, the later ones are not begun.

    Raises:
        DataError: When a sample has no reference, or a file of texts is damaged.
        UsageError: When there is a cap on money and a teacher without a price.
        ProviderError: When a teacher cannot answer at all.
    """
    spending = _spending(corpus, teachers, teaching.max_cost)
    pairs = corpus.pairs(corpus.samples if samples is None else samples)
    similarity = teaching.similarity or LabelSimilarity()
    tallies: list[Tally] = []
    for teacher in teachers:
        lessons = _Lessons(corpus, teacher, pairs, teaching, similarity, spending)
        tallies.append(lessons.run())
        pairs = lessons.unverified()
        if spending.stopped or not pairs:
            break
    return tallies


def _spending(corpus: Corpus, teachers: Sequence[Teacher], limit: float | None) -> Spending:
    if limit is None:
        return Spending()
    free = [teacher.name for teacher in teachers if teacher.price is None and teacher.key().get("model")]
    if free:
        raise UsageError(f"--max-cost needs the price of {', '.join(free)}; give it (USD per million tokens)")
    answers = (read_answers(text_path(corpus, teacher.name)) for teacher in teachers)
    costs = (
        record.get("dollars") or 0.0 for some in answers for records in some.values() for record in records
    )
    return Spending(limit, sum(costs))


class _Lessons:
    """One teacher's course, its samples side by side."""

    def __init__(
        self,
        corpus: Corpus,
        teacher: Teacher,
        pairs: Sequence[Pair],
        teaching: Teaching,
        similarity: Similarity,
        spending: Spending,
    ) -> None:
        self.teacher, self.teaching, self.spending = teacher, teaching, spending
        self.corpus, self.path = corpus, text_path(corpus, teacher.name)
        self.pairs = pairs
        self._similarity = similarity
        self._view_of = view_maker(teaching.budget)

    def run(self) -> Tally:
        teaching = self.teaching
        with Journal(self.path) as journal:
            known = reviewed_answers(self.corpus, self.path)
            self.course = course = Course(
                self.teacher,
                journal,
                known,
                similarity=self._similarity,
                limits=teaching.limits,
                total=len(self.pairs),
            )
            # A key reads the images: only where answers may have it, the others when their turn comes.
            keys = Keys(self.teacher, teaching.budget, teaching.seed)
            open_pairs = [
                pair
                for pair in self.pairs
                if course.enter(pair.sample.id, keys.of(pair) if pair.sample.id in known else "")
            ]
            self._tell()
            if isinstance(self.teacher, MLLMTeacher) and self.teacher.batch:
                self._in_batches(self.teacher, [(pair, keys.of(pair)) for pair in open_pairs])
            else:
                self._side_by_side(open_pairs, keys)
            course.tally.stopped = self.spending.stopped
        self._tell()
        return course.tally

    def _side_by_side(self, pairs: Sequence[Pair], keys: Keys) -> None:
        teacher = self.teacher
        done = in_background(
            len(pairs),
            lambda writer, index: self._one(writer, pairs[index], keys),
            teacher.connect,
            # While requests are under way, the next samples are prepared; the client limits the requests.
            teacher.concurrency + teacher.concurrency // 4,
        )
        with closing(done):
            for _ in done:
                self._tell()

    def _in_batches(self, teacher: MLLMTeacher, pairs: Sequence[tuple[Pair, str]]) -> None:
        lessons = BatchLessons(
            teacher,
            self.course,
            self.path.with_suffix(".batches"),
            prepare=self._prepare,
            spending=self.spending,
            tell=self._tell,
        )
        lessons.run(pairs)

    def _prepare(self, pair: Pair) -> Lesson:
        return prepare(pair, self._view_of, self.teaching.seed)

    def unverified(self) -> list[Pair]:
        """The pairs without a verified text by this teacher."""
        return [pair for pair in self.pairs if pair.sample.id not in self.course.verified]

    def _tell(self) -> None:
        if self.teaching.progress:
            self.teaching.progress(self.course.tally)

    async def _one(self, writer: Writer, pair: Pair, keys: Keys) -> None:
        """Ask about a sample until it is verified, no try is left, or the teacher fails."""
        if self.spending.stopped:
            return
        sample_id = pair.sample.id
        try:
            lesson = await asyncio.to_thread(self._prepare, pair)
            key = await asyncio.to_thread(keys.of, pair)
        except DataError as error:
            self.course.skip(sample_id, str(error))
            return
        while turn := self.course.turn(sample_id):
            answers = (self._ask(writer, lesson, key, number, turn.earlier) for number in turn.numbers)
            if not all(await asyncio.gather(*answers)):
                break
        self.course.finish(sample_id)

    async def _ask(
        self, writer: Writer, lesson: Lesson, key: str, number: int, earlier: Earlier | None
    ) -> bool:
        """Ask once and keep the answer; whether there is one that may be followed by another."""
        estimate = request_estimate(self.teacher.price, lesson, earlier)
        if not self.spending.reserve(estimate):
            return False
        spent = 0.0 if self.teacher.price else None
        try:
            reply = await writer.write(lesson, earlier, number)
            if self.teacher.price:
                spent = self.teacher.price.cost(reply.usage)
        finally:
            self.spending.settle(estimate, spent)
        checks = await asyncio.to_thread(self.course.check, lesson, reply)
        self.course.record(lesson, key, number, reply, checks)
        return reply.status in FINAL
