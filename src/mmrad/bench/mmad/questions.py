"""The questions of `mmad.json`, how they are put to a model, and how its choice is read.

Format:  https://github.com/jam-cc/MMAD; `mmrad export --to multiple-choice` writes it too.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from mmrad.errors import DataError
from mmrad.prompt import Message
from mmrad.sources.walk import load_json, safe_path
from mmrad.view import View

FILE = "mmad.json"

Templates = Literal["random", "similar"]
"""Which of an image's two lists of normal images are shown: any, as MMAD's scripts do by default, or the most
similar ones."""

_SYSTEM = (
    "You inspect industrial products in photographs. Answer a multiple-choice question about the image under "
    "inspection."
)
_REFERENCES = (
    "The first {images} normal and there to compare with; the last image is the one under inspection."
)
_ASK = "Answer with the letter of the right option alone."

PROMPTS_HASH = hashlib.sha256("\x1f".join([_SYSTEM, _REFERENCES, _ASK]).encode()).hexdigest()[:12]
"""First 12 hex digits of the SHA-256 over the wordings, which are mmrad's own."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question about an image.

    Attributes:
        id: `IMAGE#N`, N counted from 1 within the image.
        image: Path of the image relative to the root: `DATASET/CATEGORY/…`.
        type: What it asks about, as MMAD names it.
        text: The question.
        options: The options by letter.
        answer: The right letter.
        templates: Normal images that may be shown, best first, relative to the root.
    """

    id: str
    image: str
    type: str
    text: str
    options: Mapping[str, str]
    answer: str
    templates: tuple[str, ...]

    @property
    def dataset(self) -> str:
        """The dataset that the image is from."""
        return PurePosixPath(self.image).parts[0]

    @property
    def category(self) -> str:
        """Dataset and product category."""
        return "/".join(PurePosixPath(self.image).parts[:2])

    @property
    def normal(self) -> bool:
        """Whether MMAD's metric takes the image for normal: by its path."""
        return "good" in self.image


def read_questions(root: Path, templates: Templates = "random") -> list[Question]:
    """All questions of a folder with `mmad.json`, in its order; one whose answer is no option is left out.

    Args:
        root: The folder.
        templates: Which normal images may be shown.

    Raises:
        DataError: When there is no such file, or an entry of it is not as MMAD has it; the message names it.
    """
    path = root / FILE
    if not path.is_file():
        raise DataError(f"{root}: no {FILE} here; give the folder that holds it and the images")
    content = load_json(path)
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path}: should be an object whose keys are images")
    questions = []
    for image, entry in content.items():
        try:
            questions += _questions(image, entry, templates)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path} {image!r}: not an entry of MMAD ({error!r})") from error
    return questions


def _questions(image: str, entry: Mapping[str, Any], templates: Templates) -> list[Question]:
    where = f"{FILE} {image!r}"
    image = safe_path(image, where)
    shown = tuple(safe_path(path, f"{where} templates") for path in entry.get(f"{templates}_templates") or ())
    found = []
    for number, item in enumerate(entry["conversation"], 1):
        options = {str(letter): str(text) for letter, text in item["Options"].items()}
        one = Question(
            f"{image}#{number}", image, item["type"], item["Question"], options, item["Answer"], shown
        )
        if one.answer in options:  # MMAD's scorer leaves the others out too
            found.append(one)
    return found


def messages(question: Question, query: View, references: Sequence[View]) -> list[Message]:
    """The conversation that asks one question, by itself: the references, the query, then the words."""
    images = "image is" if len(references) == 1 else f"{len(references)} images are"
    options = "\n".join(f"{letter}. {text}" for letter, text in question.options.items())
    lines = [_REFERENCES.format(images=images)] if references else []
    lines += [f"Question: {question.text}", options, _ASK]
    return [Message("system", (_SYSTEM,)), Message("user", (*references, query, "\n".join(lines)))]


_TAGGED = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.IGNORECASE | re.DOTALL)
_ALONE = re.compile(r"\W*([A-Ea-e])\W*")
_NAMED = re.compile(
    r"\b(?i:answer|option|choice)(?i:\s+is)?\W{0,6}([A-E])(?=\W*(?:\Z|\n)|[.):,*\]])"
    r"|\A\W*([A-E])[.):,](?=\s|\*|\Z)"
)
"""A letter that is said to be the answer, or that begins the text as an option does ("B. Yes")."""


def choice_in(text: str, options: Mapping[str, str]) -> str | None:
    """The letter that a text chooses, None when it chooses none or several.

    Read are a letter alone, one that is named as the answer, one that begins the text as that of an option,
    and the words of one option. Reasoning in `<think>` tags is left out. A capital letter in a sentence, such
    as the article in "A scratch", is no choice.

    Args:
        text: The model's whole answer.
        options: The options by letter.
    """
    said = re.split(r"</think>", text, flags=re.IGNORECASE)[-1]
    if "<think>" in said.lower():
        return None  # it broke off while reasoning
    tagged = _TAGGED.findall(said)
    said = (tagged[-1] if tagged else said).strip()
    if alone := _ALONE.fullmatch(said):
        letters = {alone[1].upper()}
    else:
        letters = {first or second for first, second in _NAMED.findall(said)}
    if not letters:
        letters = {letter for letter, words in options.items() if _plain(said) in _forms(letter, words)}
    chosen = letters.pop() if len(letters) == 1 else None
    return chosen if chosen in options else None


def _forms(letter: str, words: str) -> set[str]:
    return {_plain(words), _plain(f"{letter} {words}")}


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\W+", " ", text).casefold().split())
