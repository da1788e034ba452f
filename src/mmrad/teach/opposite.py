"""Negatives by a model that is told the opposite of the truth (paper section 4.2)."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from contextlib import closing

from mmrad.corpus import Corpus
from mmrad.endpoint import Reply
from mmrad.endpoint.background import in_background
from mmrad.endpoint.model import Chat
from mmrad.errors import DataError
from mmrad.prompt import Message
from mmrad.sample import Sample
from mmrad.teach.course import FINAL, Keys
from mmrad.teach.lesson import Lesson, prepare, view_maker
from mmrad.teach.mllm import MLLMTeacher
from mmrad.teach.negatives import NegativeJournal
from mmrad.teach.similarity import LabelSimilarity
from mmrad.teach.verify import Similarity
from mmrad.teach.wrong import NegativesSummary
from mmrad.view import Budget


def write_opposite_negatives(
    corpus: Corpus,
    teacher: MLLMTeacher,
    *,
    budget: Budget,
    per_sample: int = 2,
    samples: Sequence[Sample] | None = None,
    similarity: Similarity | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NegativesSummary:
    """Ask a model for texts under opposite hints; those that are really wrong are kept as negatives.

    Every answer goes into `negatives/NAME.jsonl` as it comes, one that turns out right or unreadable with the
    reason. Called again, only what is missing is asked.

    Args:
        corpus: A corpus with references.
        teacher: Who is asked; its temperature should be above 0 for more than one text a sample.
        budget: Area of the views, in pixels.
        per_sample: Answers a sample.
        samples: Samples of the corpus; None means all.
        similarity: Compares labels; None means the bundled sentence embeddings.
        progress: Told how many samples of how many are through.

    Raises:
        DataError: When a sample has no reference, or the file is damaged.
        ProviderError: When the model cannot answer at all.
    """
    pairs = corpus.pairs(corpus.samples if samples is None else samples)
    keys = Keys(teacher, budget, teacher.seed)
    view_of = view_maker(budget)
    summary = NegativesSummary(len(pairs))
    with NegativeJournal(corpus, teacher.name, similarity or LabelSimilarity()) as journal:
        wanted = [[_key(keys.of(pair), number) for number in range(1, per_sample + 1)] for pair in pairs]
        summary.known = sum(key in journal.negatives for some in wanted for key in some)

        async def one(chat: Chat, index: int) -> None:
            pair = pairs[index]
            missing = [n for n, key in enumerate(wanted[index], start=1) if key not in journal.known]
            if not missing:
                return
            try:
                lesson = await asyncio.to_thread(prepare, pair, view_of, teacher.seed)
            except DataError as error:
                summary.unreadable.append(f"{pair.sample.id}: {error}")
                return
            for number in missing:
                reply = await chat.ask(_messages(teacher, lesson), teacher.parameters(number))
                _keep(journal, teacher, lesson, wanted[index][number - 1], reply, summary)

        work = in_background(len(pairs), one, teacher.model.connect, teacher.concurrency)
        with closing(work) as done:
            for count, _ in enumerate(done, start=1):
                if progress:
                    progress(count, len(pairs))
    return summary


def _messages(teacher: MLLMTeacher, lesson: Lesson) -> list[Message]:
    anomalous = bool(lesson.truth)
    return teacher.prompts.opposite(lesson.query, lesson.references, anomalous=anomalous)


def _key(pair_key: str, number: int) -> str:
    """Another key than a teaching's, whose prompt is another one."""
    return hashlib.sha256(f"opposite/{pair_key}/{number}".encode()).hexdigest()[:32]


def _keep(
    journal: NegativeJournal,
    teacher: MLLMTeacher,
    lesson: Lesson,
    key: str,
    reply: Reply,
    summary: NegativesSummary,
) -> None:
    """Keep an answer; a failure of the server is counted only, and asked for again by the next call."""
    if reply.status not in FINAL:
        summary.failures[reply.status] += 1
        return
    kept = journal.keep(
        key,
        lesson.sample,
        lesson.query.size_wh,
        reply.text,
        status=reply.status,
        input_tokens=reply.usage.input_tokens,
        output_tokens=reply.usage.output_tokens,
        dollars=teacher.price.cost(reply.usage) if teacher.price else None,
    )
    if isinstance(kept, str):
        summary.refused += 1
    else:
        summary.written[kept.kind] += 1
