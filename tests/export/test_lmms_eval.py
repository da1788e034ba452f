"""The task for lmms-eval: its files are loaded as lmms-eval loads them, and its functions are called."""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from asked import (
    DETECTION,
    LOCALIZATION,
    SETTINGS,
    SPLITS,
    UNREADABLE,
    docs_in,
    load_yaml,
    misplaced,
    module_at,
    opposite,
    perfect,
)

from mmrad.answer import parse
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.export.benchmark import FIGURES, QUESTIONS
from mmrad.export.lmms_eval import export_lmms_eval
from mmrad.image import encode_png, read_image
from mmrad.sample import Sample
from mmrad.view import View
from taught import BOXES, GOOD, TALL, WIDE, taught_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


@pytest.fixture
def out(corpus: Corpus, tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    written = export_lmms_eval(corpus, folder, settings=SETTINGS, references=2, splits=SPLITS)
    assert written == len(corpus.samples)
    return folder


@pytest.fixture
def utils(out: Path) -> ModuleType:
    return module_at(out / "utils.py")


def evaluate(
    out: Path, corpus: Corpus, answer: Callable[[Sample], str], space: CoordinateSpace
) -> dict[str, float]:
    """The figures of answers, by way of the task's own functions."""
    task = load_yaml(out / f"mmrad_{space.value}.yaml", module_at(out / "utils.py"))
    docs = docs_in(out)
    # As lmms-eval gathers them from its processes.
    found = [
        json.loads(json.dumps(task["process_results"](docs[sample.id], [answer(sample)])))
        for sample in corpus.samples
    ]
    return {
        one["metric"]: one["aggregation"]([values[one["metric"]] for values in found])
        for one in task["metric_list"]
    }


@pytest.mark.parametrize("space", CoordinateSpace)
def test_perfect_answers_score_one_in_every_convention(
    out: Path, corpus: Corpus, space: CoordinateSpace
) -> None:
    scores = evaluate(out, corpus, lambda sample: perfect(corpus, sample, space), space)
    assert set(scores) == set(FIGURES)
    assert {name: scores[name] for name in (*DETECTION, *LOCALIZATION)} == dict.fromkeys(
        (*DETECTION, *LOCALIZATION), 1.0
    )
    assert scores["unanswered"] == 0


def test_the_convention_is_the_task_and_is_not_guessed(out: Path, corpus: Corpus) -> None:
    scores = evaluate(
        out,
        corpus,
        lambda sample: perfect(corpus, sample, CoordinateSpace.THOUSAND),
        CoordinateSpace.THOUSAND_YX,
    )
    assert scores["accuracy"] == 1
    assert scores["iou0.5_recall"] == 0


def test_opposite_answers_score_zero(out: Path, corpus: Corpus) -> None:
    scores = evaluate(out, corpus, opposite, CoordinateSpace.VIEW)
    assert {scores[name] for name in (*DETECTION, *LOCALIZATION)} == {0.0}
    assert scores["unanswered"] == 0


def test_misplaced_boxes_spoil_localization_alone(out: Path, corpus: Corpus) -> None:
    scores = evaluate(out, corpus, misplaced, CoordinateSpace.VIEW)
    assert {scores[name] for name in DETECTION} == {1.0}
    assert {scores[name] for name in LOCALIZATION} == {0.0}


@pytest.mark.parametrize("text", [*UNREADABLE, "[LMMS_EVAL_REQUEST_FAILED after 5 retries] No."])
def test_an_unreadable_answer_is_unanswered_and_never_normal(out: Path, corpus: Corpus, text: str) -> None:
    scores = evaluate(out, corpus, lambda _: text, CoordinateSpace.VIEW)
    assert scores["unanswered"] == 1
    assert scores["accuracy"] == scores["recall"] == scores["iou0.1_recall"] == 0
    assert math.isnan(scores["precision"])


@pytest.mark.parametrize("space", CoordinateSpace)
def test_models_are_asked_as_by_bench(
    out: Path, corpus: Corpus, utils: ModuleType, space: CoordinateSpace
) -> None:
    docs = docs_in(out)
    task = load_yaml(out / f"mmrad_{space.value}.yaml", utils)
    assert set(docs) == {sample.id for sample in corpus.samples}
    for pair in corpus.pairs(corpus.samples, references=2):
        messages, _ = replace(SETTINGS, space=space).ask(pair)
        asked = task["doc_to_messages"](docs[pair.sample.id])
        assert [message["role"] for message in asked] == [message.role for message in messages]
        for message, given in zip(messages, asked, strict=True):
            for part, content in zip(message.parts, given["content"], strict=True):
                if isinstance(part, View):
                    assert content["type"] == "image"
                    assert np.array_equal(np.asarray(content["url"]), part.image)
                else:
                    assert content == {"type": "text", "text": part}


def test_every_convention_is_asked_in_words_of_its_own(out: Path) -> None:
    for doc in docs_in(out).values():
        assert len({doc[name] for name in QUESTIONS.values()}) == len(CoordinateSpace)


def test_views_of_the_images_are_shown_query_last(out: Path, utils: ModuleType) -> None:
    docs = docs_in(out)
    sizes = {name: [image.size for image in utils.doc_to_visual(doc)] for name, doc in docs.items()}
    assert sizes[WIDE] == [(196, 56), (84, 56), (196, 56)]
    assert sizes[TALL] == [(84, 56), (84, 140)]
    assert sizes[GOOD] == [(84, 56), (84, 56)]


def test_a_model_of_the_simple_kind_gets_the_same_words(out: Path, utils: ModuleType) -> None:
    doc = docs_in(out)[WIDE]
    text = load_yaml(out / "mmrad_unit.yaml", utils)["doc_to_text"](doc, lmms_eval_specific_kwargs=None)
    assert doc["system"] in text and doc["question_unit"] in text


def test_targets_are_true_answers_in_pixels_of_the_view(out: Path, utils: ModuleType) -> None:
    for name, doc in docs_in(out).items():
        if name in BOXES:
            answer = parse(utils.doc_to_target(doc), strict=True)
            assert [list(place.box.rounded()) for place in answer.instances] == BOXES[name]


def test_tasks_say_how_to_load_and_to_generate(out: Path, utils: ModuleType) -> None:
    tasks = {path.stem: load_yaml(path, utils) for path in out.glob("*.yaml")}
    assert set(tasks) == {f"mmrad_{space.value}" for space in CoordinateSpace}
    for name, task in tasks.items():
        assert task["task"] == name
        assert (out / task["dataset_kwargs"]["data_files"][task["test_split"]]).is_file()
        assert task["generation_kwargs"]["max_new_tokens"] == 77
        assert task["generation_kwargs"]["until"] == []
        assert task["metadata"]["prompts_hash"] == SETTINGS.prompts.hash
        assert task["metadata"]["space"] == name.removeprefix("mmrad_")
        assert [one["metric"] for one in task["metric_list"]] == list(FIGURES)
        assert [one["metric"] for one in task["metric_list"] if not one["higher_is_better"]] == ["unanswered"]


def test_nothing_written_names_the_machine(out: Path, corpus: Corpus) -> None:
    for path in out.iterdir():
        if path.is_file():
            assert str(corpus.path.parent).encode() not in path.read_bytes()


def test_only_the_given_splits_are_written(corpus: Corpus, tmp_path: Path) -> None:
    tested = {sample.id for sample in corpus.select(splits=["test"])}
    assert export_lmms_eval(corpus, tmp_path / "out", settings=SETTINGS) == len(tested)
    assert set(docs_in(tmp_path / "out")) == tested


def test_without_mmrad_the_task_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmrad.export.benchmark", None)
    with pytest.raises(ImportError, match="pip install mmrad"):
        module_at(out / "utils.py")


def test_an_image_that_has_changed_its_size_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    path = corpus.resolve("made", "wide.png")
    path.write_bytes(encode_png(read_image(path)[:, :100]))
    with pytest.raises(DataError, match=r"wide\.png: its size is now \(100, 150\)"):
        export_lmms_eval(corpus, tmp_path / "out", settings=SETTINGS, splits=SPLITS)


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not empty"):
        export_lmms_eval(corpus, tmp_path, settings=SETTINGS)
