"""The texts of a corpus on disk: one journal for each teacher, one line for each answer.

A sample may have several answers by one teacher: tries after failed verification, best-of-n, and versions
written when prompt, model or truth were others. All are kept; a later line with the same key and try brings
an answer's checks up to date. The text of a sample is the best verified answer of the latest key that has
any, or its latest answer while none is verified; what a person approved goes before all others.

People's reviews of texts stand in the corpus (`mmrad.corpus.reviews`) and are applied on reading: an edited
text takes the place of the one that was read, and a check `review` says what the person thought of it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmrad.answer import parse
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import Review, standing
from mmrad.errors import DataError
from mmrad.files import file_name
from mmrad.journal import Record, read_journal
from mmrad.sample import Reasoning, Sample
from mmrad.teach.verify import passed

SCRIPTED = "scripted"
"""Name of the teacher that needs no model; its texts are chosen last."""

REVIEW = "review"
"""Name of the check that is a person's; texts that nobody reviewed do not have it."""

_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)


def text_path(corpus: Corpus, teacher: str) -> Path:
    """The journal of a teacher: `org/model:tag` is kept in `texts/org_model_tag.jsonl`."""
    return corpus.path / "texts" / f"{file_name(teacher)}.jsonl"


def teachers(corpus: Corpus) -> list[str]:
    """Names of the journals of a corpus, the scripted teacher's last."""
    names = (path.stem for path in (corpus.path / "texts").glob("*.jsonl"))
    return sorted(names, key=lambda name: (name == SCRIPTED, name))


def read_answers(path: Path) -> dict[str, list[Record]]:
    """All answers in a journal by sample id, each as its last line says, in the order they were given.

    Raises:
        DataError: When the file is damaged.
    """
    found: dict[str, dict[tuple[Any, Any], Record]] = {}
    for record in read_journal(path):
        of_sample = found.setdefault(str(record.get("sample_id")), {})
        of_sample[record.get("key"), record.get("try", 1)] = record
    return {sample_id: list(answers.values()) for sample_id, answers in found.items()}


def text_of(answers: Sequence[Record]) -> Record | None:
    """The answer that is the sample's text, None while there are only failures."""
    texts = [record for record in answers if record.get("status", "ok") == "ok"]
    verified = [record for record in texts if record.get("verified") is True]
    if not verified:
        return texts[-1] if texts else None
    verified = [record for record in verified if is_approved(record)] or verified
    latest = [record for record in verified if record.get("key") == verified[-1].get("key")]
    return max(latest, key=lambda record: float(record.get("quality", 0)))


def is_approved(record: Record) -> bool:
    """Whether a person found the text of an answer good; only answers with reviews applied say it."""
    checks = record.get("checks")
    return isinstance(checks, dict) and checks.get(REVIEW) is True


def read_texts(corpus: Corpus, teacher: str) -> dict[str, Reasoning]:
    """The text of each sample by a teacher, verified or not, by sample id.

    Raises:
        DataError: When the teacher has written nothing, or the file is damaged.
    """
    path = text_path(corpus, teacher)
    found = _texts_in(corpus, path)
    if not found:
        raise DataError(
            f"{path}: no texts by the teacher {teacher!r}; there are texts by "
            f"{teachers(corpus) or 'nobody'}; run  mmrad teach {corpus.path} --teacher {teacher}"
        )
    return found


def chosen_texts(corpus: Corpus, prefer: Sequence[str] = ()) -> dict[str, Reasoning]:
    """One verified text for each sample that has any, by sample id, in the order of the corpus.

    Args:
        corpus: The corpus.
        prefer: Names of teachers, best first, nobody else's texts are taken; none takes those of all, by
            name, the scripted teacher last.

    Raises:
        DataError: When a teacher has written nothing, or a file is damaged.
    """
    chosen: dict[str, Reasoning] = {}
    everybody = (_texts_in(corpus, text_path(corpus, teacher)) for teacher in teachers(corpus))
    for texts in (read_texts(corpus, teacher) for teacher in prefer) if prefer else everybody:
        for sample_id, text in texts.items():
            if text.verified:
                chosen.setdefault(sample_id, text)
    return {sample.id: chosen[sample.id] for sample in corpus.samples if sample.id in chosen}


def reviewed_answers(corpus: Corpus, path: Path) -> dict[str, list[Record]]:
    """The answers in a journal to samples of a corpus, as `read_answers` gives them, with reviews applied.

    Raises:
        DataError: When the journal or the file of reviews is damaged.
    """
    samples = {sample.id: sample for sample in corpus.samples}
    return {
        sample_id: after_reviews(answers, samples[sample_id], corpus.reviews.get(sample_id, ()), path.stem)
        for sample_id, answers in read_answers(path).items()
        if sample_id in samples
    }


def after_reviews(
    answers: Sequence[Record], sample: Sample, reviews: Sequence[Review], teacher: str
) -> list[Record]:
    """Answers to a sample as its reviews leave them; reviews of other texts than these change nothing.

    An edited text has the checks that were made of it, and the truth that the person left. A reviewed text is
    verified only when it passed them, the person finds it good, and the sample has the truth it was checked
    for.

    Args:
        answers: Lines of a teacher's journal.
        sample: The sample.
        reviews: All reviews of the sample, in the order they were made.
        teacher: The teacher, or the name of the journal.
    """
    of_text = [
        review
        for review in standing(reviews).counting
        if review.text and file_name(review.text.teacher) == file_name(teacher)
    ]
    return [_after_reviews(record, sample, of_text) for record in answers]


def _after_reviews(record: Record, sample: Sample, reviews: Sequence[Review]) -> Record:
    if not (isinstance(record.get("text"), str) and isinstance(record.get("checks"), dict)):
        return record  # a failure, or damaged, which is said where it is read
    good = None
    for review in reviews:
        text = review.text
        if text is None or record["text"] not in (text.before, text.after):
            continue
        good = text.good
        if text.after is not None and record["text"] != text.after:
            record = {
                **record,
                "text": text.after,
                "checks": text.checks,
                "verified": passed(text.checks),
                "truth": truth_hash(replace(sample, regions=review.after)),
            }
    if good is None:
        return record
    verified = good and record.get("verified") is True and _is_for(record, sample)
    return {**record, "checks": {**record["checks"], REVIEW: good}, "verified": verified}


def _texts_in(corpus: Corpus, path: Path) -> dict[str, Reasoning]:
    """The text of each sample in a journal; of those that had only failures none."""
    samples = {sample.id: sample for sample in corpus.samples}
    return {
        sample_id: reasoning(record, path, samples[sample_id])
        for sample_id, answers in reviewed_answers(corpus, path).items()
        if (record := text_of(answers))
    }


def truth_hash(sample: Sample) -> str:
    """A hash of the truth of a sample, kept beside its texts: they are verified only for that truth."""
    # Written by a person's browser a coordinate may be 3, in the tables it is 3.0; both are one truth.
    truth = [([float(value) for value in region.box.xyxy], region.label) for region in sample.regions]
    return hashlib.sha256(json.dumps(truth).encode()).hexdigest()[:12]


def _is_for(record: Mapping[str, Any], sample: Sample) -> bool:
    """Whether an answer was checked for the truth that the sample has now."""
    return record.get("truth") in (None, truth_hash(sample))


def reasoning(record: Mapping[str, Any], path: Path, sample: Sample) -> Reasoning:
    """The text of a line.

    Args:
        record: The line.
        path: Its file, for messages.
        sample: Its sample; a text verified for another truth than the sample has now is not verified.

    Raises:
        DataError: When it is not one of a teacher's text; the message names file and sample.
    """
    try:
        text = record["text"]
        if not isinstance(text, str):
            raise TypeError(f"text is {text!r}")
        answers = _ANSWER.findall(text)
        width, height = record["view_wh"]
        return Reasoning(
            sample_id=record["sample_id"],
            text=text,
            think=parse(text).think,
            answer=answers[-1] if answers else "",
            view_wh=(int(width), int(height)),
            teacher=record["teacher"],
            verified=record["verified"] is True and _is_for(record, sample),
            checks={str(name): good is True for name, good in record["checks"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: the record of {record.get('sample_id')} is no teacher's text ({error!r}); remove its "
            "line to redo its work"
        ) from error
