"""The texts of two teachers side by side, with their differences marked, as one page."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

from mmrad.answer import parse
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import write_text
from mmrad.report.html import render, scripts
from mmrad.report.thumbnails import Thumbnails
from mmrad.sample import Reasoning, Sample
from mmrad.teach import read_texts
from mmrad.teach.reverify import PassRates, Rate
from mmrad.teach.verify import CHECKS
from mmrad.view import rescale

FILE_NAME = "texts.html"

MEANINGS = {
    "parses": "The text has the form of a reasoning and an answer.",
    "verdict": "Yes or No is right.",
    "count": "As many places are named as there are.",
    "iou": "Each place lies on a true one, one to one.",
    "label": "The labels of the places mean the same as the true ones.",
    "box_in_think": "The reasoning names the boxes of the answer, and no other.",
    "verdict_in_think": "The reasoning does not end with the opposite verdict.",
    "hint_leak": "Nothing tells that the teacher was given the truth.",
    "language": "The reasoning is in English.",
    "length": "The reasoning is neither empty nor endless.",
    "repetition": "Nothing is said again and again.",
}
"""What it means to pass each check."""

_OUTCOMES = ("first", "second", "neither", "both")
"""Whose text is verified; in the order in which samples are shown."""

_LONGEST = 3000
"""Words and marks of a text that are shown; more is a loop, and would take long to compare."""

_SHORTEST_MATCH = 3
"""Fewer equal words and marks between differences are chance, and marking around them is hard to read."""

_LITTLE = 20
"""Texts of more words than this that share less than a quarter of them are not versions of one text."""

_WORD = re.compile(r"\s*(?:\w+|[^\w\s])")

_NO_TEXTS = Rate(0, 0, dict.fromkeys(CHECKS, 0))

Parts = list[tuple[str, bool]]
"""A text in parts, each with whether the other text lacks it."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A sample with the texts of the two teachers; None where one has written none."""

    sample: Sample
    texts: tuple[Reasoning | None, Reasoning | None]

    @property
    def outcome(self) -> str:
        first, second = (text is not None and text.verified for text in self.texts)
        return "both" if first and second else "first" if first else "second" if second else "neither"


def write_text_diff(
    corpus: Corpus, first: str, second: str, out: Path, *, limit: int = 100, thumb: int = 320
) -> Path:
    """Write `texts.html`, which compares two teachers: pass rates, then samples with both texts.

    The file is self-contained: no network, no other file. All text from models, labels and file names is
    shown as text.

    Args:
        corpus: The corpus.
        first: A teacher.
        second: The other teacher.
        out: Folder to write into, or the path of the file when it ends in `.html`.
        limit: Largest number of samples shown, drawn so that outcomes and categories have their turns.
        thumb: Longest side of an embedded picture in pixels.

    Returns:
        The file written.

    Raises:
        DataError: When a teacher has written nothing, or a file of texts is damaged.
    """
    texts = (read_texts(corpus, first), read_texts(corpus, second))
    cases = [
        _Case(sample, (texts[0].get(sample.id), texts[1].get(sample.id)))
        for sample in corpus.samples
        if sample.id in texts[0] or sample.id in texts[1]
    ]
    shown = _drawn(cases, limit)
    thumbnails = Thumbnails(thumb)
    script, digest = scripts("texts.js")
    page = render(
        "texts.html.j2",
        corpus=corpus.path.resolve().name,
        teachers=(_printable(first), _printable(second)),
        meanings=MEANINGS,
        rates=_rates(cases),
        outcomes=_counts(cases, (first, second)),
        silent=[sum(case.texts[who] is None for case in cases) for who in range(2)],
        samples=len(cases),
        cases=[_shown(case, corpus, thumbnails) for case in shown],
        categories=sorted({_category(case.sample) for case in shown}),
        failed=[
            name for name in CHECKS if any(name in _failed(text) for case in shown for text in case.texts)
        ],
        pictures=thumbnails.uris,
        script=script,
        script_hash=digest,
    )
    path = out if out.suffix == ".html" else out / FILE_NAME
    write_text(path, page)
    return path


def differences(first: str, second: str) -> tuple[Parts, Parts]:
    """Two texts in parts that both have and parts that only one has, word by word.

    Args:
        first: A text; so long a one that nobody reads it is cut.
        second: The other.

    Returns:
        The parts of each. Nothing is marked beside an empty text, nor where two texts have little in common.
    """
    tokens = [_WORD.findall(text)[:_LONGEST] for text in (first, second)]
    words = [[token.strip() for token in side] for side in tokens]
    shorter = min(map(len, words))
    blocks = SequenceMatcher(a=words[0], b=words[1]).get_matching_blocks()
    equal = [block for block in blocks if block.size >= min(_SHORTEST_MATCH, shorter)]
    if not shorter or (shorter > _LITTLE and 4 * sum(block.size for block in equal) < shorter):
        return [("".join(tokens[0]), False)], [("".join(tokens[1]), False)]
    sides = ([(block.a, block.size) for block in equal], [(block.b, block.size) for block in equal])
    return _parts(tokens[0], sides[0]), _parts(tokens[1], sides[1])


def _parts(tokens: Sequence[str], equal: Sequence[tuple[int, int]]) -> Parts:
    parts: Parts = []
    position = 0
    for start, size in [*equal, (len(tokens), 0)]:
        for low, high, differs in ((position, start, True), (start, start + size, False)):
            if low < high:
                parts.append(("".join(tokens[low:high]), differs))
        position = start + size
    return parts


def _drawn(cases: Sequence[_Case], limit: int) -> list[_Case]:
    """Some of the cases: the first of each outcome and category, then the second of each, and so on."""
    turns: Counter[tuple[str, str]] = Counter()
    order: dict[str, tuple[int, int, str]] = {}
    for case in random.Random(0).sample(cases, len(cases)):
        group = (case.outcome, _category(case.sample))
        order[case.sample.id] = (turns[group], _OUTCOMES.index(case.outcome), group[1])
        turns[group] += 1
    return sorted(cases, key=lambda case: order[case.sample.id])[:limit]


def _rates(cases: Sequence[_Case]) -> list[dict[str, Any]]:
    """Rows of the table: all samples, then each category; cells of both teachers, all checks first."""
    rates = [
        PassRates.of(
            (case.sample, text.verified, text.checks)
            for case in cases
            if (text := case.texts[who]) is not None
        )
        for who in range(2)
    ]
    names = sorted({*rates[0].categories, *rates[1].categories})
    rows = {"all": [rate.overall for rate in rates]}
    rows |= {name: [rate.categories.get(name, _NO_TEXTS) for rate in rates] for name in names}
    return [{"name": name, "cells": [rate.cells() for rate in both]} for name, both in rows.items()]


def _counts(cases: Sequence[_Case], teachers: tuple[str, str]) -> list[dict[str, Any]]:
    counts = Counter(case.outcome for case in cases)
    names = {
        "both": "both verified",
        "first": f"only {_printable(teachers[0])}",
        "second": f"only {_printable(teachers[1])}",
        "neither": "neither",
    }
    return [{"key": key, "name": name, "count": counts[key]} for key, name in names.items()]


def _category(sample: Sample) -> str:
    return f"{sample.source}/{sample.category}"


def _failed(text: Reasoning | None) -> list[str]:
    return [name for name in CHECKS if not text.checks.get(name, False)] if text else []


def _shown(case: _Case, corpus: Corpus, thumbnails: Thumbnails) -> dict[str, Any]:
    sample = case.sample
    [pair] = corpus.pairs([sample], references=int(sample.id in corpus.references))
    thinks = differences(*(_reasoning(text) for text in case.texts))
    answers = differences(*(_answer(text) for text in case.texts))
    return {
        "id": sample.id,
        "category": _category(sample),
        "outcome": case.outcome,
        "size_wh": sample.size_wh,
        "truth": [{"xyxy": region.box.xyxy, "label": region.label} for region in sample.regions],
        "query": _picture(pair.image, thumbnails),
        "reference": _picture(pair.references[0], thumbnails) if pair.references else None,
        "texts": [
            {
                "there": text is not None,
                "verified": text is not None and text.verified,
                "failed": _failed(text),
                "think": think,
                "answer": answer,
                "cut": len(_WORD.findall(_reasoning(text))) > _LONGEST,
                "wrong": [] if text is None or text.checks.get("iou") else list(_boxes(text, sample)),
            }
            for text, think, answer in zip(case.texts, thinks, answers, strict=True)
        ],
    }


def _reasoning(text: Reasoning | None) -> str:
    """The reasoning of a text; all of it when it is not divided."""
    return "" if text is None else _printable(text.think if text.answer else text.text)


def _answer(text: Reasoning | None) -> str:
    return "" if text is None else _printable(text.answer)


def _boxes(text: Reasoning, sample: Sample) -> Iterator[tuple[float, float, float, float]]:
    """The boxes that a text names, in pixels of the image."""
    for instance in parse(text.text).instances:
        yield rescale(instance.box, text.view_wh, sample.size_wh).xyxy


def _picture(path: Path, thumbnails: Thumbnails) -> Mapping[str, str | None]:
    """A picture that cannot be read must not cost the page."""
    try:
        return {"file": _printable(path.name), "key": thumbnails.add(path)}
    except DataError:
        return {"file": _printable(path.name), "key": None}


def _printable(text: str) -> str:
    """Models and file names have lone surrogates, which no file can hold."""
    return text.encode("utf-8", "replace").decode()
