"""Asking MMAD's questions so that nothing answered is ever asked twice.

A run is a folder: `mmad.json` says what was asked of whom, a line of `answers.jsonl` is
`{"question_id": …, "key": …, "answer": {…}}`; of several lines for one question the last counts.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from mmrad import __version__
from mmrad.bench.mmad.questions import FILE, PROMPTS_HASH, Question, Templates, choice_in, messages
from mmrad.bench.mmad.scores import Row, mmad_rows
from mmrad.endpoint import Price, Spending
from mmrad.endpoint.background import in_background
from mmrad.endpoint.model import Chat, ChatModel
from mmrad.endpoint.reply import Reply, ReplyStatus
from mmrad.errors import BudgetReached, DataError, UsageError
from mmrad.files import file_name, write_text
from mmrad.image import image_hash, read_image
from mmrad.inspectors.allowance import Allowance
from mmrad.journal import Journal, Record, read_journal
from mmrad.prompt import Message
from mmrad.sample import RETRIED, Usage
from mmrad.view import Budget, View, make_view

SCHEMA_VERSION = 1
INFO_FILE, ANSWERS_FILE = "mmad.json", "answers.jsonl"
MISSING = "missing"

AnswerStatus = Literal[ReplyStatus, "unparsed"]


@dataclass(frozen=True, slots=True)
class Asking:
    """How MMAD's questions are asked.

    Attributes:
        references: Normal images beside each query, as many as there are at most; MMAD's setting is 1, or 0.
        templates: From which of an image's lists they are; MMAD's default is `random`.
        budget: Area of the views in pixels.
        max_tokens: Limit of an answer.
        temperature: Sampling temperature; 0 is greedy.
        seed: Seed of sampling.
        rejects: Which of these parameters the model refuses; they are not sent.
    """

    references: int = 1
    templates: Templates = "random"
    budget: Budget = Budget()
    max_tokens: int = 512
    temperature: float = 0.0
    seed: int = 0
    rejects: tuple[str, ...] = ()

    @property
    def suffix(self) -> str:
        """What it adds to the name of a run."""
        return f"-{self.references}-shot{'-similar' * (self.templates == 'similar' and self.references > 0)}"

    def parameters(self) -> dict[str, Any]:
        """Fields of every request."""
        asked = {"temperature": self.temperature, "seed": self.seed, "max_tokens": self.max_tokens}
        return {name: value for name, value in asked.items() if name not in self.rejects}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered to one question.

    Attributes:
        status: `ok`, or why there is no choice.
        letter: The choice; None unless `ok`.
        text: The answer exactly as it came.
        detail: Why the status is not `ok`, in words.
        usage: What it cost.
        model_reported: The model that the reply says it came from.
    """

    status: AnswerStatus
    letter: str | None
    text: str
    detail: str = ""
    usage: Usage = Usage()
    model_reported: str | None = None

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.letter is not None):
            raise ValueError(f"an answer with status {self.status!r} cannot have letter={self.letter!r}")


class MmadInfo(BaseModel):
    """The content of a run's `mmad.json`.

    Attributes:
        schema_version: Version of this format.
        name: Name of the run.
        created: When it began, ISO 8601 in UTC.
        mmrad_version: The mmrad that began it.
        model: The model's key: everything of it that can change an answer.
        asking: How was asked.
        prompts_hash: Hash of the wordings.
        mmad_sha256: Hash of the questions' file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    created: str
    mmrad_version: str
    model: dict[str, Any]
    asking: dict[str, Any]
    prompts_hash: str = PROMPTS_HASH
    mmad_sha256: str

    def asked(self) -> dict[str, Any]:
        """What can change an answer, by names for messages."""
        parts = self.model_dump(include={"name", "prompts_hash", "mmad_sha256"})
        for table in ("model", "asking"):
            parts |= {f"{table}.{key}": value for key, value in getattr(self, table).items()}
        return parts


class MmadRun:
    """The answers of one model to questions of MMAD.

    Args:
        path: Folder of the run.
        questions: The questions.
    """

    def __init__(self, path: Path, questions: Sequence[Question]) -> None:
        self.path = path
        self.questions = questions

    @cached_property
    def answers(self) -> dict[str, Answer]:
        """Answers by question id; a question not asked yet is absent."""
        lines = _read_lines(self.path)
        return {one.id: lines[one.id][1] for one in self.questions if one.id in lines}

    def rows(self, by: Callable[[Question], str] | None = None) -> list[Row]:
        """MMAD's figures, see `mmad_rows`."""
        judged = []
        for question in self.questions:
            answer = self.answers.get(question.id)
            judged.append((question, answer.letter, answer.status) if answer else (question, None, MISSING))
        return mmad_rows(judged, by=by)


def ask_mmad(
    root: Path,
    questions: Sequence[Question],
    model: ChatModel,
    out: Path,
    *,
    asking: Asking = Asking(),
    max_cost: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MmadRun:
    """Ask a chat model questions of MMAD, each by itself; called again, it goes on where it stopped.

    The run lies in `out/MODEL-1-shot`. Asked again are questions without an answer and those that failed, see
    `mmrad.sample.RETRIED`. Whatever ends the call early, the answers given so far are kept. More or
    fewer questions may be given next time.

    Args:
        root: Folder with `mmad.json` and the images.
        questions: From `read_questions`, with the same templates.
        model: Who is asked.
        out: Folder of runs.
        asking: How.
        max_cost: US dollars that the run may cost in all, earlier calls included; None for no cap.
        progress: Called with how many are done and how many there are.

    Raises:
        UsageError: When there are no questions, a cap is given and no price known, or the folder holds a run
            that was asked otherwise or on other images.
        DataError: When the folder holds a damaged run.
        ProviderError: When the model cannot be asked at all.
        BudgetReached: When the cap leaves questions unasked.
    """
    if not questions:
        raise UsageError(f"{root}: no questions to ask")
    name = f"{model.model}{asking.suffix}"
    folder = out / file_name(name)
    info = _begin(folder, _describe(root, model, asking, name))
    keys = _Keys(root, info, asking)
    kept = _kept(folder, questions, keys)
    open_questions = [question for question in questions if question.id not in kept]
    views = lru_cache(maxsize=64)(lambda image: _view(root / image, asking.budget))
    spending = Spending(max_cost, _spent(folder, model.price))
    allowance = Allowance(name, spending, model.price, asking.max_tokens)
    tell = progress or (lambda done, total: None)
    tell(len(kept), len(questions))

    def worded(question: Question) -> list[Message]:
        references = [views(image) for image in question.templates[: asking.references]]
        return messages(question, views(question.image), references)

    async def one(chat: Chat, index: int) -> tuple[Question, Answer | None]:
        question = open_questions[index]
        try:
            conversation = await asyncio.to_thread(worded, question)
        except DataError as error:
            return question, Answer("failed", None, "", str(error))
        estimate = allowance.estimate(conversation)
        if not await allowance.wait_and_take(estimate):
            return question, None
        reply = await chat.ask(conversation, asking.parameters())
        await allowance.give_back_and_tell(estimate, reply.usage)
        return question, _answer(reply, question)

    done = len(kept)
    work = in_background(len(open_questions), one, model.connect, model.concurrency)
    with Journal(folder / ANSWERS_FILE) as journal, closing(work) as answers:
        for question, answer in answers if open_questions else ():
            if answer is not None:
                line = {"question_id": question.id, "key": keys.of(question), "answer": asdict(answer)}
                journal.append(line)
                done += 1
                tell(done, len(questions))
    if done < len(questions):
        raise BudgetReached(
            f"{name}: {len(questions) - done} of {len(questions)} questions were not asked: the cap of "
            f"${max_cost:.2f} leaves no room for them (${spending.spent:.4f} spent); all answers are kept, "
            "the same command with a higher cap asks the others"
        )
    return MmadRun(folder, questions)


def _answer(reply: Reply, question: Question) -> Answer:
    status: AnswerStatus = reply.status
    letter, detail = None, reply.detail
    if status == "ok" and (letter := choice_in(reply.text, question.options)) is None:
        status, detail = "unparsed", "no option, or several, can be read"
    return Answer(status, letter, reply.text, detail, reply.usage, reply.model_reported)


def _view(path: Path, budget: Budget) -> View:
    try:
        return make_view(read_image(path), budget)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def _describe(root: Path, model: ChatModel, asking: Asking, name: str) -> MmadInfo:
    return MmadInfo(
        name=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        mmrad_version=__version__,
        model=json.loads(json.dumps(model.key())),
        asking=json.loads(json.dumps(asdict(asking))),
        mmad_sha256=hashlib.sha256((root / FILE).read_bytes()).hexdigest(),
    )


def _begin(folder: Path, asked: MmadInfo) -> MmadInfo:
    """Write the run's `mmad.json`, or read that of an earlier call.

    Raises:
        UsageError: When the folder holds a run that was asked otherwise.
        DataError: When it is damaged.
    """
    path = folder / INFO_FILE
    if not path.exists():
        if (folder / ANSWERS_FILE).exists():
            raise UsageError(
                f"{folder}: holds answers but no {INFO_FILE}; restore it, or choose another --out"
            )
        write_text(path, asked.model_dump_json(indent=2) + "\n")
        return asked
    try:
        held = MmadInfo.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise DataError(f"{path}: unreadable ({error}); delete the folder and ask again") from error
    old, new = held.asked(), asked.asked()
    if old != new:
        other = "; ".join(
            f"{key} is {old.get(key)!r} there and {new.get(key)!r} now"
            for key in sorted(old.keys() | new.keys())
            if old.get(key) != new.get(key)
        )
        raise UsageError(
            f"{folder} holds a run that was asked otherwise: {other}; choose another --out, or delete it"
        )
    return held


class _Keys:
    """Keys of lines: a hash over what was asked of whom, the bytes of the images, and the question's id."""

    def __init__(self, root: Path, info: MmadInfo, asking: Asking) -> None:
        self._root = root
        self._asked = json.dumps(info.asked(), sort_keys=True)
        self._references = asking.references
        self._image_hash = lru_cache(maxsize=1 << 16)(image_hash)  # one reference serves many

    def of(self, question: Question) -> str:
        images = (question.image, *question.templates[: self._references])
        parts = [self._asked, *(self._image_hash(self._root / image) for image in images), question.id]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _kept(folder: Path, questions: Sequence[Question], keys: _Keys) -> Mapping[str, Answer]:
    """The answers to these questions that need not be asked again, by question id.

    Raises:
        UsageError: When one was given on other images: old and new answers would stand in one table.
    """
    kept: dict[str, Answer] = {}
    lines = _read_lines(folder)
    for question in questions:
        key, answer = lines.get(question.id, ("", None))
        if answer is None or answer.status in RETRIED:
            continue
        if key != keys.of(question):
            raise UsageError(
                f"{folder} holds an answer to {question.id}, but its image or a reference of it has changed "
                "since; restore the image, choose another --out, or delete that folder"
            )
        kept[question.id] = answer
    return kept


def _spent(folder: Path, price: Price | None) -> float:
    """Dollars of all answers in a run's folder, those that were asked again included; 0 without a price."""
    lines = read_journal(folder / ANSWERS_FILE) if price else ()
    usages = (Usage(**record["answer"]["usage"]) for record in lines)
    return sum(price.cost(usage) or 0.0 for usage in usages) if price else 0.0


def _read_lines(folder: Path) -> dict[str, tuple[str, Answer]]:
    """Key and answer of the last line of each question, by its id.

    Raises:
        DataError: When a line is damaged; the message names it.
    """
    path = folder / ANSWERS_FILE
    found: dict[str, tuple[str, Answer]] = {}
    for number, record in enumerate(read_journal(path), 1):
        try:
            found[record["question_id"]] = (record["key"], _from_record(record["answer"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}, line {number}: not an answer ({error!r}); remove the line to ask again"
            ) from error
    return found


def _from_record(record: Record) -> Answer:
    if record["status"] not in get_args(AnswerStatus):
        raise ValueError(f"unknown status {record['status']!r}")
    return Answer(**{**record, "usage": Usage(**record["usage"])})
