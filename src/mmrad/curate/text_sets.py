"""Counting other datasets of texts about anomalies, from the one JSON file each is published as.

An object at the top is read as MMAD's `mmad.json`, a list as LLaVA-style conversations, the form in which
Anomaly-Instruct-125K is published.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from mmrad.curate.statistics import Composition, Dataset, TokenCounter
from mmrad.errors import DataError

_MMAD = (
    'MMAD: {"DATASET/CATEGORY/…/DEFECT/IMAGE": {"conversation": [{"Question", "Options", "Answer"}, …]}, …}'
)
_LLAVA = 'LLaVA-style: [{"id", "image", "conversations": [{"from", "value"}, …]}, …]'


def read_text_set(name: str, path: Path, count_tokens: TokenCounter | None) -> Dataset:
    """Count a dataset of texts.

    Of MMAD the question, all options and the answer's letter count as text; the file does not say the anomaly
    types of all its sources. Of conversations what both sides say counts, without the placeholder `<image>`;
    the file does not say what is normal.

    Args:
        name: What to call it.
        path: The JSON file.
        count_tokens: Counts the tokens of texts; None leaves them uncounted.

    Raises:
        DataError: When the file is unreadable or of neither form; the message says what was found.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a readable JSON file ({error})") from error
    if not isinstance(content, dict | list) or not content:
        kind = f"an empty {type(content).__name__}" if content in ({}, []) else type(content).__name__
        raise DataError(f"{path}: found {kind}; expected {_MMAD} or {_LLAVA}")
    if isinstance(content, dict):
        return _mmad(name, path, content, count_tokens)
    return _llava(name, path, content, count_tokens)


def _mmad(name: str, path: Path, content: dict[str, Any], count_tokens: TokenCounter | None) -> Dataset:
    images = [PurePosixPath(image).parts for image in content]
    short = next((parts for parts in images if len(parts) < 4), None)
    if short is not None:
        raise DataError(f"{path}: found the key {'/'.join(short)!r}; expected {_MMAD}")
    texts: list[str] = []
    with_text = 0
    for image, entry in content.items():
        where = f"{path}: {image!r}"
        questions = _items(entry, "conversation", where, _MMAD)
        texts += [_question(question, where) for question in questions]
        with_text += bool(questions)
    normal = sum(parts[-2].casefold() == "good" for parts in images)
    counts = Composition(
        name,
        images=len(images),
        normal=normal,
        anomalous=len(images) - normal,
        with_text=with_text,
        text_tokens=count_tokens(texts) if count_tokens else None,
        categories=len({parts[:2] for parts in images}),
    )
    return Dataset(counts, "multiple choice", "coarse")


def _question(item: Mapping[str, Any], where: str) -> str:
    question, options, answer = (item.get(key) for key in ("Question", "Options", "Answer"))
    if not (isinstance(question, str) and isinstance(options, dict) and isinstance(answer, str)):
        raise DataError(f"{where}: found a question with {_types(item)}; expected {_MMAD}")
    return "\n".join([question, *(f"{letter}: {text}" for letter, text in options.items()), answer])


def _llava(name: str, path: Path, content: list[Any], count_tokens: TokenCounter | None) -> Dataset:
    texts: list[str] = []
    images: set[str] = set()
    with_text = 0
    for number, entry in enumerate(content):
        where = f"{path}, entry {number}"
        turns = _items(entry, "conversations", where, _LLAVA)
        texts += [_said(turn, where) for turn in turns]
        with_text += bool(turns)
        images.update(_images(entry, where))
    counts = Composition(
        name,
        images=len(images),
        with_text=with_text,
        text_tokens=count_tokens(texts) if count_tokens else None,
    )
    return Dataset(counts, "conversations", "")


def _said(turn: Mapping[str, Any], where: str) -> str:
    text = turn.get("value")
    if not isinstance(text, str):
        raise DataError(f"{where}: found a turn with {_types(turn)}; expected {_LLAVA}")
    return text.replace("<image>", "")


def _images(entry: Mapping[str, Any], where: str) -> list[str]:
    """The images an entry is about: one, several or none."""
    image = entry.get("image") or []
    images = image if isinstance(image, list) else [image]
    if not all(isinstance(path, str) for path in images):
        raise DataError(f"{where}: found {_types(entry)}; expected {_LLAVA}")
    return images


def _items(entry: Any, key: str, where: str, expected: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects under a key of an entry."""
    if not isinstance(entry, dict):
        raise DataError(f"{where}: found {type(entry).__name__}; expected {expected}")
    items = entry.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise DataError(f"{where}: found {_types(entry)}; expected {expected}")
    return items


def _types(entry: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key!r}: {type(value).__name__}" for key, value in entry.items()) + "}"
