from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmrad.answer import Answer, Instance, parse, render, render_answer
from mmrad.box import Box

A = "{'bbox_2d': [10, 20, 30, 40], 'label': 'scratch'}"
B = "{'bbox_2d': [50, 60, 70, 80], 'label': 'dent'}"
BOX_A, BOX_B = (10, 20, 30, 40), (50, 60, 70, 80)
YES = f"<think>There is a line.</think><answer>Yes. {A}, {B}</answer>"
NO = "<think>All is even.</think><answer>No.</answer>"


def places(answer: Answer) -> list[tuple[tuple[float, ...], str]]:
    return [(place.box.xyxy, place.label) for place in answer.instances]


# What models write for "Yes, a scratch at A", and the places to be read from it.
ONE = [(BOX_A, "scratch")]
BOTH = [*ONE, (BOX_B, "dent")]
YES_TEXTS: list[tuple[str, list[tuple[tuple[float, ...], str]]]] = [
    (YES, BOTH),
    (f"<answer>Yes. {A}</answer>", ONE),
    (f"<think>x</think>\n\n<answer>\nYes. {A}\n</answer>\n", ONE),
    (f"<think>x</think>Yes. {A}", ONE),
    (f"x</think><answer>Yes. {A}</answer>", ONE),
    (f"<think>x<answer>Yes. {A}</answer>", ONE),
    (f"<answer>Yes. {A}", ONE),
    (f"<ANSWER>YES. {A}</ANSWER>", ONE),
    (f"Yes. {A}", ONE),
    (f"Yes{A}", ONE),
    (f"Yes, [{A}, {B}]", BOTH),
    (f"yes: {A} {B}", BOTH),
    (f"**Yes.** {A}", ONE),
    (f"```\nYes. {A}\n```", ONE),
    (f"```json\n[{A}, {B}]\n```", BOTH),
    (f"```python\nYes. {A}\n```", ONE),
    (f"<answer>```json\nYes. {A}\n```</answer>", ONE),
    (f"Final answer: Yes. {A}", ONE),
    (f"I see a line. **Answer:** Yes. {A}", ONE),
    (f"<answer>The answer is Yes. {A}</answer>", ONE),
    (f"[{A}]", ONE),
    (A, ONE),
    ('Yes. {"bbox_2d": [10, 20, 30, 40], "label": "scratch"}', ONE),
    ('[{"label": "scratch", "bbox_2d": [10,20,30,40]}, {"label": "dent", "bbox_2d": [50,60,70,80]}]', BOTH),
    ('{"answer": "Yes", "regions": [{"bbox_2d": [10, 20, 30, 40], "label": "scratch"}]}', ONE),
    ('<answer>{"anomaly": "yes", "boxes": [{"bbox": [10, 20, 30, 40], "label": "scratch"}]}</answer>', ONE),
    ('{"anomaly": "yes", "boxes": [{"bbox": [10, 20, 30, 40], "label": "scratch"}]}', ONE),
    ('```json\n{"defective": "Yes", "boxes": [{"bbox": [10, 20, 30, 40], "label": "scratch"}]}\n```', ONE),
    ('{"anomalous": "yes", "boxes": [[10, 20, 30, 40]]}', [(BOX_A, "")]),
    ('{"anomaly": "yes"}', []),
    ("Yes. {‘bbox_2d’: [10, 20, 30, 40], ‘label’: ‘scratch’}", ONE),
    ("Yes. {“bbox_2d”: [10, 20, 30, 40], “label”: “scratch”}", ONE),
    ("Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'scratch’}", ONE),
    (
        "Yes. {'bbox_2d': [10,20,30,40], 'label': 'scratch’}, {'bbox_2d': [50,60,70,80], 'label': 'dent’}",
        BOTH,
    ),
    ("Yes. {'label': 'scratch’, 'bbox_2d': [10, 20, 30, 40]}", ONE),
    ("Yes. {bbox_2d: [10, 20, 30, 40], label: scratch}", ONE),
    ('Yes. {"label": null, "bbox_2d": [10, 20, 30, 40]}', [(BOX_A, "")]),
    ("Yes. {'box_2d': (10, 20, 30, 40), 'label': 'scratch'}", ONE),
    ("Yes. {'BBOX 2D': [10, 20, 30, 40], 'Label': 'scratch'}", ONE),
    ("Yes. {'bounding_box': [10, 20, 30, 40], 'label': 'scratch'}", ONE),
    ("Yes. 'bbox_2d': [10, 20, 30, 40], 'label': 'scratch'", [(BOX_A, "")]),
    ("Yes. {'bbox_2d': [30, 40, 10, 20], 'label': 'scratch'}", ONE),
    ("Yes. {'bbox_2d': [30, 20, 10, 40], 'label': 'scratch'}", ONE),
    ("Yes. {'bbox_2d': [10.0, +20, 3e1, 40.], 'label': 'scratch'}", ONE),
    ("Yes. {'bbox_2d': [-3, -.5, 30, 40], 'label': 'scratch'}", [((-3, -0.5, 30, 40), "scratch")]),
    ("Yes. {'bbox_2d': [[10, 20, 30, 40], [50, 60, 70, 80]], 'label': 'x'}", [(BOX_A, "x"), (BOX_B, "x")]),
    ("Yes. {'bbox_2d': [[[10, 20, 30, 40]]], 'label': 'scratch'}", ONE),
    ("Yes. {'bbox_2d': [10, 20, 30, 40]}", [(BOX_A, "")]),
    ("Yes, [[10, 20, 30, 40], [50, 60, 70, 80]]", [(BOX_A, ""), (BOX_B, "")]),
    ("Yes. <box>[[10, 20, 30, 40]]</box>", [(BOX_A, "")]),
    ("Yes. <ref>scratch</ref><box>[[10, 20, 30, 40]]</box>", ONE),
    ("Yes. <ref>scratch</ref><box>[10, 20, 30, 40]</box> <ref>dent</ref><box>[[50,60,70,80]]</box>", BOTH),
    (
        "Yes. <ref>scratch</ref><box>[[10,20,30,40], [50,60,70,80]]</box>",
        [(BOX_A, "scratch"), (BOX_B, "scratch")],
    ),
    ("Yes. <ref>no defect</ref><box>[[10, 20, 30, 40]]</box>", [(BOX_A, "no defect")]),
    ("Yes. <ref>scratch</ref><box>[[10,20,30,40]]</box><box>[[50,60,70,80]]</box>", [*ONE, (BOX_B, "")]),
    ("Yes. <ref>scratch</ref><box>[[x1, y1, x2, y2]]</box>", []),
    ("Yes. <|begin_of_box|>[[10, 20, 30, 40],[50, 60, 70, 80]]<|end_of_box|>", [(BOX_A, ""), (BOX_B, "")]),
    ("Yes. <|begin_of_box|>(10, 20, 30, 40)<|end_of_box|>", [(BOX_A, "")]),
    ("Yes. <|begin_of_box|><10,20,30,40><|end_of_box|>", [(BOX_A, "")]),
    ("<|begin_of_box|>Yes. [[10, 20, 30, 40]]<|end_of_box|>", [(BOX_A, "")]),
    (f"<think>x</think><|begin_of_box|>Yes. {A}<|end_of_box|>", ONE),
    (f"<think>x</think><answer><|begin_of_box|>Yes. {A}<|end_of_box|></answer>", ONE),
    ("The answer is <|begin_of_box|>Yes<|end_of_box|>", []),
    ('```json\n[\n  {"box_2d": [10, 20, 30, 40], "label": "scratch"}\n]\n```', ONE),
    ('Yes.\n```json\n[{"box_2d": [10, 20, 30, 40], "label": "scratch", "mask": "data:x"}]\n```', ONE),
    ("Yes. {'bbox_2d': [0.1, 0.25, 0.5, 0.75], 'label': 'x'}", [((0.1, 0.25, 0.5, 0.75), "x")]),
    ("Yes. {'bbox_2d': [x1, y1, x2, y2], 'label': 'x'}", []),
    ("Yes. [x1, y1, x2, y2]", []),
    ("Yes. {'coordinates': [10, 20, 30, 40], 'label': 'scratch'}", ONE),
    (
        "Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'scratch', 'size': [1, 2, 3, 4]}",
        ONE,
    ),
    ("Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'no screw'}", [(BOX_A, "no screw")]),
    ("[{'bbox_2d': [10, 20, 30, 40], 'label': 'no'}]", [(BOX_A, "no")]),
    ("Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'no {a} or [b]'}", [(BOX_A, "no {a} or [b]")]),
    ("Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'worker's mark'}", [(BOX_A, "worker's mark")]),
    (r"Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'worker\'s \\ mark'}", [(BOX_A, "worker's \\ mark")]),
    ('Yes. {"bbox_2d": [10, 20, 30, 40], "label": "5\\" gap, 2\' long"}', [(BOX_A, "5\" gap, 2' long")]),
    (f"Yes. There is a scratch: {A}. No other defects.", ONE),
    (f"<answer>Yes, there is no doubt. {A}</answer>", ONE),
    ("<think>No. {'bbox_2d': [1, 2, 3, 4], 'label': 'q'}</think>" + f"<answer>Yes. {A}</answer>", ONE),
    (f"<think>Say <answer>No.</answer>? No.</think><answer>Yes. {A}</answer>", ONE),
    (f"<think>a</think><think>No.</think><answer>Yes. {A}</answer>", ONE),
    (f"<answer>Yes.</answer> again <answer>Yes. {A}</answer>", ONE),
    (f"<answer><answer>Yes. {A}</answer></answer>", ONE),
    (f"<answer>Yes. {A}</answer> No, that is all.", ONE),
    ("<answer>Yes</answer>", []),
    ("Yes. []", []),
    ("Yes, there is a scratch.", []),
]


@pytest.mark.parametrize(("text", "expected"), YES_TEXTS)
def test_reads_anomalous_texts(text: str, expected: list[tuple[tuple[float, ...], str]]) -> None:
    answer = parse(text)
    assert (answer.status, answer.anomalous, answer.detail) == ("ok", True, "")
    assert places(answer) == expected


@pytest.mark.parametrize(
    "text",
    [
        NO,
        "<answer>No.</answer>",
        "<answer>No</answer>",
        "<answer>No",
        "No.",
        "no",
        "**No**",
        "```\nNo.\n```",
        "No. []",
        "<answer>No.\n[]</answer>",
        "No, the part is intact.",
        "No anomaly detected.",
        "No visible signs of damage.",
        "<answer>There is no anomaly.</answer>",
        "<answer>The answer is no.</answer>",
        "Final answer: No",
        '{"answer": "No", "regions": [{}]}',
        '{"anomalous": "no", "boxes": [{}]}',
        '```json\n{"answer": "No.", "boxes": []}\n```',
        "<think>Yes? {'bbox_2d': [1, 2, 3, 4], 'label': 'q'} Yes.</think><answer>No.</answer>",
        "<think>A dent?</think>No.",
        "<answer>No.</answer><answer>No.</answer>",
        "<|begin_of_box|>No<|end_of_box|>",
        "<think>A dent?</think><answer><|begin_of_box|>No.<|end_of_box|></answer>",
        "Answer: <|begin_of_box|>No<|end_of_box|>",
        "No. <box></box>",
    ],
)
def test_reads_normal_texts(text: str) -> None:
    assert (parse(text).status, parse(text).anomalous, parse(text).instances) == ("ok", False, ())


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (f"No. {A}", "No and gives boxes"),
        ("No. [[10, 20, 30, 40]]", "No and gives boxes"),
        ("No. {'bbox_2d': [10, 20, 10, 20], 'label': 'x'}", "No and gives boxes"),
        (f'{{"answer": "No", "regions": [{A}]}}', "No and gives boxes"),
        ("Yes or No", "both"),
        ("Yes/No", "both"),
        ("<answer>Yes. No.</answer>", "both"),
        ("No. Wait: yes.", "both"),
        (f"<answer>Yes. {A}</answer><answer>No.</answer>", "contradict"),
        ("<answer>No.</answer><answer>Yes.</answer>", "contradict"),
        ("I'm sorry, I can't help with that.", "neither"),
        ("No, I cannot help with this image.", "neither"),
        ("No anomaly, except a scratch.", "neither"),
        ("<answer>There is no screw.</answer>", "neither"),
        ("No screw is present.", "neither"),
        ("<answer></answer>", "neither"),
        ("[]", "neither"),
        ("{}", "neither"),
        ("Normal.", "neither"),
        ("The object looks fine; nobody would notice.", "neither"),
        ("I looked, and no, I found nothing", "neither"),
        ("{'bbox_2d': [1, 1, 1, 1], 'label': 'x'}", "neither"),
        ("{'label': 'no screw'}", "neither"),
        ('{"defect": "no screw", "boxes": [{}]}', "neither"),
        ('{"rusty": "yes", "boxes": [{}]}', "neither"),
        ('{"anomaly": "yes or no"}', "neither"),
        ('{"anomaly": "yes or no", "boxes": [{}]}', "both"),
        ('{"anomaly": "no", "boxes": [[10, 20, 30, 40]]}', "No and gives boxes"),
        ('{"anomaly": "no"} {"anomaly": "yes"}', "both"),
        ("""{'bbox_2d': [], 'label': 'says "answer": "no"'}""", "neither"),
        ("{'bbox_2d': [x1, y1, x2, y2], 'label': '<anomaly type>'}", "neither"),
        ("[10, 20, 30, 40]", "neither"),
        ("[x1, y1, x2, y2]", "neither"),
        ("<|begin_of_box|>[[10, 20, 30, 40]]<|end_of_box|>", "neither"),
        ("<ref>no defect</ref><box>[[10, 20, 30, 40]]</box>", "neither"),
        ("<|begin_of_box|>Normal<|end_of_box|>", "neither"),
        ("<|begin_of_box|>Yes<|end_of_box|> <|begin_of_box|>No<|end_of_box|>", "both"),
        ("No. <ref>dent</ref><box>[[10, 20, 30, 40]]</box>", "No and gives boxes"),
        ("No. <|begin_of_box|>(10, 20, 30, 40)<|end_of_box|>", "No and gives boxes"),
        ("<confidence>95</confidence>", "neither"),
    ],
)
def test_never_guesses(text: str, detail: str) -> None:
    answer = parse(text)
    assert (answer.status, answer.anomalous, answer.instances) == ("unparsed", None, ())
    assert detail in answer.detail


@pytest.mark.parametrize(
    "text",
    [
        "<think>There is a",
        "<think>There is no scratch. No.",
        "<think>Shall I say <answer>No.</answer> or look",
        "<think>a</think><think>No. But",
        "<think>a</think>",
        "<think>a</think><answer>",
        "<think>a</think><ans",
        "<answer>Yes. {'bbox_2d': [10, 20,",
        "Yes. {'bbox_2d': [10, 20, 30, 40], 'label': 'no",
        f"Yes. {A}, {{'bbox_2d'",
        "Yes. <ref>dent</ref><box>[[10, 20, 30,",
    ],
)
def test_cut_texts_are_truncated(text: str) -> None:
    assert (parse(text).status, parse(text).anomalous) == ("truncated", None)


@pytest.mark.parametrize("text", ["", " ", "\n\t\u3000"])
def test_nothing_is_empty(text: str) -> None:
    assert parse(text).status == "empty"


def test_boxes_without_area_or_beyond_any_image_are_dropped_and_said() -> None:
    bad = ["[5, 5, 5, 9]", "[0, 0, 1e308, 9]", "[0, 0, 1e-320, 9]", f"[0, 0, {'9' * 400}, 9]"]
    answer = parse("Yes. " + ", ".join(f"{{'bbox_2d': {box}, 'label': 'x'}}" for box in bad) + f", {A}")
    assert places(answer) == ONE and answer.anomalous
    assert answer.detail == "dropped 4 box(es) without area"


@pytest.mark.parametrize("end", range(len(YES)))
def test_an_anomalous_text_cut_anywhere_is_never_normal(end: int) -> None:
    answer = parse(YES[:end])
    assert answer.anomalous in (True, None)
    assert set(places(answer)) <= set(BOTH)


@pytest.mark.parametrize("end", range(len(NO)))
def test_a_normal_text_cut_anywhere_is_never_anomalous(end: int) -> None:
    assert parse(NO[:end]).anomalous in (False, None)


def test_reasoning_is_kept_without_tags() -> None:
    assert parse(YES).think == "There is a line."
    assert parse("<think>\n a </think><answer>").think == "a"
    assert parse("preface <think>a</think><answer>No.</answer>").think == "preface a"


@pytest.mark.parametrize(
    ("written", "confidence"),
    [
        ("85", 0.85),
        (" 85 % ", 0.85),
        ("0", 0.0),
        ("0.0", 0.0),
        ("1", 0.01),
        ("100", 1.0),
        ("99.5", 0.995),
    ],
)
@pytest.mark.parametrize(
    "around",
    [
        f"<think>x</think><answer>Yes. {A}</answer>\n<confidence>%s</confidence>",
        f"<think>x</think><answer>Yes. {A}</answer> <Confidence>%s</Confidence> Anything else?",
        f"<think>x</think><answer>Yes. {A} <confidence>%s</confidence></answer>",
        f"<think>x</think><confidence>%s</confidence><answer>Yes. {A}</answer>",
        f"<think>x</think>\n<confidence>%s</confidence>\nYes. {A}",
        f"<think>x</think>Yes. {A}\n<confidence>%s</confidence>",
        f"<think>x<answer>Yes. {A}</answer><confidence>%s</confidence>",
        f"<think>x</think><|begin_of_box|>Yes. {A}<|end_of_box|><confidence>%s</confidence>",
        f"<think>1: <confidence>3</confidence></think>Yes. {A} <confidence>%s</confidence>",
        f"<think>x</think>Yes. {A} <confidence>%s</confidence>, again <confidence>%s</confidence>",
    ],
)
def test_reads_a_confidence_wherever_it_stands(around: str, written: str, confidence: float) -> None:
    answer = parse(around.replace("%s", written))
    assert answer.confidence == pytest.approx(confidence)
    assert (answer.status, answer.anomalous, answer.detail, places(answer)) == ("ok", True, "", ONE)


@pytest.mark.parametrize(
    ("written", "detail"),
    [
        (["N"], "no clear confidence"),
        ([""], "no clear confidence"),
        (["high"], "no clear confidence"),
        (["101"], "no clear confidence"),
        (["-1"], "no clear confidence"),
        (["1e999"], "no clear confidence"),
        (["85 or 90"], "no clear confidence"),
        (["0.85"], "no clear confidence"),  # of 1 or of 100?
        (["1.0"], "no clear confidence"),
        (["85", "15"], "contradict"),
        (["N", "85"], "contradict"),
    ],
)
def test_a_confidence_that_is_not_clear_is_none_and_said(written: list[str], detail: str) -> None:
    given = "".join(f"<confidence>{one}</confidence>" for one in written)
    for answer in (parse(f"<answer>No.</answer>{given}"), parse(f"No. {given}")):
        assert (answer.status, answer.anomalous, answer.confidence) == ("ok", False, None)
        assert detail in answer.detail


def test_a_cut_confidence_is_none() -> None:
    answer = parse("<answer>No.</answer><confidence>8")
    assert (answer.anomalous, answer.confidence) == (False, None) and "no clear confidence" in answer.detail


@pytest.mark.parametrize(
    "text",
    [
        "<think>Say <confidence>9</confidence>.</think><answer>No.</answer>",
        "<answer>Yes. {'bbox_2d': [10, 20, 30, 40], 'label': '<confidence>9</confidence>'}</answer>",
    ],
)
def test_reasoning_and_labels_give_no_confidence(text: str) -> None:
    answer = parse(text)
    assert (answer.status, answer.confidence, answer.detail) == ("ok", None, "")
    assert parse(text, strict=True) == answer
    assert parse(f"{text}<confidence>9</confidence>", strict=True).status == "unparsed"


def test_without_a_judgement_there_is_no_confidence() -> None:
    assert parse("Perhaps. <confidence>85</confidence>").confidence is None
    assert parse("<think>x<confidence>85</confidence>").confidence is None


# Runs that made naive patterns quadratic or worse: with those, this test takes minutes.
@pytest.mark.parametrize(
    "run",
    [
        *["{", "[", "'", '"', "`", " ", "1", "label:'", "label:‘", "[1,1,1,", "no any ", "box:"],
        *[
            "<",
            "<box>",
            "<ref>",
            "<ref>a",
            "<|begin_of_box|>",
            "<box>[1,1,1,",
            "<confidence>",
            "<confidence>1",
        ],
    ],
)
@pytest.mark.parametrize("before", ["", "<answer>", "[", "Yes. {'bbox_2d': ["])
def test_long_runs_are_read(run: str, before: str) -> None:
    text = before + run * (100_000 // len(run))
    assert parse(text).anomalous is not False
    assert parse(text, strict=True).status != "ok"


words = st.sampled_from(
    [
        *[*"{}[]'\"\\,: \n’“-.", "yes", "No", "no.", "Yes. ", "<think>", "</think>", "<answer>", "</answer>"],
        *["label", "'label': '", "'bbox_2d': ", "[1, 2, 3, 4]", "1e999", A, YES, NO],
        *["<ref>", "</ref>", "<box>", "</box>", "<|begin_of_box|>", "<|end_of_box|>"],
        *["<confidence>", "</confidence>", "<confidence>7</confidence>"],
    ]
)
tags = ("<think>", "</think>", "<answer>", "</answer>")
plain_text = st.text(max_size=60).filter(lambda text: not any(tag in text.lower() for tag in tags))
labels = st.one_of(st.text(max_size=20), st.lists(words, max_size=5).map("".join))
sides = st.integers(-9999, 9999)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), sides, sides, st.integers(1, 9999), st.integers(1, 9999)
)
instances = st.lists(st.builds(Instance, boxes, labels), max_size=4)
reasonings = st.one_of(st.none(), plain_text)


@given(st.one_of(st.text(), st.lists(words, max_size=30).map("".join)))
def test_never_raises(text: str) -> None:
    for strict in (False, True):
        answer = parse(text, strict=strict)
        assert (answer.status == "ok") == (answer.anomalous is not None)
        assert not (answer.instances and not answer.anomalous)


@given(st.data(), reasonings, instances)
def test_never_raises_on_damaged_texts(data: st.DataObject, think: str | None, truth: list[Instance]) -> None:
    text = render(think, truth)
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 10)))
        text = text[:start] + data.draw(words) + text[end:]
    for strict in (False, True):
        answer = parse(text, strict=strict)
        assert (answer.status == "ok") == (answer.anomalous is not None)


@given(reasonings, instances, st.integers(0, 100))
def test_a_confidence_never_disturbs_the_answer(
    think: str | None, truth: list[Instance], percent: int
) -> None:
    text = render(think, truth)
    said = parse(f"{text} <confidence>{percent}</confidence>")
    assert said.confidence == percent / 100
    assert replace(said, confidence=None) == parse(text)


@given(reasonings, instances)
@example("", [Instance(Box(0, 0, 1, 1), "</answer>")])
@example(None, [Instance(Box(0, 0, 1, 1), "a’, 'label': \"no\", {")])
def test_what_is_rendered_is_read_back(think: str | None, truth: list[Instance]) -> None:
    text = render(think, truth)
    for strict in (False, True):
        answer = parse(text, strict=strict)
        assert (answer.status, answer.anomalous, answer.detail) == ("ok", bool(truth), "")
        assert [place.box for place in answer.instances] == [place.box for place in truth]
        assert answer.think == (think or "").strip()
        assert render(None if think is None else think, answer.instances) == text


plain_words = st.text(
    st.characters(exclude_categories=["Z", "C"], exclude_characters="{}<>‘’“”"), min_size=1, max_size=9
)
plain_labels = st.lists(plain_words, max_size=3).map(" ".join)


@given(st.lists(st.builds(Instance, boxes, plain_labels), max_size=3))
def test_plain_labels_are_read_back_exactly(truth: list[Instance]) -> None:
    assert list(parse(render(None, truth)).instances) == truth


@given(reasonings, instances, st.data())
def test_cutting_never_turns_a_judgement(
    think: str | None, truth: list[Instance], data: st.DataObject
) -> None:
    text = render(think, truth)
    cut = parse(text[: data.draw(st.integers(0, len(text)))])
    assert cut.anomalous in (bool(truth), None)
    assert not Counter(place.box for place in cut.instances) - Counter(place.box for place in truth)


@given(st.data(), reasonings, instances)
def test_strict_accepts_only_what_is_rendered(
    data: st.DataObject, think: str | None, truth: list[Instance]
) -> None:
    text = render(think, truth)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    damaged = text[:start] + data.draw(st.one_of(st.text(max_size=2), words)) + text[end:]
    answer = parse(damaged, strict=True)
    if answer.status == "ok":
        again = render(answer.think if "<think>" in damaged else None, answer.instances)
        assert "".join(damaged.split()) == "".join(again.split())


@pytest.mark.parametrize(
    "text",
    [
        f"Yes. {A}",
        "<answer>No</answer>",
        "<answer>Yes.</answer>",
        f"<answer>Yes {A}</answer>",
        f"<answer>Yes. {A}</answer> and more",
        f"<answer>Yes. {A}",
        f"<answer>Yes. {A}{A}</answer>",
        "<answer>Yes. {'bbox_2d': [10.5, 20, 30, 40], 'label': 'x'}</answer>",
        "<answer>Yes. {'bbox_2d': [30, 40, 10, 20], 'label': 'x'}</answer>",
        "<answer>Yes. {'bbox_2d': [10, 20, 10, 20], 'label': 'x'}</answer>",
        "<answer>Yes. {'bbox_2d': [10, 20, 30, 40]}</answer>",
        '<answer>Yes. {"bbox_2d": [10, 20, 30, 40], "label": "x"}</answer>',
        "<THINK>x</THINK><answer>No.</answer>",
        "x<think>x</think><answer>No.</answer>",
        "<think>x</think><think>x</think><answer>No.</answer>",
        "<think>x<answer>No.</answer>",
    ],
)
def test_strict_refuses_what_only_resembles_the_format(text: str) -> None:
    assert parse(text, strict=True).status == "unparsed"


@pytest.mark.parametrize("text", [YES, NO, f"\n<think>\nx\n</think>\n<answer> Yes. {A} </answer>\n"])
def test_strict_allows_space_around_tags(text: str) -> None:
    assert parse(text, strict=True) == parse(text)
    assert parse(text, strict=True).status == "ok"


def test_renders_whole_pixels_on_one_line() -> None:
    places = [Instance(Box(1.4, 2.6, 1.45, 9), "a\n 'b' {c}\\"), Instance(Box(0, 0, 5, 5), "")]
    assert render_answer(places) == (
        r"Yes. {'bbox_2d': [1, 3, 2, 9], 'label': 'a \'b\' (c)\\'}, {'bbox_2d': [0, 0, 5, 5], 'label': ''}"
    )
    assert render(None, []) == "<answer>No.</answer>"
    assert render("a</think>b", []) == "<think>ab</think><answer>No.</answer>"
