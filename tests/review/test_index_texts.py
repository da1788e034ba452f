"""What texts and runs say of samples, read from their journals line by line."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import Review, TextReview
from mmrad.errors import DataError, UsageError
from mmrad.journal import Journal
from mmrad.review.criteria import Criteria
from mmrad.review.index import SampleIndex
from mmrad.review.index.lines import Lines
from mmrad.review.index.once import Once
from mmrad.review.index.texts import disagree
from mmrad.sample import Reasoning
from mmrad.teach.texts import read_texts, teachers, text_path
from reviewed import CLEAR, GOOD, PART, TEACHER, TURNED, WIDE, reviewed_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return reviewed_corpus(tmp_path_factory.mktemp("corpus"), 40)


@pytest.fixture(scope="module")
def index(corpus: Corpus) -> SampleIndex:
    return SampleIndex(corpus)


def ids(index: SampleIndex, **asked: object) -> set[str]:
    return {index.ids[row] for row in index.select(Criteria.model_validate(asked), {})}


def test_texts_are_those_that_others_read(index: SampleIndex) -> None:
    known = [read_texts(index.corpus, teacher) for teacher in teachers(index.corpus)]
    for name in index.ids:
        assert index.texts(name) == [texts[name] for texts in known if name in texts]
    assert [len(index.texts(name)) for name in (WIDE, PART, CLEAR)] == [2, 1, 1]
    assert index.texts(WIDE)[0].teacher == TEACHER


def test_failed_checks_are_found_and_counted(corpus: Corpus) -> None:
    index = SampleIndex(corpus)
    assert "failed_check" not in index.facets(Criteria(), {})
    index.warm()
    texts = {name: index.texts(name) for name in index.ids}
    for check in ("iou", "length", "verdict"):
        bad = {name for name in index.ids if any(not text.checks[check] for text in texts[name])}
        assert ids(index, failed_checks=[check]) == bad
        assert index.facets(Criteria(), {})["failed_check"][check] == len(bad)
    assert ids(index, failed_checks=["length"]) == {GOOD}
    assert ids(index, failed_checks=["hint_leak"]) == set()
    with pytest.raises(UsageError, match="no failed check spelling"):
        ids(index, failed_checks=["spelling"])


def test_teachers_disagree_on_the_verdict_or_on_places(index: SampleIndex) -> None:
    found = ids(index, teachers_disagree=True)
    assert {WIDE, TURNED} <= found
    assert not {PART, CLEAR, GOOD} & found
    others = found - {WIDE, TURNED}
    assert others
    assert all(not index.texts(name)[1].checks["iou"] for name in others)


def text(view_wh: tuple[int, int], *boxes: tuple[float, float, float, float], said: str = "") -> Reasoning:
    whole = said or render("So it is.", [Instance(Box(*box), "scratch") for box in boxes])
    return Reasoning("x", whole, "", whole.partition("<answer>")[2][:-9], view_wh, "t", True, {})


LEFT, RIGHT = (0, 0, 9, 9), (50, 50, 90, 90)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (text((100, 100), (10, 10, 50, 50)), text((200, 50), (20, 5, 100, 25)), False),
        (text((100, 100), (10, 10, 50, 50)), text((200, 50), (10, 10, 50, 50)), True),
        (text((100, 100), (10, 10, 50, 50)), text((100, 100), (12, 10, 50, 50)), False),
        (text((100, 100), LEFT, RIGHT), text((100, 100), RIGHT), True),
        (text((100, 100), LEFT, RIGHT), text((100, 100), RIGHT, LEFT), False),
        (text((100, 100)), text((50, 50)), False),
        (text((100, 100)), text((100, 100), (1, 1, 9, 9)), True),
        (text((100, 100), (1, 1, 9, 9)), text((100, 100), said="Who knows."), False),
    ],
)  # fmt: skip
def test_texts_are_compared_in_pixels_of_the_image(
    first: Reasoning, second: Reasoning, expected: bool
) -> None:
    assert disagree([first, second], (400, 300)) is expected
    assert disagree([second, first], (400, 300)) is expected


def test_reviews_made_since_change_texts(index: SampleIndex) -> None:
    before = index.texts(WIDE)[0]
    edited = before.text.replace("There is a defect", "There is clearly a defect")
    review = Review(
        "1", WIDE, "ann", "2026-11-26T09:00:00Z", 3.0, 1, False, 1, "keep", "",
        index.sample(WIDE).regions, index.sample(WIDE).regions,
        TextReview("org_model_large", before.text, True, edited, before.checks),
    )  # fmt: skip
    assert index.texts(WIDE, [review])[0].text == edited
    assert index.texts(WIDE)[0].text == before.text
    refused = replace(review, text=TextReview("org_model_large", before.text, False, None, {}))
    assert before.verified
    assert not index.texts(WIDE, [refused])[0].verified


def test_a_text_written_while_the_application_runs_does_not_disturb(tmp_path: Path) -> None:
    corpus = reviewed_corpus(tmp_path, 6)
    index = SampleIndex(corpus)
    held = index.texts(GOOD)
    with Journal(text_path(corpus, TEACHER)) as journal:
        journal.append({"sample_id": GOOD, "status": "failed"})
    assert index.texts(GOOD) == held


def test_a_journal_written_anew_is_noticed(tmp_path: Path) -> None:
    corpus = reviewed_corpus(tmp_path, 6)
    index = SampleIndex(corpus)
    index.texts(GOOD)
    path = text_path(corpus, TEACHER)
    lines = path.read_text("utf-8").splitlines(keepends=True)
    path.write_text("".join(reversed(lines)), "utf-8")
    with pytest.raises(DataError, match="written anew") as raised:
        for name in index.ids:
            index.texts(name)
    assert str(tmp_path) not in str(raised.value)


def test_lines_of_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    content = [{"sample_id": name, "number": number} for number, name in enumerate("babxa")]
    path.write_text("".join(json.dumps(one) + "\n" for one in content) + '{"sample_id": "a", "nu', "utf-8")
    lines = Lines(path, {"a": 0, "b": 1, "c": 2})
    assert lines.rows == [0, 1]
    assert [record["number"] for record in lines.of(0, "a")] == [1, 4]
    assert [record["number"] for record in lines.of(1, "b")] == [0, 2]
    assert lines.of(2, "c") == []
    path.write_text('{"sample_id": "a"}\nnonsense\n', "utf-8")
    with pytest.raises(DataError, match="line 2: not JSON"):
        Lines(path, {"a": 0})


def test_a_value_is_made_once_for_all_threads() -> None:
    started = threading.Barrier(8, timeout=30)
    made = []

    def make() -> int:
        made.append(1)
        return len(made)

    once = Once(make)
    assert not once.ready

    def ask(_: int) -> int:
        started.wait()
        return once()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {1}
    assert once.ready


def test_many_threads_read_texts_at_once(corpus: Corpus) -> None:
    index = SampleIndex(corpus)
    names = list(np.random.default_rng(0).choice(index.ids, 64))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(index.texts, names))
    assert found == [index.texts(name) for name in names]
