"""The answer grammar: render and parse think-then-answer texts.

    <think>…</think><answer>Yes. {'bbox_2d': [x1, y1, x2, y2], 'label': '…'}, {…}</answer>
    <think>…</think><answer>No.</answer>

Parsing never raises and never guesses: what cannot be read is `unparsed`, what was cut is `truncated`, and
neither is ever "normal". Coordinates stay in the space the model wrote them in; the caller converts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from mmrad.box import Box

AnswerStatus = Literal["ok", "unparsed", "truncated", "empty"]


@dataclass(frozen=True, slots=True)
class Instance:
    """One `{'bbox_2d': …, 'label': …}` of an answer, in the coordinate space of the text."""

    box: Box
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A parsed text.

    Attributes:
        status: `ok`, or why there is no judgement.
        anomalous: The judgement; None unless `ok`.
        instances: The places named, in the coordinate space of the text.
        think: The reasoning, without its tags.
        detail: What was wrong or repaired, in words.
    """

    status: AnswerStatus
    anomalous: bool | None = None
    instances: tuple[Instance, ...] = ()
    think: str = ""
    detail: str = ""


_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_FOUR = re.compile(rf"[\[(]\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*,\s*({_NUMBER})\s*[\])]")
_BOX_KEY = re.compile(r"['\"‘’“”]?\bb?box(?:[ _]?2d)?['\"‘’“”]?\s*:", re.IGNORECASE)
_LABEL = re.compile(
    r"label['\"‘’“”]?\s*:\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\"|[‘“]([^’”]*)[’”])", re.IGNORECASE
)
_VERDICT = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
_LEADING = re.compile(r"[\s*_`'\"#>:\-]*(?:json|python)?[\s*_`'\"]*(yes|no)\b", re.IGNORECASE)
_STRICT_INSTANCE = (
    rf"\{{'bbox_2d': \[{_NUMBER}, {_NUMBER}, {_NUMBER}, {_NUMBER}\], 'label': '(?:\\.|[^'\\{{}}])*'\}}"
)
_STRICT = re.compile(
    rf"\s*(?:<think>(?:(?!</?think>|</?answer>).)*</think>\s*)?"
    rf"<answer>\s*(?:No\.|Yes\. {_STRICT_INSTANCE}(?:, {_STRICT_INSTANCE})*)\s*</answer>\s*",
    re.DOTALL,
)


def render_answer(instances: Sequence[Instance]) -> str:
    """The text between the answer tags; coordinates are rounded to whole pixels.

    Args:
        instances: The anomalous places; none means "No.".
    """
    if not instances:
        return "No."
    return "Yes. " + ", ".join(
        f"{{'bbox_2d': {list(instance.box.rounded())}, 'label': '{_clean(instance.label)}'}}"
        for instance in instances
    )


def render(think: str | None, instances: Sequence[Instance]) -> str:
    """A whole text; `think=None` leaves the reasoning part out (the ablation without reasoning)."""
    reasoning = "" if think is None else f"<think>{think}</think>"
    return f"{reasoning}<answer>{render_answer(instances)}</answer>"


def parse(text: str, *, strict: bool = False) -> Answer:
    """Read a think-then-answer text.

    Tolerated: code fences, JSON or Python quotes, lists, missing tags, reversed corners, text around the
    verdict, boxes without a label. A box without area is dropped and said so in `detail`.

    Args:
        text: Any string.
        strict: Accept only the exact grammar, as a trainer's format check wants.

    Returns:
        The answer; never raises.
    """
    if not text.strip():
        return Answer("empty", detail="the text is empty")
    if strict and not _STRICT.fullmatch(text):
        return Answer("unparsed", think=_split(text)[0], detail="not the exact answer format")
    think, answer, tagged, cut = _split(text)
    if answer is None:
        return Answer("truncated", think=think, detail="the text ends inside the reasoning")
    return _judge(think, answer, tagged=tagged, cut=cut)


def _split(text: str) -> tuple[str, str | None, bool, bool]:
    """Reasoning, answer (None when the text ends before it), whether it was tagged, whether its tag is open."""
    head, opened, tail = text.rpartition("<answer>")
    if opened:
        body, closed, _ = tail.partition("</answer>")
        return _strip_think(head), body, True, not closed
    head, ended, tail = text.rpartition("</think>")
    if ended:
        return _strip_think(head), tail.replace("</answer>", ""), False, not tail.strip()
    if "<think>" in text:
        return _strip_think(text), None, False, True
    return "", text.replace("</answer>", ""), False, False


def _strip_think(text: str) -> str:
    return text.replace("<think>", "").replace("</think>", "").strip()


def _judge(think: str, answer: str, *, tagged: bool, cut: bool) -> Answer:
    instances, dropped, open_object = _instances(answer)
    if open_object or (cut and not answer.strip()):
        return Answer("truncated", think=think, detail="the text ends inside the answer")
    verdict = _verdict(answer, tagged=tagged)
    if verdict is None and instances and not _VERDICT.search(answer.partition("{")[0]):
        verdict = True  # a bare list of boxes is a "Yes"; a bare empty list says nothing
    if verdict is None:
        return Answer("unparsed", think=think, detail="neither Yes nor No can be read")
    if not verdict and (instances or dropped):
        return Answer("unparsed", think=think, detail="says No and gives boxes")
    detail = f"dropped {dropped} box(es) without area" if dropped else ""
    return Answer("ok", verdict, instances, think, detail)


def _verdict(answer: str, *, tagged: bool) -> bool | None:
    outside = re.sub(r"\{[^{}]*\}", " ", answer)  # labels may contain "no"
    leading = _LEADING.match(outside)
    words = {word.lower() for word in _VERDICT.findall(outside)}
    if leading and not (tagged and len(words) == 2):
        return leading.group(1).lower() == "yes"
    return words == {"yes"} if tagged and len(words) == 1 else None


def _instances(answer: str) -> tuple[tuple[Instance, ...], int, bool]:
    """The places named, how many boxes had no area, and whether the last object is cut."""
    found: list[Instance] = []
    dropped = 0
    objects = answer.split("{")[1:]
    for chunk in objects:
        key = _BOX_KEY.search(chunk)
        if key is None:
            continue
        label = _label(chunk)
        for numbers in _FOUR.findall(chunk, key.end()):
            box = _box(numbers)
            if box is None:
                dropped += 1
            else:
                found.append(Instance(box, label))
    return tuple(found), dropped, bool(objects) and "}" not in objects[-1]


def _box(numbers: Sequence[str]) -> Box | None:
    a1, b1, a2, b2 = (float(number) for number in numbers)
    if not all(math.isfinite(value) for value in (a1, b1, a2, b2)) or a1 == a2 or b1 == b2:
        return None
    return Box(min(a1, a2), min(b1, b2), max(a1, a2), max(b1, b2))


def _label(chunk: str) -> str:
    matched = _LABEL.search(chunk)
    if matched is None:
        return ""
    text = next(group for group in matched.groups() if group is not None)
    return re.sub(r"\\(.)", r"\1", text)


def _clean(label: str) -> str:
    """One line, without the braces that delimit objects, quotes escaped."""
    line = " ".join(label.split()).replace("{", "(").replace("}", ")")
    return line.replace("\\", "\\\\").replace("'", "\\'")
