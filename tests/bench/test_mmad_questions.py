"""MMAD's questions: how they are read and worded, how choices are read, and MMAD's metric."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmad_tree import BOTTLE, IMAGES, RANDOM, SIMILAR, mmad_tree
from mmrad.bench.mmad import Question, choice_in, mmad_rows, read_questions
from mmrad.bench.mmad.questions import messages
from mmrad.errors import DataError
from mmrad.prompt import Message
from mmrad.view import Budget, View, make_view

OPTIONS = {"A": "Yes.", "B": "No.", "C": "Top left corner."}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return mmad_tree(tmp_path / "MMAD")


def question(**given: Any) -> Question:
    plain = Question("x#1", "VisA/candle/bad/1.png", "Anomaly Detection", "?", OPTIONS, "A", ())
    return replace(plain, **given)


# Questions


def test_questions_are_read_with_the_templates_that_are_wanted(root: Path) -> None:
    questions = read_questions(root)
    assert [one.id for one in questions] == [
        *(f"{IMAGES[0]}#{n}" for n in (1, 2)),
        *(f"{IMAGES[1]}#{n}" for n in (1, 2, 3)),
        *(f"{IMAGES[2]}#{n}" for n in (1, 2, 3)),
    ]
    first, kind = questions[0], questions[3]
    assert (first.dataset, first.category, first.normal) == ("DS-MVTec", "DS-MVTec/bottle", True)
    assert (kind.normal, kind.answer, kind.options["B"]) == (False, "B", "Broken.")
    assert first.templates[:1] == (RANDOM,)
    assert read_questions(root, "similar")[0].templates[:1] == (SIMILAR,)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[]", "keys are images"),
        ("{}", "keys are images"),
        ('{"VisA/a/bad/1.png": {}}', "not an entry of MMAD"),
        ('{"../a.png": {"conversation": []}}', r"\.\./a\.png"),
        ('{"VisA/a/bad/1.png": {"conversation": [{"Question": "?"}]}}', "not an entry of MMAD"),
    ],
)
def test_a_file_that_is_not_mmads_says_where(root: Path, content: str, what: str) -> None:
    (root / "mmad.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=what):
        read_questions(root)


def test_a_question_whose_answer_is_no_option_is_left_out(root: Path) -> None:
    path = root / "mmad.json"
    path.write_text(path.read_text("utf-8").replace('"Answer": "C"', '"Answer": "F"'), encoding="utf-8")
    assert f"{IMAGES[2]}#3" not in [one.id for one in read_questions(root)]
    assert len(read_questions(root)) == 7


def test_a_folder_without_questions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no mmad\.json here"):
        read_questions(tmp_path)


def view(grey: int) -> View:
    return make_view(np.full((56, 84, 3), grey, np.uint8), Budget())


def words(message: Message) -> str:
    return "".join(part for part in message.parts if isinstance(part, str))


def test_references_come_first_the_query_last_and_then_the_question() -> None:
    query, reference = view(1), view(2)
    _, user = messages(question(text="Any defect?"), query, [reference])
    assert user.parts[:2] == (reference, query)
    assert "first image is normal" in words(user)
    for said in ("Any defect?", "A. Yes.", "B. No.", "C. Top left corner."):
        assert said in words(user)
    _, alone = messages(question(), query, [])
    assert alone.parts[0] is query
    assert "normal" not in words(alone)


# Choices


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        (" (B). ", "B"),
        ("**C**", "C"),
        ("B. No.", "B"),
        ("B) No", "B"),
        ("A: Yes, there is a dent on the left.", "A"),
        ("B No.", "B"),
        ("Answer: A", "A"),
        ("The answer is **B**.", "B"),
        ("The correct option is C. It lies at the top.", "C"),
        ("1. Answer: B.", "B"),
        ("No.", "B"),
        ("top left corner", "C"),
        ("<think>A or B? Answer: B</think>A", "A"),
        ("<think>Hm.</think><answer>C</answer>", "C"),
        ("I see a dent.\n\nAnswer: A\n", "A"),
        # No choice, or several.
        ("", None),
        ("D", None),  # not among the options
        ("A scratch is seen.", None),
        ("A or B", None),
        ("Answer: A. Answer: B.", None),
        ("The answer is A scratch.", None),
        ("I cannot tell.", None),
        ("Yes, but no.", None),
        ("<think>Answer: B", None),
    ],
)
def test_the_choice_is_read_or_there_is_none(text: str, letter: str | None) -> None:
    assert choice_in(text, OPTIONS) == letter


# Scores


def judged(
    kind: str, image: str, right: int, wrong: int, unparsed: int = 0
) -> list[tuple[Question, Any, str]]:
    one = question(image=image, type=kind)
    return [(one, "A", "ok")] * right + [(one, "B", "ok")] * wrong + [(one, None, "unparsed")] * unparsed


def test_figures_by_hand() -> None:
    rows = mmad_rows(
        [
            *judged("Anomaly Detection", "X/a/good/1.png", 3, 1),  # 3/4
            *judged("Anomaly Detection", "X/b/bad/1.png", 1, 0, 1),  # 1/2, so 5/8
            *judged("Object Details", "X/a/good/1.png", 1, 0),
            *judged("Object Structure", "X/b/bad/1.png", 0, 2),  # together 1/3
            *judged("Anomaly Detection", "Y/c/good/1.png", 1, 0),
            *judged("Anomaly Detection", "Y/c/bad/1.png", 0, 1),  # 1/2
            *judged("Object Details", "Y/c/bad/1.png", 1, 0),
        ]
    )
    assert [row.name for row in rows] == ["X", "Y", "Average"]
    x, y, average = rows
    assert x.accuracy == pytest.approx({"Anomaly Detection": 5 / 8, "Object Analysis": 1 / 3})
    assert (x.average, x.overkill, x.miss) == pytest.approx(((5 / 8 + 1 / 3) / 2, 1 / 4, 1 / 2))
    assert (x.questions, x.unanswered) == (9, {"unparsed": 1})
    assert y.accuracy == pytest.approx({"Anomaly Detection": 1 / 2, "Object Analysis": 1})
    assert average.accuracy == pytest.approx({"Anomaly Detection": 9 / 16, "Object Analysis": 2 / 3})
    assert average.average == pytest.approx((x.average + y.average) / 2)  # type: ignore[operator]
    assert (average.questions, average.unanswered) == (12, {"unparsed": 1})


def test_detection_is_averaged_as_in_the_published_table() -> None:
    # GPT-4o on DS-MVTec, all_result/answers_1_shot_gpt-4o_accuracy.csv of MMAD's repository: of 465 normal
    # images 116 are said to be anomalous (24.946…%), of 1226 anomalous ones 152 to be normal (12.398…%).
    row, _ = mmad_rows(
        [
            *judged("Anomaly Detection", f"{BOTTLE}/good/1.png", 465 - 116, 116),
            *judged("Anomaly Detection", f"{BOTTLE}/broken/1.png", 1226 - 152, 152),
        ]
    )
    assert row.overkill == pytest.approx(0.24946236559139783)
    assert row.miss == pytest.approx(0.12398042414355626)
    assert row.accuracy["Anomaly Detection"] == pytest.approx(0.8132786051325229)


def test_rows_may_be_categories_and_empty_cells_are_undefined() -> None:
    answers = [
        *judged("Anomaly Detection", "X/a/good/1.png", 1, 1),
        *judged("Defect Analysis", "X/b/bad/1.png", 1, 0),
    ]
    a, b, average = mmad_rows(answers, by=lambda question: question.category)
    assert (a.name, a.accuracy["Defect Analysis"], a.miss) == ("X/a", None, None)
    assert (b.name, b.accuracy["Anomaly Detection"], b.average) == ("X/b", None, 1)
    assert average.accuracy == {"Anomaly Detection": 0.5, "Defect Analysis": 1}
