"""Samples as conversations: which, in which views, with boxes in the pixels of those views."""

import re
from pathlib import Path

import numpy as np
import pytest

from mmrad.answer import parse
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.export.conversations import Conversation, conversations, write_views
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.journal import Journal
from mmrad.teach.texts import text_path
from mmrad.view import Budget, make_view
from taught import BOXES, BUDGET, GOOD, PLAIN, TALL, WIDE, taught_corpus

SETTINGS = InspectionSettings(budget=BUDGET)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


def _by_id(
    corpus: Corpus, settings: InspectionSettings = SETTINGS, **options: int
) -> dict[str, Conversation]:
    return {found.sample.id: found for found in conversations(corpus, settings, **options)}


def test_samples_with_a_verified_text_come_split_by_split_anomalous_first(corpus: Corpus) -> None:
    assert list(_by_id(corpus)) == [GOOD, WIDE, TALL, PLAIN]


def test_progress_is_told_after_each(corpus: Corpus) -> None:
    told: list[tuple[int, int]] = []
    list(conversations(corpus, SETTINGS, progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_boxes_are_those_of_the_truth_in_pixels_of_the_view(corpus: Corpus) -> None:
    found = _by_id(corpus)
    assert {name: one.boxes for name, one in found.items()} == BOXES
    assert found[WIDE].labels == ["bent pin", "crack"]
    assert found[WIDE].query.size_wh == (196, 56)
    assert found[TALL].query.size_wh == (84, 140)


def test_the_text_names_the_same_boxes(corpus: Corpus) -> None:
    for name, one in _by_id(corpus).items():
        answer = parse(one.completion, strict=True)
        assert answer.anomalous == bool(BOXES[name])
        assert [list(place.box.rounded()) for place in answer.instances] == BOXES[name]
        assert all(str(box) in answer.think for box in BOXES[name])


def test_views_are_the_references_and_the_upright_query(corpus: Corpus) -> None:
    raw = corpus.root("made")
    tall = _by_id(corpus)[TALL]
    for view, name in zip(tall.views, ("good.png", "tall.jpg"), strict=True):
        assert (view.image == make_view(read_image(raw / name), BUDGET).image).all()
    wide = _by_id(corpus, references=2)[WIDE]
    assert [view.original_wh for view in wide.views] == [(400, 150), (90, 60), (400, 150)]
    strip = read_image(raw / "strip.png")[:, 400:]
    assert (wide.references[0].image == make_view(np.ascontiguousarray(strip), BUDGET).image).all()


@pytest.mark.parametrize("references", [0, 1, 2])
def test_the_prompt_marks_each_image(corpus: Corpus, references: int) -> None:
    for one in _by_id(corpus, references=references).values():
        system, user = one.prompt()
        assert (system["role"], user["role"]) == ("system", "user")
        assert user["content"].startswith("<image>" * len(one.views))
        assert user["content"].count("<image>") == len(one.views)
        assert one.dialogue() == [system, user, {"role": "assistant", "content": one.completion}]
    assert len(_by_id(corpus, references=references)[WIDE].views) == references + 1


def test_without_reasoning_the_answer_alone_is_left(corpus: Corpus) -> None:
    found = _by_id(corpus, InspectionSettings(budget=BUDGET, reasoning=False))
    assert found[GOOD].completion == "<answer>No.</answer>"
    assert found[TALL].completion == "<answer>Yes. {'bbox_2d': [8, 82, 50, 124], 'label': 'dirt'}</answer>"


@pytest.mark.parametrize(
    ("written", "given"),
    [(BUDGET, Budget()), (Budget(), BUDGET), (Budget(max_pixels=9 * 28 * 28), Budget(max_pixels=12_345))],
)
def test_another_budget_is_refused_with_the_one_that_fits(
    tmp_path: Path, written: Budget, given: Budget
) -> None:
    corpus = taught_corpus(tmp_path / "corpus", written)
    with pytest.raises(UsageError, match=r"made/nut/\w+/\w+: .* view of \d+x\d+ pixels") as refused:
        _by_id(corpus, InspectionSettings(budget=given))
    (fitting,) = re.findall(r"give --max-pixels (\d+)$", str(refused.value))
    found = _by_id(corpus, InspectionSettings(budget=Budget(max_pixels=int(fitting))))
    assert all(one.query.size_wh == one.text.view_wh for one in found.values())


def test_texts_for_several_budgets_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    other = taught_corpus(tmp_path / "other", Budget(max_pixels=6 * 28 * 28))
    lines = text_path(other, "somebody").read_text("utf-8").splitlines(keepends=True)
    path = text_path(corpus, "somebody")
    path.write_text(path.read_text("utf-8") + next(line for line in lines if TALL in line), "utf-8")
    with pytest.raises(UsageError, match="several budgets"):
        _by_id(corpus)


def test_an_image_that_has_changed_is_refused(corpus: Corpus) -> None:
    (corpus.root("made") / "wide.png").write_bytes((corpus.root("made") / "good.png").read_bytes())
    with pytest.raises(DataError, match=r"wide\.png.*\(90, 60\)"):
        _by_id(corpus)


@pytest.mark.parametrize("unfit", ["<image>", "<bbox>", "\udcff"])
def test_a_text_that_a_trainer_would_misread_is_refused(corpus: Corpus, unfit: str) -> None:
    record = {
        "sample_id": GOOD,
        "text": f"<think>{unfit}</think><answer>No.</answer>",
        "view_wh": (84, 56),
        "teacher": "somebody",
        "verified": True,
        "checks": {},
        "key": "later",
    }
    with Journal(text_path(corpus, "somebody")) as journal:
        journal.append(record)
    with pytest.raises(DataError, match=f"{GOOD}: trainers cannot read"):
        _by_id(corpus)


def test_a_corpus_without_texts_or_references_is_refused(corpus: Corpus) -> None:
    (corpus.path / "references.parquet").unlink()
    with pytest.raises(DataError, match="has no reference"):
        _by_id(Corpus(corpus.path))
    assert list(_by_id(Corpus(corpus.path), references=0)) == [GOOD, WIDE, TALL, PLAIN]
    text_path(corpus, "somebody").unlink()
    with pytest.raises(DataError, match="no sample has a verified text"):
        _by_id(corpus)


def test_the_same_pixels_are_one_file(corpus: Corpus, tmp_path: Path) -> None:
    tall, wide = (_by_id(corpus, references=2)[name] for name in (TALL, WIDE))
    names = write_views([*tall.views, *wide.views], tmp_path / "images")
    assert len(names) == 5
    assert names[0] == names[3], "both show good.png"
    files = sorted(path.name for path in (tmp_path / "images").iterdir())
    assert files == sorted({Path(name).name for name in names})
    for name, view in zip(names, [*tall.views, *wide.views], strict=True):
        assert (read_image(tmp_path / name) == view.image).all()
