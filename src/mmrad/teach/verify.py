"""Verification of teacher texts: the paper's Appendix C, and what its annotators looked for.

Appendix C compares the places of the answer with the truth. People then removed texts whose reasoning
and answer disagree; here the boxes named in the reasoning must be those of the answer, and its verdict the
answer's. The further checks keep out what a model trained on the texts must not learn: hints that it will not
get, other languages, and loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmrad.answer import Answer, Instance, parse
from mmrad.box import Box, iou_matrix
from mmrad.reasoning import boxes_in, concludes, stems, words
from mmrad.teach.leaks import find_leaks
from mmrad.teach.prose import is_english, repeats

CHECKS = (
    "parses",
    "verdict",
    "count",
    "iou",
    "label",
    "box_in_think",
    "verdict_in_think",
    "hint_leak",
    "language",
    "length",
    "repetition",
)

Similarity = Callable[[str, str], float]
"""How alike two labels are, at most 1."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where checks draw the line; the `[verification]` table of a recipe.

    Attributes:
        min_iou: A predicted and a true place are one only above this IoU (Appendix C).
        min_similarity: Their labels mean the same only above this similarity (Appendix C).
        min_words: Least number of words of the reasoning.
        max_words: Largest number.
        max_repeats: How often a passage may stand in the reasoning, not counting once for each true place.
        min_english: Least share of common English words among its words; 0 allows any language.
        max_foreign_letters: Largest share of letters of other scripts than Latin; 1 allows any script.
        leak_phrases: Phrases that betray a hint, beside the known ones.
    """

    min_iou: float = 0.9
    min_similarity: float = 0.6
    min_words: int = 5
    max_words: int = 1000
    max_repeats: int = 3
    min_english: float = 0.2
    max_foreign_letters: float = 0.05
    leak_phrases: tuple[str, ...] = ()

    __pydantic_config__: ClassVar = {"extra": "forbid"}  # a misspelt threshold must not pass for the default

    def __post_init__(self) -> None:
        shares = (self.min_iou, self.min_similarity, self.min_english, self.max_foreign_letters)
        if not all(0 <= share <= 1 for share in shares):
            raise ValueError("thresholds of IoU, similarity and languages lie between 0 and 1")
        if not 0 <= self.min_words <= self.max_words or self.max_repeats < 1:
            raise ValueError("needs 0 <= min_words <= max_words and max_repeats >= 1")


def verify(
    text: str,
    truth: Sequence[Instance],
    similarity: Similarity,
    limits: Limits = Limits(),
    *,
    category: str = "",
) -> dict[str, bool]:
    """Check a text against the truth; never raises, whatever the text.

    Truth is compared in whole pixels, as it is told to teachers and written in answers: unrounded, a box of a
    few pixels could be missed by the very text that repeats it.

    Args:
        text: A think-then-answer text.
        truth: The true places, in pixels of the view the text was written for; none for a normal query.
        similarity: Compares labels.
        limits: Thresholds.
        category: The product's category; words of it and of the true labels betray no hint and may be of any
            language.

    Returns:
        The outcome of each of `CHECKS`: `parses`; `verdict` (Yes or No is right); `count` (as many places as
        there are); `iou` (each place is one true place, one to one); `label` (the same, with labels that
        match); `box_in_think` (the reasoning names the boxes of the answer and no other); `verdict_in_think`
        (it does not clearly end with the opposite verdict); `hint_leak` (nothing tells of a hint); `language`
        (it is English); `length`; `repetition` (nothing is said again and again). A text that does not parse
        passes none.
    """
    answer = parse(text)
    if answer.status != "ok":
        return dict.fromkeys(CHECKS, False)
    own = stems([category, *(place.label for place in truth)])
    named = stems([instance.label for instance in answer.instances])
    concluded = concludes(answer.think, category, named)
    return {
        "parses": True,
        **_place_checks(answer, truth, similarity, limits),
        "box_in_think": {tuple(map(round, box)) for box in boxes_in(answer.think)}
        == {instance.box.rounded() for instance in answer.instances},
        "verdict_in_think": concluded in (None, answer.anomalous),
        "hint_leak": not find_leaks(text, own, limits.leak_phrases),
        "language": is_english(answer.think, own, limits.min_english, limits.max_foreign_letters),
        "length": limits.min_words <= len(words(answer.think)) <= limits.max_words,
        "repetition": repeats(answer.think) <= limits.max_repeats + len(truth),
    }


def passed(checks: Mapping[str, bool]) -> bool:
    """Whether a text passed all checks; a missing check, as in records of earlier versions, is not passed."""
    return all(checks.get(name, False) for name in CHECKS)


def quality(text: str, truth: Sequence[Instance]) -> float:
    """Which of several texts is the better one: the mean over true places of the best IoU, in [0, 1].

    Args:
        text: A think-then-answer text.
        truth: The true places in its pixels; without any, 1 for a text that names none.
    """
    found = parse(text).instances
    if not truth or not found:
        return float(bool(found) == bool(truth))
    overlaps = iou_matrix([place.box for place in truth], [place.box for place in found])
    return float(np.mean(overlaps.max(axis=1)))


def advice(
    text: str,
    checks: Mapping[str, bool],
    truth: Sequence[Instance],
    limits: Limits = Limits(),
    *,
    category: str = "",
) -> str:
    """What is wrong with a text that failed, in words for whoever mends it.

    Args:
        text: The text.
        checks: The outcome of its checks.
        truth: The true places, as for `verify`.
        limits: As for `verify`.
        category: As for `verify`.

    Returns:
        A sentence or two for each failed check; empty when none failed.
    """
    if passed(checks):
        return ""
    answer = parse(text)
    if answer.status != "ok":
        return (
            f"The text cannot be read: {answer.detail}. Write <think>reasoning</think><answer>Yes or No; "
            "after Yes every place as {'bbox_2d': [x1, y1, x2, y2], 'label': '...'}</answer>."
        )
    return " ".join(_reasons(text, answer, checks, truth, limits, category))


def feedback(
    text: str,
    checks: Mapping[str, bool],
    truth: Sequence[Instance],
    limits: Limits = Limits(),
    *,
    category: str = "",
) -> str:
    """What a teacher is told about a text that failed, so that the next one is better: see `advice`."""
    told = advice(text, checks, truth, limits, category=category)
    again = "Write the whole text again, as if it were the first, and do not speak of this correction."
    return f"{told} {again}" if told else ""


def _place_checks(
    answer: Answer, truth: Sequence[Instance], similarity: Similarity, limits: Limits
) -> dict[str, bool]:
    places, found = _in_whole_pixels(truth), answer.instances
    count = len(found) == len(places)
    near = iou_matrix([i.box for i in found], [place.box for place in places]) > limits.min_iou
    iou = count and _one_to_one(near)
    alike = _alike(found, places, near, similarity, limits.min_similarity) if iou else near
    return {
        "verdict": answer.anomalous == bool(places),
        "count": count,
        "iou": iou,
        "label": iou and _one_to_one(near & alike),
    }


def _in_whole_pixels(truth: Sequence[Instance]) -> list[Instance]:
    return [Instance(Box(*place.box.rounded()), place.label) for place in truth]


def _alike(
    found: Sequence[Instance],
    true: Sequence[Instance],
    near: NDArray[np.bool_],
    similarity: Similarity,
    threshold: float,
) -> NDArray[np.bool_]:
    """Where labels match, shape `(N, M)`; only asked of places that are near."""
    alike = np.zeros_like(near)
    for row, column in np.argwhere(near):
        # Models do write lone surrogates, which tokenizers refuse.
        label = found[row].label.encode("utf-8", "replace").decode()
        alike[row, column] = similarity(label, true[column].label) > threshold
    return alike


def _one_to_one(allowed: NDArray[np.bool_]) -> bool:
    """Whether all rows can be paired with all columns of a square table."""
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    return bool(allowed[rows, columns].all())


def _reasons(
    text: str,
    answer: Answer,
    checks: Mapping[str, bool],
    truth: Sequence[Instance],
    limits: Limits,
    category: str,
) -> Iterator[str]:
    """What was wrong with a text that parses; of checks on places, only the first that failed."""
    failed = {name for name in CHECKS if not checks.get(name, False)}
    said, opposite = ("Yes", "No") if answer.anomalous else ("No", "Yes")
    for name in ("verdict", "count", "iou", "label"):
        if name in failed:
            yield _about_places(name, answer, truth, limits)
            break
    if "box_in_think" in failed:
        yield (
            f"The reasoning must name the boxes of the answer, {_boxes(answer.instances)}, in the form "
            "[x1, y1, x2, y2], and no other box."
            if answer.instances
            else "The reasoning names a box although the answer is No."
        )
    if "verdict_in_think" in failed:
        yield f"The reasoning ends as if the answer were {opposite}, but it is {said}: make them agree."
    if "hint_leak" in failed:
        own = stems([category, *(place.label for place in truth)])
        leaks = ", ".join(f'"{leak}"' for leak in find_leaks(text, own, limits.leak_phrases)[:3])
        yield (
            f"The text sounds as if you had been told the result{f' ({leaks})' if leaks else ''}: leave such "
            "words out and describe only what can be seen on the product."
        )
    if "language" in failed:
        yield "Write the reasoning in English."
    if "length" in failed:
        count = len(words(answer.think))
        yield f"The reasoning has {count} words; write {limits.min_words} to {limits.max_words}."
    if "repetition" in failed:
        yield "The reasoning says the same again and again: say each thing once."


def _about_places(name: str, answer: Answer, truth: Sequence[Instance], limits: Limits) -> str:
    """What is wrong with the places of an answer, told by the first check that failed."""
    places, found = _in_whole_pixels(truth), answer.instances
    if name == "verdict":
        kind = "anomalous" if places else "normal"
        return f"The answer says {'Yes' if answer.anomalous else 'No'}, but the product is {kind}."
    if name == "count":
        there = f"there is {len(places)}" if len(places) == 1 else f"there are {len(places)}"
        return f"The answer has {len(found)} place{'' if len(found) == 1 else 's'}, {there}."
    near = iou_matrix([i.box for i in found], [place.box for place in places]) > limits.min_iou
    if name == "iou":
        wrong = [instance for instance, row in zip(found, near, strict=True) if not row.any()]
        missed = [place for place, column in zip(places, near.T, strict=True) if not column.any()]
        told = f"No true place is at {_boxes(wrong)}. " if wrong else ""
        return f"{told}The answer lacks {_boxes(missed)}." if missed else f"{told}Each place counts once."
    pairs = [(found[row], places[column]) for row, column in np.argwhere(near)]
    wrong_labels = [
        f"the anomaly at {list(true.box.rounded())} is '{true.label}', not '{given.label}'"
        for given, true in pairs
        if given.label.casefold() != true.label.casefold()
    ]
    return f"Labels are wrong: {'; '.join(wrong_labels)}."


def _boxes(instances: Sequence[Instance]) -> str:
    return " and ".join(str(list(instance.box.rounded())) for instance in instances)
