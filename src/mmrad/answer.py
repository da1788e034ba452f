"""The answer grammar: render and parse think-then-answer texts.

    <think>…</think><answer>Yes. {'bbox_2d': [x1, y1, x2, y2], 'label': '…'}, {…}</answer>
    <think>…</think><answer>No.</answer>

After the answer a text may say how sure it is that the product is anomalous: `<confidence>85</confidence>`.

Parsing never raises and never guesses: what cannot be read is `unparsed`, what was cut is `truncated`, and
neither is ever "normal". Coordinates stay in the space the model wrote them in; the caller converts.
Every step is linear in the length of the text: a model stuck in a loop writes 100 kB of brackets.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
        confidence: How sure the text says it is of an anomaly, in [0, 1]; None where it does not clearly say.
    """

    status: AnswerStatus
    anomalous: bool | None = None
    instances: tuple[Instance, ...] = ()
    think: str = ""
    detail: str = ""
    confidence: float | None = None


_LARGEST, _SMALLEST_SIDE = 1e7, 1e-6
"""Beyond these, numbers are no place in any image and could over- or underflow when rescaled."""

_TAG = re.compile(r"(</?(?:think|answer)>)", re.IGNORECASE)
_CUT_TAG = re.compile(r"</?[a-z]{0,6}$", re.IGNORECASE)
# Possessive quantifiers (`++`) keep a long run of digits or quotes from being tried at every split.
_NUMBER = r"([-+]?(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][-+]?\d++)?+)"
_FOUR = re.compile(rf"[\[(<]\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+,\s*+{_NUMBER}\s*+[\])>]")
_QUOTE = "['\"‘’“”]"
_MARK = re.compile(
    r"(?P<brace>[{}])"
    rf"|(?P<box>{_QUOTE}?\b(?:b|bounding[ _]?)?box(?:es)?(?:[ _]?2d)?{_QUOTE}?\s*+:)"
    rf"|{_QUOTE}\w{{1,40}}{_QUOTE}\s*+:",
    re.IGNORECASE,
)
"""What structures an answer: braces, keys of boxes, and other keys."""

_LABEL = re.compile(
    rf"\blabel{_QUOTE}?\s*+:\s*+(?:(['‘’])|([\"“”])|([^\s,}}\]{{][^,}}\]{{\n]*+))",
    re.IGNORECASE,
)
# A quote inside a label ("worker's") is followed by no delimiter. Texts from a word processor may open
# with a straight quote and close with a curly one: believed only where the object clearly goes on or ends.
_LABEL_END = {
    kind: re.compile(
        rf"\\.|(?P<quote>{straight}(?=\s*+[,}}\]])|{curly}(?=\s*+(?:\}}|,\s*+{_QUOTE}b?box)))"
        r"|(?P<lost>\}\s*+(?:,\s*+)?+\{)",
        re.DOTALL,
    )
    for kind, straight, curly in (("single", "'", "[‘’]"), ("double", '"', "[“”]"))
}
_BOX_TAG = re.compile(r"(?P<open><box>|<\|begin_of_box\|>)|</box>|<\|end_of_box\|>", re.IGNORECASE)
"""InternVL's tags around boxes, and GLM's around boxes or the whole answer."""

_REF = re.compile(r"<ref>([^<>]*+)</ref>", re.IGNORECASE)
_CONFIDENCE = re.compile(r"<confidence>(?:([^<>]*+)</confidence>)?+", re.IGNORECASE)
_PERCENT = re.compile(rf"\s*+{_NUMBER}\s*+%?+\s*+")
_THOUGHT = re.compile("</think>", re.IGNORECASE)
# What an object says ("no coating") is no judgement, and tags are no words.
_NO_VERDICT = re.compile(rf"\{{[^{{}}]*+\}}|{_CONFIDENCE.pattern}|{_BOX_TAG.pattern}", re.IGNORECASE)
_ANOMALY = (
    r"(?:(?:visible|obvious|apparent|clear|significant|noticeable|detectable|signs?\s+of|evidence\s+of|any)\s+)*+"
    r"(?:anomal|defect|flaw|fault|issue|problem|abnormal|irregular|damage)"
)
# "no" is a judgement alone or before a word for anomaly; "no screw" and "no other defects" are not.
_WORD = re.compile(
    rf"\b(?:(yes)|no)\b(?(1)|(?=[ \t]*+(?:[.,;:!?)\]}}\['\"’”`*_</\r\n]|[-–—]\s|\Z)|\s+{_ANOMALY}))",
    re.IGNORECASE,
)
_STATED = re.compile(
    r"\A\W*+(?:(?:json|python|text)\b\W*+)?+(?:yes|no)\b"
    r"|\b(?:answer|verdict|judge?ment)(?:\s+is)?\W{0,6}(?:yes|no)\b",
    re.IGNORECASE,
)
_STATED_BY_KEY = re.compile(
    rf"{_QUOTE}(?:answer|verdict|judge?ment|anomal(?:y|ous)|defect(?:ive)?){_QUOTE}\s*+:\s*+"
    rf"{_QUOTE}(?:(yes)|no)\.?{_QUOTE}",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"\b(?:but|except|however|although|apart|sorry)\b"
    r"|\b(?:can(?:no|['’])t|unable\s+to|won['’]t)\s+(?:assist|help|comply|determine|tell|judge|analy[sz]e)",
    re.IGNORECASE,
)


def render_answer(instances: Sequence[Instance]) -> str:
    """The text between the answer tags; coordinates are rounded to whole pixels.

    Args:
        instances: The anomalous places; none means "No.".
    """
    if not instances:
        return "No."
    return "Yes. " + ", ".join(
        f"{{'bbox_2d': {list(instance.box.rounded())}, 'label': '{one_line(instance.label)}'}}"
        for instance in instances
    )


def render(think: str | None, instances: Sequence[Instance]) -> str:
    """A whole text; `think=None` leaves the reasoning part out (the ablation without reasoning)."""
    reasoning = "" if think is None else f"<think>{_without_tags(think)}</think>"
    return f"{reasoning}<answer>{render_answer(instances)}</answer>"


def parse(text: str, *, strict: bool = False) -> Answer:
    """Read a think-then-answer text.

    Tolerated: code fences, JSON or Python quotes, lists, missing tags, reversed corners, text around the
    verdict, boxes without a label or a key, the tags around boxes of InternVL and GLM. A box without area is
    dropped and said so in `detail`, as is a confidence that cannot be read. Several answers must agree, the
    last one counts.

    Args:
        text: Any string.
        strict: Accept only what `render` writes, space around tags aside, as a trainer's format check wants.

    Returns:
        The answer; never raises.
    """
    if not text.strip():
        return Answer("empty", detail="the text is empty")
    think, blocks, tagged = _split(text)
    if not blocks:
        return Answer("truncated", think=think, detail="the text ends before the answer")
    answers = [_judge(block, tagged=tagged) for block in blocks]
    answer = replace(answers[-1], think=think)
    if len({found.anomalous for found in answers} - {None}) > 1:
        return Answer("unparsed", think=think, detail="gives several answers that contradict each other")
    if strict and not _is_rendered(text, answer):
        return Answer("unparsed", think=think, detail="not the exact answer format")
    return _with_confidence(answer, text) if answer.status == "ok" else answer


def _is_rendered(text: str, answer: Answer) -> bool:
    pieces = [piece.strip() for piece in _TAG.split(text)]
    return "".join(pieces) == render(answer.think if "<think>" in pieces else None, answer.instances)


def _split(text: str) -> tuple[str, list[str], bool]:
    """Reasoning, texts of the answers (none when the text ends before them), and whether they were tagged."""
    pieces = _TAG.split(_CUT_TAG.sub("", text))
    tags = [tag.lower() for tag in pieces[1::2]]
    texts = pieces[0::2]
    ended = max((i + 1 for i, tag in enumerate(tags) if tag == "</think>"), default=0)
    whole = tags[-1:] == ["</answer>"] and not _CONFIDENCE.sub("", texts[-1]).strip()
    if "<think>" in tags[ended:] and not whole:
        return "".join(texts).strip(), [], False  # an answer quoted in open reasoning is none
    starts = [i + 1 for i in range(ended, len(tags)) if tags[i] == "<answer>"]
    first = starts[0] if starts else ended
    bodies = [texts[i] for i in starts] if starts else ["".join(texts[ended:])]
    closed = [""] if "</answer>" in tags[first:] else []
    return "".join(texts[:first]).strip(), [body for body in bodies if body.strip()] or closed, bool(starts)


def _without_tags(text: str) -> str:
    while _TAG.search(text):  # removing one tag may put another together
        text = _TAG.sub("", text)
    return text


def _judge(answer: str, *, tagged: bool) -> Answer:
    places = _places(answer)
    masked = places.masked
    if any(masked.rfind(start) > masked.rfind(end) for start, end in (("{", "}"), ("<box>", "</box>"))):
        return Answer("truncated", detail="the text ends inside the answer")
    outside = _NO_VERDICT.sub(" ", masked)
    keyed = {match[1] is not None for match in _STATED_BY_KEY.finditer(masked)}
    words = keyed | {match[1] is not None for match in _WORD.finditer(outside)}
    if len(words) == 2:
        return Answer("unparsed", detail="says both Yes and No")
    stated = tagged or bool(keyed) or _STATED.search(outside) is not None
    verdict = words.pop() if words and stated else None
    if verdict is None and not words and places.keyed and places.instances:
        verdict = True  # a bare list of boxes is a "Yes"; a bare empty list says nothing
    if verdict is None or (verdict is False and _RESERVED.search(outside)):
        return Answer("unparsed", detail="neither Yes nor No can be read")
    if not verdict and (places.instances or places.dropped):
        return Answer("unparsed", detail="says No and gives boxes")
    detail = f"dropped {places.dropped} box(es) without area" if places.dropped else ""
    return Answer("ok", verdict, places.instances, detail=detail)


def _with_confidence(answer: Answer, text: str) -> Answer:
    """The answer with the confidence that the text gives outside of its reasoning and its labels."""
    if not _CONFIDENCE.search(text):
        return answer
    after = _THOUGHT.split(text)[-1]
    given = {_share(match[1] or "") for match in _CONFIDENCE.finditer(_blank(after, list(_labels(after))))}
    if not given:
        return answer
    if len(given) == 1 and (value := next(iter(given))) is not None:
        return replace(answer, confidence=value)
    trouble = (
        "confidences that contradict each other" if len(given) > 1 else "no clear confidence from 0 to 100"
    )
    return replace(answer, detail="; ".join(filter(None, [answer.detail, f"gives {trouble}"])))


def _share(percent: str) -> float | None:
    """A number from 0 to 100 as a share; 0.9 may be meant as of 1 or of 100, and is not guessed."""
    match = _PERCENT.fullmatch(percent)
    value = float(match[1]) if match else -1.0
    ambiguous = "." in percent and 0 < value <= 1
    return value / 100 if 0 <= value <= 100 and not ambiguous else None


@dataclass(frozen=True, slots=True)
class _Places:
    instances: tuple[Instance, ...]
    dropped: int
    keyed: bool
    masked: str


def _places(answer: str) -> _Places:
    """The places named; `masked` is the answer with its labels blanked, of the same length."""
    labels = list(_labels(answer))
    masked = _blank(answer, labels)
    names = [(match.start(1), match.end(1), match[1].strip()) for match in _REF.finditer(masked)]
    masked = _blank(masked, names)
    labels = sorted(labels + names)
    keyed = list(_keyed_boxes(masked))
    found = keyed or list(_tagged_boxes(masked)) or list(_bare_boxes(masked))
    starts = [start for start, _, _ in labels]
    instances: list[Instance] = []
    for numbers, position, (low, high) in found:
        if box := _box(numbers):
            instances.append(Instance(box, _label_at(labels, starts, position, low, high)))
    return _Places(tuple(instances), len(found) - len(instances), bool(keyed), masked)


_Found = tuple[Sequence[str], int, tuple[int, int]]


def _keyed_boxes(masked: str) -> Iterator[_Found]:
    """Four numbers after a key such as `bbox_2d`, where the key stands, and the extent of its object."""
    marks = list(_MARK.finditer(masked))
    ends = [len(masked)] * (len(marks) + 1)  # where the next brace stands, counted from each mark
    for i in reversed(range(len(marks))):
        ends[i] = marks[i].start() if marks[i]["brace"] else ends[i + 1]
    low = 0
    for i, mark in enumerate(marks):
        if mark["brace"]:
            low = mark.end()
        elif mark["box"]:
            following = marks[i + 1].start() if i + 1 < len(marks) else len(masked)
            for match in _FOUR.finditer(masked, mark.end(), following):
                yield match.groups(), mark.start(), (low, ends[i])


def _tagged_boxes(masked: str) -> Iterator[_Found]:
    """Four numbers between tags, where they stand, and the extent of their name: back to the tags before."""
    low = high = 0
    opened: int | None = None
    for tag in _BOX_TAG.finditer(masked):
        if tag["open"]:
            high, opened = tag.start(), tag.end()
        elif opened is not None:
            for match in _FOUR.finditer(masked, opened, tag.start()):
                yield match.groups(), match.start(), (low, high)
            low, opened = tag.end(), None


def _bare_boxes(masked: str) -> Iterator[_Found]:
    """Four numbers in square brackets anywhere; any label of the answer may be theirs."""
    for match in _FOUR.finditer(masked):
        if match[0][0] == "[":
            yield match.groups(), match.start(), (0, len(masked))


def _labels(answer: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of each label."""
    position = 0
    exhausted: set[str] = set()  # kinds of quote that no more end a label; keeps the search linear
    while opened := _LABEL.search(answer, position):
        position = opened.end()
        if opened[3] is not None:
            word = opened[3].strip()
            yield opened.start(3), opened.end(3), "" if word.lower() in ("null", "none") else word
            continue
        kind = "single" if opened[1] else "double"
        end = None if kind in exhausted else _label_end(answer, position, kind)
        if end is None:
            exhausted.add(kind)
            continue
        yield position, end, re.sub(r"\\(.)", r"\1", answer[position:end], flags=re.DOTALL)
        position = end


def _label_end(answer: str, start: int, kind: str) -> int | None:
    for match in _LABEL_END[kind].finditer(answer, start):
        if match.lastgroup:
            return match.start()
    return None


def _blank(answer: str, labels: Sequence[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    position = 0
    for start, end, _ in labels:
        parts += [answer[position:start], " " * (end - start)]
        position = end
    return "".join([*parts, answer[position:]])


def _label_at(
    labels: Sequence[tuple[int, int, str]], starts: Sequence[int], position: int, low: int, high: int
) -> str:
    """The label of the box at `position` in the object `low:high`: the next one, else the last."""
    after = bisect_left(starts, position)
    for index in (after, after - 1):
        if 0 <= index < len(labels) and low <= starts[index] < high:
            return labels[index][2]
    return ""


def _box(numbers: Sequence[str]) -> Box | None:
    a1, b1, a2, b2 = (float(number) for number in numbers)
    if not all(abs(value) <= _LARGEST for value in (a1, b1, a2, b2)):
        return None
    if min(abs(a2 - a1), abs(b2 - b1)) < _SMALLEST_SIDE:
        return None
    return Box(min(a1, a2), min(b1, b2), max(a1, a2), max(b1, b2))


_PLAIN = str.maketrans({"{": "(", "}": ")", "‘": "'", "’": "'", "“": '"', "”": '"'})


def one_line(label: str) -> str:
    """A label as it stands in quotes: one line, no tags, no braces, which delimit objects, quotes escaped."""
    line = " ".join(_without_tags(label).translate(_PLAIN).split())
    return line.replace("\\", "\\\\").replace("'", "\\'")
