"""The dataset for VLMEvalKit, with as little of VLMEvalKit as it needs, see `asked`."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asked import (
    DETECTION,
    LOCALIZATION,
    SETTINGS,
    SPLITS,
    UNREADABLE,
    kit_dataset,
    load,
    misplaced,
    module_at,
    opposite,
    perfect,
    toliststr,
)

from mmrad.answer import parse
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.export.benchmark import FIGURES, QUESTIONS
from mmrad.export.vlmevalkit import export_vlmevalkit
from mmrad.image import read_image
from mmrad.sample import Sample
from mmrad.view import View
from taught import BOXES, TALL, taught_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return taught_corpus(tmp_path / "corpus")


@pytest.fixture
def out(corpus: Corpus, tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    written = export_vlmevalkit(corpus, folder, settings=SETTINGS, references=2, splits=SPLITS)
    assert written == len(corpus.samples)
    return folder


@pytest.fixture
def dataset(out: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    return kit_dataset(out, monkeypatch)


def evaluate(dataset: Any, corpus: Corpus, folder: Path, answer: Callable[[Sample], str]) -> dict[str, float]:
    """The figures of a file of predictions."""
    samples = {sample.id: sample for sample in corpus.samples}
    predicted = dataset.data.drop(columns="image_path")
    predicted["prediction"] = [answer(samples[name]) for name in predicted["sample_id"]]
    predicted.to_csv(folder / "predictions.tsv", sep="\t", index=False)
    figures: dict[str, float] = dataset.evaluate(str(folder / "predictions.tsv"), nproc=4)
    return figures


@pytest.mark.parametrize("space", CoordinateSpace)
def test_perfect_answers_score_one_in_every_convention(
    dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path, space: CoordinateSpace
) -> None:
    made = dataset(dataset="mmrad", coordinates=space.value)
    scores = evaluate(made, corpus, tmp_path, lambda sample: perfect(corpus, sample, space))
    assert set(scores) == set(FIGURES)
    assert {scores[name] for name in (*DETECTION, *LOCALIZATION)} == {1.0}
    assert scores["unanswered"] == 0


def test_opposite_answers_score_zero(dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path) -> None:
    scores = evaluate(dataset(coordinates="view"), corpus, tmp_path, opposite)
    assert {scores[name] for name in (*DETECTION, *LOCALIZATION)} == {0.0}
    assert scores["unanswered"] == 0


def test_misplaced_boxes_spoil_localization_alone(
    dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path
) -> None:
    scores = evaluate(dataset(coordinates="view"), corpus, tmp_path, misplaced)
    assert {scores[name] for name in DETECTION} == {1.0}
    assert {scores[name] for name in LOCALIZATION} == {0.0}


@pytest.mark.parametrize(
    "text",
    [
        *UNREADABLE,
        "Failed to obtain answer via API.",
        "Failed to obtain answer: <class 'RuntimeError'> answer: No. Out of memory",
    ],
)
def test_an_unreadable_or_failed_answer_is_unanswered_and_never_normal(
    dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path, text: str
) -> None:
    scores = evaluate(dataset(coordinates="view"), corpus, tmp_path, lambda _: text)
    assert scores["unanswered"] == 1
    assert scores["accuracy"] == scores["recall"] == scores["iou0.1_recall"] == 0
    assert math.isnan(scores["precision"])


def test_the_tables_of_all_categories_lie_beside_the_predictions(
    dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path
) -> None:
    evaluate(dataset(coordinates="view"), corpus, tmp_path, lambda _: "Failed to obtain answer via API.")
    scores = json.loads((tmp_path / "predictions_scores.json").read_text("utf-8"))
    assert scores["overall"]["unanswered"] == {"failed": len(corpus.samples)}
    assert [row["category"] for row in scores["categories"]] == ["nut"]


def test_a_row_that_the_predictions_lack_is_unanswered(
    dataset: Callable[..., Any], corpus: Corpus, tmp_path: Path
) -> None:
    made = dataset(coordinates="view")
    predicted = made.data[["index"]].assign(prediction="No.").iloc[1:]
    predicted.to_csv(tmp_path / "predictions.tsv", sep="\t", index=False)
    scores = made.evaluate(str(tmp_path / "predictions.tsv"))
    assert scores["unanswered"] == pytest.approx(1 / len(corpus.samples))


@pytest.mark.parametrize("given", [{}, {"coordinates": "pixels"}])
def test_coordinates_have_to_be_declared(dataset: Callable[..., Any], given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"one of .*'thousand'"):
        dataset(**given)


@pytest.mark.parametrize("space", CoordinateSpace)
def test_models_are_asked_as_by_bench(
    dataset: Callable[..., Any], corpus: Corpus, space: CoordinateSpace
) -> None:
    made = dataset(coordinates=space.value)
    assert set(made.data["coordinates"]) == {space.value}
    rows = {row["sample_id"]: number for number, row in made.data.iterrows()}
    for pair in corpus.pairs(corpus.samples, references=2):
        (system, user), _ = replace(SETTINGS, space=space).ask(pair)
        first, *asked = made.build_prompt(rows[pair.sample.id])
        assert asked == made.build_prompt(made.data.iloc[rows[pair.sample.id]])[1:]
        assert first == {"type": "text", "role": "system", "value": system.parts[0]}
        for part, content in zip(user.parts, asked, strict=True):
            if isinstance(part, View):
                assert content["type"] == "image"
                assert (read_image(Path(content["value"])) == part.image).all()
            else:
                assert content == {"type": "text", "value": part}


def test_the_table_has_the_columns_of_the_format(out: Path, corpus: Corpus) -> None:
    table = load(str(out / "mmrad.tsv"))
    assert list(table["index"]) == list(range(1, len(corpus.samples) + 1))
    assert {"image_path", *QUESTIONS.values(), "answer", "category", "split"} <= set(table.columns)
    answers = dict(zip(table["sample_id"], table["answer"], strict=True))
    for name, boxes in BOXES.items():
        assert [list(place.box.rounded()) for place in parse(answers[name], strict=True).instances] == boxes
    assert read_image(out / toliststr(table.set_index("sample_id").loc[TALL, "image_path"])[-1]).shape == (
        140, 84, 3,
    )  # fmt: skip


def test_run_as_a_program_it_starts_the_run_with_the_dataset_known(out: Path, tmp_path: Path) -> None:
    package = tmp_path / "kit" / "vlmeval"
    (package / "dataset").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "smp.py").write_text("load = toliststr = None")
    (package / "dataset" / "__init__.py").write_text("DATASET_CLASSES = []")
    (package / "dataset" / "image_base.py").write_text("class ImageBaseDataset: pass")
    run = tmp_path / "kit" / "run.py"
    run.write_text(
        "import os, sys, vlmeval.dataset as known\n"
        "assert __name__ == '__main__' and known.DATASET_CLASSES == [known.MmradInspection]\n"
        "print(known.MmradInspection.DATASET_URL, sys.argv[1:], os.environ['VLMEVAL_MIN_IMAGE_EDGE'])\n"
    )
    command = [sys.executable, str(out / "mmrad_vlmevalkit.py"), str(run), "--data", "mmrad"]
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(run.parent)}, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "{'mmrad': ''} ['--data', 'mmrad'] 1\n"


def test_nothing_written_names_the_machine(out: Path, corpus: Corpus) -> None:
    for path in out.iterdir():
        if path.is_file():
            assert str(corpus.path.parent).encode() not in path.read_bytes()


def test_without_mmrad_the_dataset_says_what_to_install(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mmrad.export.benchmark", None)
    with pytest.raises(ImportError, match="pip install mmrad"):
        module_at(out / "mmrad_vlmevalkit.py")


def test_a_folder_that_is_not_empty_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(UsageError, match="not empty"):
        export_vlmevalkit(corpus, tmp_path, settings=SETTINGS)
