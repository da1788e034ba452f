"""Verification of teacher texts, after the paper's Appendix C.

The paper had people compare reasoning and answer; here the boxes named in the reasoning must be those of the
answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mmrad.answer import Instance, parse
from mmrad.box import Box, iou_matrix

MIN_IOU = 0.9
"""A predicted and a true place are one only above this IoU."""

MIN_SIMILARITY = 0.6
"""Their labels mean the same only above this similarity."""

CHECKS = ("parses", "verdict", "count", "iou", "label", "box_in_think")

Similarity = Callable[[str, str], float]
"""How alike two labels are, at most 1."""

_NUMBER = r"(-?\d++(?:\.\d++)?+)"
_BOX = re.compile(rf"[\[(]\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+[\])]")


def verify(text: str, truth: Sequence[Instance], similarity: Similarity) -> dict[str, bool]:
    """Check a text against the truth.

    Truth is compared in whole pixels, as it is told to teachers and written in answers: unrounded, a box of a
    few pixels could be missed by the very text that repeats it.

    Args:
        text: A think-then-answer text.
        truth: The true places, in pixels of the view the text was written for; none for a normal query.
        similarity: Compares labels.

    Returns:
        The outcome of each of `CHECKS`: `parses`; `verdict` (Yes or No is right); `count` (as many places as
        there are); `iou` (each place is one true place, one to one); `label` (the same, with labels that
        match); `box_in_think` (the reasoning names the boxes of the answer and no other).
    """
    answer = parse(text)
    if answer.status != "ok":
        return dict.fromkeys(CHECKS, False)
    places = [Instance(Box(*place.box.rounded()), place.label) for place in truth]
    count = len(answer.instances) == len(places)
    near = iou_matrix([i.box for i in answer.instances], [place.box for place in places]) > MIN_IOU
    iou = count and _one_to_one(near)
    return {
        "parses": True,
        "verdict": answer.anomalous == bool(places),
        "count": count,
        "iou": iou,
        "label": iou and _one_to_one(near & _alike(answer.instances, places, near, similarity)),
        "box_in_think": _boxes_in(answer.think) == {instance.box.rounded() for instance in answer.instances},
    }


def passed(checks: Mapping[str, bool]) -> bool:
    """Whether a text passed all checks; a missing check is not passed."""
    return all(checks.get(name, False) for name in CHECKS)


def _alike(
    found: Sequence[Instance], true: Sequence[Instance], near: NDArray[np.bool_], similarity: Similarity
) -> NDArray[np.bool_]:
    """Where labels match, shape `(N, M)`; only asked of places that are near."""
    alike = np.zeros_like(near)
    for row, column in np.argwhere(near):
        alike[row, column] = similarity(found[row].label, true[column].label) > MIN_SIMILARITY
    return alike


def _one_to_one(allowed: NDArray[np.bool_]) -> bool:
    """Whether all rows can be paired with all columns of a square table."""
    rows, columns = linear_sum_assignment(allowed, maximize=True)
    return bool(allowed[rows, columns].all())


def _boxes_in(think: str) -> set[tuple[int, int, int, int]]:
    found = set()
    for match in _BOX.finditer(think):
        x1, y1, x2, y2 = (round(float(number)) for number in match.groups())
        found.add((min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)))
    return found
