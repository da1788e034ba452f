"""Reading texts as other datasets publish them, and finding the samples they are about."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmrad.errors import DataError
from mmrad.sample import Sample

TEXTS = "text_annos.json"
"""Name of the file of texts in each class folder of the release of MMR-AD."""

_IMAGE_KEYS = ("image", "image_path", "file_name", "path")
_SPLITS = {"train_good": ("train", "good"), "test_good": ("test", "good")}
_ASSISTANTS = ("assistant", "gpt")
_EXAMPLES = 5

EXPECTED = (
    'an object whose keys are paths of images, or a list of objects with an "image"; for each a text, '
    '{"text"}, {"think", "answer"}, or "messages" or "conversations" with turns'
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file says of one image.

    Attributes:
        image: The image as the file names it, or "" where it names none or several.
        path: Parts of that path with those of the file's folder before it.
        content: The rest.
    """

    image: str
    path: tuple[str, ...]
    content: Any


@dataclass(slots=True)
class Problems:
    """Entries that could not be taken: how many for each reason, and the first few."""

    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def add(self, entry: str, reason: str, detail: str = "") -> None:
        """Count an entry; what is special about it goes into `detail`."""
        self.reasons[reason] += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{entry}: {reason}{detail}")

    @property
    def count(self) -> int:
        """How many entries."""
        return self.reasons.total()

    def describe(self, name: str) -> list[str]:
        """Lines for people; none where there is nothing."""
        return [f"{self.count} {name}, such as", *(f"  {it}" for it in self.examples)] if self.count else []


def read_entries(path: Path) -> list[Entry]:
    """The entries of a file, or of every `text_annos.json` in a folder.

    Raises:
        DataError: When there is no such file, or one is unreadable, empty or of another form.
    """
    files = sorted(path.rglob(TEXTS)) if path.is_dir() else [path]
    if not files:
        raise DataError(f"{path}: no {TEXTS} in this folder or below; name the file of texts itself")
    return [entry for file in files for entry in _entries(file)]


def _entries(file: Path) -> Iterator[Entry]:
    try:
        content = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{file}: not a readable JSON file ({error})") from error
    if not content or not isinstance(content, dict | list):
        raise DataError(f"{file}: found {shape(content)}; expected {EXPECTED}")
    folder = _parts(file.absolute().parent.as_posix())
    listed = content.items() if isinstance(content, dict) else [(_image(item), item) for item in content]
    for image, item in listed:
        yield Entry(image, (*folder, *_parts(image)), item)


def _image(item: Any) -> str:
    """The one image that an object of a list names; of several, nothing says which is the query."""
    value = next((item[key] for key in _IMAGE_KEYS if key in item), "") if isinstance(item, dict) else ""
    images = value if isinstance(value, list) else [value]
    return images[0] if len(images) == 1 and isinstance(images[0], str) else ""


def shape(value: Any) -> str:
    """What a JSON value looks like, for messages."""
    if isinstance(value, dict) and value:
        named = ", ".join(f"{key!r}: {type(item).__name__}" for key, item in list(value.items())[:8])
        return f"an object {{{named}}}"
    if isinstance(value, dict | list) and not value:
        return "nothing in it"
    return f"a {type(value).__name__}"


def texts_in(content: Any) -> list[str]:
    """The texts of an entry; the assistant's turns where it is a conversation.

    Raises:
        ValueError: When it has none of the known forms; the message says what was found.
    """
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        text, think, answer = (content.get(key) for key in ("text", "think", "answer"))
        if isinstance(text, str):
            return [text]
        if isinstance(think, str) and isinstance(answer, str):
            return [f"<think>{think}</think><answer>{answer}</answer>"]
        if turns := _turns(content):
            return [said for role, said in turns if role in _ASSISTANTS]
    raise ValueError(f"found {shape(content)}")


def questions_in(content: Any) -> list[tuple[str, str]]:
    """The questions of an entry, each with its answer in words.

    Of MMAD's multiple choice the right option, of a conversation what the assistant says next.

    Raises:
        ValueError: When it has neither; the message says what was found.
    """
    if is_multiple_choice(content):
        return [
            (question, answer)
            for item in content["conversation"]
            if isinstance(question := item.get("Question"), str) and (answer := _right_option(item))
        ]
    turns = _turns(content) if isinstance(content, dict) else []
    if not turns:
        raise ValueError(f"found {shape(content)}")
    return [
        (asked.replace("<image>", "").strip(), said)
        for (asker, asked), (role, said) in pairwise(turns)
        if role in _ASSISTANTS and asker not in _ASSISTANTS
    ]


def is_multiple_choice(content: Any) -> bool:
    """Whether an entry is one of MMAD's `mmad.json`."""
    items = content.get("conversation") if isinstance(content, dict) else None
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _right_option(item: dict[str, Any]) -> str:
    options, letter = item.get("Options"), item.get("Answer")
    option = (
        options.get(letter.strip()[:1]) if isinstance(options, dict) and isinstance(letter, str) else None
    )
    return option if isinstance(option, str) else ""


def _turns(content: dict[str, Any]) -> list[tuple[str, str]]:
    """Who says what in a conversation in the form of OpenAI or LLaVA; none where it is of another form."""
    turns = content.get("messages") or content.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return []
    said = [
        (turn.get("role") or turn.get("from"), _words(turn.get("content") or turn.get("value")))
        for turn in turns
    ]
    return [(role, words) for role, words in said if isinstance(role, str)]


def _words(content: Any) -> str:
    """The words of a turn; its parts may be texts and images."""
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


class Places:
    """Finds samples by published paths of their images.

    A path names a sample when both agree from the file name back to the folder, or folders, of the sample's
    category; what comes before may differ. So a text of the release is found in a corpus built from the
    release or from the original datasets; `train_good` stands for `train/good`, `test_good` for `test/good`.

    Args:
        samples: The samples.
    """

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples: dict[tuple[str, ...], list[Sample]] = {}
        for sample in samples:
            self._samples.setdefault(_from_category(sample), []).append(sample)

    def find(self, path: tuple[str, ...]) -> list[Sample]:
        """The samples that a path may name: one, none, or several where it is ambiguous.

        Args:
            path: Parts of the path, with any folders before it that are known.
        """
        return [sample for start in range(len(path)) for sample in self._samples.get(path[start:], ())]


def _from_category(sample: Sample) -> tuple[str, ...]:
    """Parts of a sample's image path from the folder of its category on; categories may span folders."""
    parts = _parts(sample.image)
    for start in reversed(range(len(parts) - 1)):
        if f"_{sample.category}_".casefold() in f"_{'_'.join(parts[start:-1])}_".casefold():
            return parts[start:]
    return (sample.category, *parts)


def _parts(path: str) -> tuple[str, ...]:
    """Parts of a path on any system."""
    parts = unicodedata.normalize("NFC", path).replace("\\", "/").split("/")
    return tuple(name for part in parts if part not in ("", ".") for name in _SPLITS.get(part, (part,)))


def match(entry: Entry, places: Places, unmatched: Problems) -> Sample | None:
    """The one sample that an entry is about; None, with the reason counted, where it is not one."""
    found = places.find(entry.path) if entry.image else []
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(sorted(sample.id for sample in found)[:3])
        unmatched.add(entry.image, "several samples have this path", f" ({ids})")
    elif entry.image:
        unmatched.add(entry.image, "no such image in the corpus")
    else:
        unmatched.add(shape(entry.content), "does not name one image")
    return None
