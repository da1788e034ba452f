"""Multiple choice: right by the truth, fair in its options, and read back as MMAD."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotated import annotated_corpus, same_image
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.curate.text_sets import read_text_set
from mmrad.errors import UsageError
from mmrad.export.multiple_choice import export_multiple_choice
from mmrad.image import read_image
from mmrad.sample import Region, Sample
from mmrad.sources import build_corpus

SIZE_WH = (90, 60)
THIRD = (30, 20)
"""Width and height of a cell of the grid."""

Items = dict[tuple[str, str], dict[str, Any]]


def corpus_of(folder: Path, regions: dict[str, list[tuple[tuple[int, int, int, int], str]]]) -> Corpus:
    """A corpus with a normal reference, and a sample `own/CATEGORY/test/NAME` for each `CATEGORY/NAME`."""
    (folder / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    samples = []
    for place, found in {"nut/reference": [], **regions}.items():
        category, name = place.split("/")
        file = f"{category}-{name}.png"
        pixels = rng.integers(0, 255, (SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / "raw" / file)
        split = "train" if name == "reference" else "test"
        marked = tuple(Region(Box(*box), label) for box, label in found)
        samples.append(
            Sample(f"own/{category}/{split}/{name}", "own", category, split, file, SIZE_WH, marked, "CC0-1.0")
        )
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(folder, {"own": info}, samples)
    corpus.write_references(Reference(s.id, 0, "nut-reference.png", "random", 0.0) for s in samples)
    return corpus


def exported(corpus: Corpus, out: Path) -> Items:
    """The questions by name of the sample and type."""
    export_multiple_choice(corpus, out)
    lines = [json.loads(line) for line in (out / "questions.jsonl").read_text("utf-8").splitlines()]
    items = {(item["sample_id"].rpartition("/")[2], item["type"]): item for item in lines}
    assert len(items) == len(lines)
    return items


def right(item: dict[str, Any]) -> str:
    return str(item["options"][item["answer"]])


def wrong(item: dict[str, Any]) -> set[str]:
    return {text for letter, text in item["options"].items() if letter != item["answer"]}


def test_questions_about_one_defect(tmp_path: Path) -> None:
    corpus = corpus_of(
        tmp_path / "corpus",
        {
            "nut/scratched": [((62, 1, 70, 9), "scratch")],
            "nut/dented": [((1, 1, 2, 2), "dent")],
            "nut/good": [],
            "pill/broken": [((1, 1, 2, 2), "crack")],
            "pill/pale": [((1, 1, 2, 2), "discolored")],
        },
    )
    items = exported(corpus, tmp_path / "out")
    assert {kind for name, kind in items if name == "good"} == {"Anomaly Detection"}
    assert right(items["good", "Anomaly Detection"]) == "No."
    assert right(items["scratched", "Anomaly Detection"]) == "Yes."
    classification = items["scratched", "Defect Classification"]
    assert right(classification) == "Scratch."
    assert wrong(classification) == {"Dent.", "Crack.", "Discolored."}
    localization = items["scratched", "Defect Localization"]
    assert right(localization) == "Top right."
    assert "Top right." not in wrong(localization) and len(wrong(localization)) == 3
    assert right(items["scratched", "Defect Size"]) == "1 to 5 %."  # 64 of 5400 pixels
    assert right(items["dented", "Defect Size"]) == "Less than 1 %."
    assert right(items["scratched", "Defect Count"]) == "1."
    assert wrong(items["scratched", "Defect Count"]) == {"2.", "3.", "4."}


@pytest.mark.parametrize("row", range(3))
@pytest.mark.parametrize("column", range(3))
def test_each_cell_has_its_words(tmp_path: Path, row: int, column: int) -> None:
    x, y = column * THIRD[0], row * THIRD[1]
    cell = (x, y, x + THIRD[0], y + THIRD[1])
    words = [
        ["Top left", "Top", "Top right"],
        ["Left", "Center", "Right"],
        ["Bottom left", "Bottom", "Bottom right"],
    ]
    items = exported(corpus_of(tmp_path / "corpus", {"nut/a": [(cell, "dent")]}), tmp_path / "out")
    assert right(items["a", "Defect Localization"]) == f"{words[row][column]}."


def test_a_place_that_a_defect_touches_is_never_a_wrong_option(tmp_path: Path) -> None:
    most = ((0, 0, 90, 21), "dent")  # by one pixel in the middle row
    corner = ((0, 45, 5, 60), "dent")
    corpus = corpus_of(
        tmp_path / "corpus", {"nut/some": [most, corner], "nut/all": [((0, 0, 90, 60), "dent")]}
    )
    items = exported(corpus, tmp_path / "out")
    assert right(items["some", "Defect Localization"]) == "Top."
    assert wrong(items["some", "Defect Localization"]) == {"Bottom.", "Bottom right."}
    assert ("all", "Defect Localization") not in items


def test_types_of_the_same_category_come_first(tmp_path: Path) -> None:
    many = {f"nut/{n}": [((1, 1, 9, 9), f"near {n}")] for n in range(5)}
    corpus = corpus_of(tmp_path / "corpus", {**many, "pill/p": [((1, 1, 9, 9), "far")]})
    items = exported(corpus, tmp_path / "out")
    for n in range(5):
        item = items[str(n), "Defect Classification"]
        assert right(item) == f"Near {n}."
        assert len(wrong(item)) == 3 and all(text.startswith("Near") for text in wrong(item))
    assert {text.split()[0] for text in wrong(items["p", "Defect Classification"])} == {"Near"}


def test_a_type_that_is_right_too_is_no_wrong_option(tmp_path: Path) -> None:
    corpus = corpus_of(
        tmp_path / "corpus",
        {
            "nut/both": [((0, 0, 9, 9), "dent"), ((20, 20, 22, 22), "scratch")],
            "nut/other": [((0, 0, 9, 9), "crack")],
            "pill/shouted": [((0, 0, 9, 9), "Dent"), ((20, 20, 22, 22), "CRACK")],
        },
    )
    items = exported(corpus, tmp_path / "out")
    assert right(items["both", "Defect Classification"]) == "Dent."
    assert wrong(items["both", "Defect Classification"]) == {"Crack."}
    assert wrong(items["other", "Defect Classification"]) == {"Dent.", "Scratch."}


def test_options_are_distinct_letters_follow_each_other_and_the_answer_is_one(tmp_path: Path) -> None:
    items = exported(annotated_corpus(tmp_path / "corpus"), tmp_path / "out")
    assert items
    for item in items.values():
        options = item["options"]
        assert list(options) == list("ABCD"[: len(options)])
        assert len({text.casefold() for text in options.values()}) == len(options) > 1
        assert item["answer"] in options


def test_two_defects_that_are_equally_large_are_asked_about_only_together(tmp_path: Path) -> None:
    pair = [((0, 0, 9, 9), "dent"), ((30, 30, 39, 39), "scratch")]
    items = exported(corpus_of(tmp_path / "corpus", {"nut/a": pair}), tmp_path / "out")
    assert {kind for _, kind in items} == {"Anomaly Detection", "Defect Count"}
    assert right(items["a", "Defect Count"]) == "2."


def test_a_type_without_a_wrong_one_is_not_asked(tmp_path: Path) -> None:
    items = exported(corpus_of(tmp_path / "corpus", {"nut/a": [((0, 0, 9, 9), "dent")]}), tmp_path / "out")
    assert ("a", "Defect Classification") not in items
    assert ("a", "Defect Localization") in items


def test_letters_are_balanced_and_the_same_each_time(tmp_path: Path) -> None:
    samples = {f"nut/{n}": [((1, 1, 9, 9), "dent")] if n % 2 else [] for n in range(200)}
    corpus = corpus_of(tmp_path / "corpus", samples)
    items = exported(corpus, tmp_path / "out")
    assert items == exported(corpus, tmp_path / "again")
    for kind, letters in (("Anomaly Detection", "AB"), ("Defect Localization", "ABCD")):
        answers = Counter(item["answer"] for (_, asked), item in items.items() if asked == kind)
        share = answers.total() / len(letters)
        assert set(answers) == set(letters)
        # Four standard deviations; the seeds are fixed, so that this never changes.
        assert all(abs(answers[letter] - share) < 4 * np.sqrt(share) for letter in letters)


def test_the_adapter_and_the_counter_of_mmad_read_it_back(tmp_path: Path) -> None:
    corpus = annotated_corpus(tmp_path / "corpus")
    tested = [sample for sample in corpus.samples if sample.split != "train"]
    out = tmp_path / "out"
    assert export_multiple_choice(corpus, out, references=2, splits=("test", "validation")) == len(tested)
    content = json.loads((out / "mmad.json").read_text("utf-8"))
    ids = {image: entry["sample_id"] for image, entry in content.items()}
    assert set(ids.values()) == {sample.id for sample in tested}
    again = build_corpus({"back": ("mmad", out)}, tmp_path / "again")
    assert not again.rejections
    by_id = {sample.id: sample for sample in corpus.samples}
    for found in again.corpus.samples:
        sample = by_id[ids[found.image]]
        assert found.category == "own_nut & bolt"
        assert found.size_wh == sample.size_wh
        assert same_image(corpus, sample, out / found.image)
        templates = [read_image(out / path) for path in found.given_references]
        references = [corpus.resolve(sample.source, item.image) for item in corpus.references[sample.id]]
        assert len(templates) == len(references) == 2
        for template, reference in zip(templates, references, strict=True):
            assert (template == read_image(reference)).all()
        if len(sample.regions) == 1:  # others touch, and are one in a mask
            region = sample.regions[0]
            assert [(r.box.xyxy, r.label) for r in found.regions] == [(region.box.xyxy, region.label)]
    counted = read_text_set("ours", out / "mmad.json", lambda texts: len(list(texts)))
    questions = (out / "questions.jsonl").read_text("utf-8").splitlines()
    assert counted.counts.images == counted.counts.with_text == len(tested)
    assert counted.counts.anomalous == sum(sample.anomalous for sample in tested)
    assert counted.counts.text_tokens == len(questions)


def test_a_normal_sample_without_references_is_read_back_as_normal(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "corpus", {"nut/good": [], "nut/bad": [((1, 1, 9, 9), "dent")]})
    export_multiple_choice(corpus, tmp_path / "out", references=0)
    again = build_corpus({"back": ("mmad", tmp_path / "out")}, tmp_path / "again")
    assert not again.rejections
    assert sorted(sample.anomalous for sample in again.corpus.samples) == [False, True]
    assert {sample.given_references for sample in again.corpus.samples} == {()}


def test_only_normal_images_have_good_in_their_path(tmp_path: Path) -> None:
    """MMAD's own scorer tells them by it."""
    corpus = corpus_of(
        tmp_path / "corpus",
        {
            "nut/good": [],
            "nut/was_good": [((1, 1, 9, 9), "Goods missing")],
            "nut/bad": [((1, 1, 9, 9), "dent")],
        },
    )
    export_multiple_choice(corpus, tmp_path / "out")
    content = json.loads((tmp_path / "out" / "mmad.json").read_text("utf-8"))
    for image, entry in content.items():
        assert ("good" in image.casefold()) == (entry["sample_id"] == "own/nut/test/good")


def test_nothing_written_names_the_machine(tmp_path: Path) -> None:
    export_multiple_choice(annotated_corpus(tmp_path / "corpus"), tmp_path / "out")
    for name in ("mmad.json", "questions.jsonl"):
        assert str(tmp_path) not in (tmp_path / "out" / name).read_text("utf-8")


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    corpus = annotated_corpus(tmp_path / "corpus")
    with pytest.raises(UsageError, match="not empty"):
        export_multiple_choice(corpus, tmp_path)
