"""MMAD's metric: the share of right choices by type of question and dataset, and how it is averaged.

By MMAD's definition (`evaluation/examples/helper/summary.py` of github.com/jam-cc/MMAD):

- a cell is the share of right choices among all questions of one type in one dataset, over its categories;
- "Object Structure" and "Object Details" are one type, "Object Analysis";
- "Anomaly Detection" is the mean of the shares on normal and on anomalous images; an image is normal when
  "good" is in its path. What the two shares lack of 1 is called overkill and miss;
- the average of a row is the mean over types; the row "Average" is the mean over datasets of each column.

Otherwise than there: a question without a readable choice is wrong, as everywhere in mmrad. MMAD's scripts
take the last capital letter A to E that stands alone in the text, then the option that is spelled most like
it; what has no letter even so (a failed request) is left out of its totals. And where there is nothing to
count, a figure is undefined and left out of means instead of being 0; in MMAD as published no cell is empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mmrad.bench.mmad.questions import Question

DETECTION = "Anomaly Detection"
AVERAGE = "Average"

_MERGED = {"Object Structure": "Object Analysis", "Object Details": "Object Analysis"}


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of a dataset, a category, or their average; None where undefined.

    Attributes:
        name: The dataset, the category, or `Average`.
        accuracy: By type, in order of first occurrence; in [0, 1].
        average: Mean over types.
        overkill: Share of the normal images not said to be normal.
        miss: Share of the anomalous images not said to be anomalous.
        questions: How many.
        unanswered: How many of them have no choice, by status.
    """

    name: str
    accuracy: dict[str, float | None]
    average: float | None
    overkill: float | None
    miss: float | None
    questions: int
    unanswered: dict[str, int]


def mmad_rows(
    judged: Sequence[tuple[Question, str | None, str]], *, by: Callable[[Question], str] | None = None
) -> list[Row]:
    """A row for each dataset in order of first occurrence, and their average last.

    Args:
        judged: Questions with the letter that was chosen, or None, and the status of the answer.
        by: What makes a row, such as the category; by default the dataset.
    """
    types = list(dict.fromkeys(_type(question) for question, _, _ in judged))
    members: dict[str, list[tuple[Question, str | None, str]]] = {}
    for one in judged:
        members.setdefault(by(one[0]) if by else one[0].dataset, []).append(one)
    rows = [_row(name, own, types) for name, own in members.items()]
    unanswered: Counter[str] = Counter()
    for row in rows:
        unanswered.update(row.unanswered)
    average = Row(
        AVERAGE,
        {kind: _mean(row.accuracy[kind] for row in rows) for kind in types},
        _mean(row.average for row in rows),
        _mean(row.overkill for row in rows),
        _mean(row.miss for row in rows),
        sum(row.questions for row in rows),
        dict(sorted(unanswered.items())),
    )
    return [*rows, average]


def _row(name: str, judged: Sequence[tuple[Question, str | None, str]], types: Sequence[str]) -> Row:
    detection = [one for one in judged if _type(one[0]) == DETECTION]
    normal = _share(one for one in detection if one[0].normal)
    anomalous = _share(one for one in detection if not one[0].normal)
    accuracy = {kind: _share(one for one in judged if _type(one[0]) == kind) for kind in types}
    if DETECTION in accuracy:
        accuracy[DETECTION] = _mean([normal, anomalous])
    return Row(
        name,
        accuracy,
        _mean(accuracy.values()),
        None if normal is None else 1 - normal,
        None if anomalous is None else 1 - anomalous,
        len(judged),
        dict(sorted(Counter(status for _, letter, status in judged if letter is None).items())),
    )


def _type(question: Question) -> str:
    return _MERGED.get(question.type, question.type)


def _share(judged: Iterable[tuple[Question, str | None, str]]) -> float | None:
    """Of right choices; None without questions."""
    return _mean(float(letter == question.answer) for question, letter, _ in judged)


def _mean(values: Iterable[float | None]) -> float | None:
    """Mean of what is defined; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
