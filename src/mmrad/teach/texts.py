"""The texts of a corpus on disk: one journal for each teacher, one line for each answer.

A sample may have several answers by one teacher: tries after failed verification, best-of-n, and versions
written when prompt, model or truth were others. All are kept; a later line with the same key and try brings
an answer's checks up to date. The text of a sample is the best verified answer of the latest key that has
any, or its latest answer while none is verified.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrad.answer import parse
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import file_name
from mmrad.journal import Record, read_journal
from mmrad.sample import Reasoning, Sample

SCRIPTED = "scripted"
"""Name of the teacher that needs no model; its texts are chosen last."""

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
    latest = [record for record in verified if record.get("key") == verified[-1].get("key")]
    return max(latest, key=lambda record: float(record.get("quality", 0)))


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


def _texts_in(corpus: Corpus, path: Path) -> dict[str, Reasoning]:
    """The text of each sample in a journal; of those that had only failures none."""
    samples = {sample.id: sample for sample in corpus.samples}
    return {
        sample_id: reasoning(record, path, samples[sample_id])
        for sample_id, answers in read_answers(path).items()
        if sample_id in samples and (record := text_of(answers))
    }


def truth_hash(sample: Sample) -> str:
    """A hash of the truth of a sample, kept beside its texts: they are verified only for that truth."""
    truth = [(region.box.xyxy, region.label) for region in sample.regions]
    return hashlib.sha256(json.dumps(truth).encode()).hexdigest()[:12]


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
            verified=record["verified"] is True and record.get("truth") in (None, truth_hash(sample)),
            checks={str(name): good is True for name, good in record["checks"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path}: the record of {record.get('sample_id')} is no teacher's text ({error!r}); remove its "
            "line to redo its work"
        ) from error
