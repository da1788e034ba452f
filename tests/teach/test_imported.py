"""Published texts come into a corpus as what they are, for the images they are about, or not at all."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError, UsageError
from mmrad.sample import Region, Sample
from mmrad.teach import ScriptedTeacher, chosen_texts, read_texts
from mmrad.teach.descriptions import Description, import_descriptions, read_descriptions
from mmrad.teach.imported import import_texts
from mmrad.teach.lesson import truth_in
from mmrad.teach.published import Places
from mmrad.teach.texts import text_path
from mmrad.teach.verify import CHECKS
from mmrad.view import Budget, View, view_size

SIZE_WH = (130, 70)
BUDGET = Budget(max_pixels=140 * 140)
VIEW_WH = view_size(SIZE_WH, BUDGET)
BOX = Box(10, 5, 60, 20)
BAD, GOOD = "test/broken_large/000.png", "test_good/001.png"


def same(first: str, second: str) -> float:
    return float(first == second)


def sample(image: str, category: str = "bottle", source: str = "mvtec", *, anomalous: bool = False) -> Sample:
    regions = (Region(BOX, "broken"),) if anomalous else ()
    stem = image.replace("/", "-").removesuffix(".png")
    return Sample(f"{source}/{category}/test/{stem}", source, category, "test", image, SIZE_WH, regions, "")


def make_corpus(folder: Path, samples: list[Sample]) -> Corpus:
    infos = {s.source: SourceInfo(adapter="made", root="raw", licence="") for s in samples}
    return write_corpus(folder, infos, samples)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """As built from the original MVTec AD: a broken bottle and a good one."""
    found = [sample("bottle/test/broken_large/000.png", anomalous=True), sample("bottle/test/good/001.png")]
    return make_corpus(tmp_path / "corpus", found)


def right(anomalous: bool, view_wh: tuple[int, int] = SIZE_WH) -> str:
    """A text that passes all checks, whatever these are."""
    image = np.full((view_wh[1], view_wh[0], 3), 90, np.uint8)
    truth = truth_in(sample("x.png", anomalous=anomalous), view_wh)
    return ScriptedTeacher().write(image, image, View(image, SIZE_WH), truth, "bottle", random.Random(0))


def texts_file(folder: Path, content: object, place: str = "MMR-AD/mvtec/bottle/text_annos.json") -> Path:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def take(corpus: Corpus, file: Path, **options):
    options = {"teacher": "qwen/72b", "pixels": "original", "similarity": same} | options
    return import_texts(corpus, file, **options)


def verified(corpus: Corpus) -> set[str]:
    return {key.rpartition("/")[2] for key in chosen_texts(corpus)}


def tagged(text: str, name: str) -> str:
    return text.partition(f"<{name}>")[2].partition(f"</{name}>")[0]


FORMS = {
    "text": lambda text: text,
    "object": lambda text: {"text": text, "bbox": [1, 2, 3, 4]},
    "parts": lambda text: {"think": tagged(text, "think"), "answer": tagged(text, "answer")},
    "messages": lambda text: {
        "messages": [
            {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Look."}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ]
    },
    "conversations": lambda text: {
        "conversations": [{"from": "human", "value": "<image>"}, {"from": "gpt", "value": text}]
    },
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("listed", [False, True])
def test_the_forms_of_the_release(tmp_path, corpus, form, listed):
    entries = {BAD: FORMS[form](right(True)), GOOD: FORMS[form](right(False))}
    content: object = entries
    if listed:
        content = [
            {"image": [image]} | (entry if isinstance(entry, dict) else {"text": entry})
            for image, entry in entries.items()
        ]
    summary = take(corpus, texts_file(tmp_path, content))
    assert (summary.entries, summary.matched, summary.verified, summary.failed) == (2, 2, 2, 0)
    assert summary.unmatched.count == summary.unreadable.count == 0
    texts = read_texts(corpus, "qwen/72b")
    assert {text.text for text in texts.values()} == {right(True), right(False)}
    assert {(text.teacher, text.view_wh, text.verified) for text in texts.values()} == {
        ("qwen/72b", SIZE_WH, True)
    }
    assert verified(corpus) == {"bottle-test-broken_large-000", "bottle-test-good-001"}


@pytest.mark.parametrize(
    "prefix", ["", "bottle/", "mvtec/bottle/", "MMR-AD/mvtec/bottle/", "D:\\data\\bottle\\"]
)
def test_paths_may_have_other_folders_before_the_category(tmp_path, corpus, prefix):
    summary = take(corpus, texts_file(tmp_path, {prefix + BAD: right(True)}))
    assert summary.verified == 1


def test_a_corpus_built_from_the_release_is_matched_too(tmp_path):
    category = "mvtec_bottle"
    found = [
        sample("mvtec/bottle/test/broken_large/000.png", category, "mmr", anomalous=True),
        sample("mvtec/bottle/test_good/001.png", category, "mmr"),
    ]
    corpus = make_corpus(tmp_path / "corpus", found)
    texts_file(tmp_path, {BAD: right(True), GOOD: right(False)})
    assert take(corpus, tmp_path / "MMR-AD").verified == 2


def test_repeating_an_import_appends_nothing(tmp_path, corpus):
    file = texts_file(tmp_path, {BAD: right(True), GOOD: right(False)})
    assert take(corpus, file).appended == 2
    before = text_path(corpus, "qwen/72b").read_bytes()
    again = take(corpus, file)
    assert (again.verified, again.appended) == (2, 0)
    assert text_path(corpus, "qwen/72b").read_bytes() == before
    texts_file(tmp_path, {BAD: right(True), GOOD: right(False).replace(".", "!", 1)})
    assert take(corpus, file).appended == 1


def test_pixels_are_what_the_caller_says(tmp_path, corpus):
    """The same coordinates are right in one of the two spaces only; the caller knows which."""
    assert VIEW_WH != SIZE_WH
    file = texts_file(tmp_path, {BAD: right(True, VIEW_WH)})
    assert take(corpus, file, teacher="wrong").verified == 0
    summary = take(corpus, file, pixels=BUDGET)
    assert summary.verified == 1
    (text,) = read_texts(corpus, "qwen/72b").values()
    assert text.view_wh == VIEW_WH
    with pytest.raises(UsageError, match="'view'"):
        take(corpus, file, pixels="view")


def test_wrong_texts_are_kept_unverified(tmp_path, corpus):
    lie = right(True).replace("'broken'", "'scratch'")
    summary = take(corpus, texts_file(tmp_path, {BAD: lie, GOOD: right(True)}))
    assert (summary.matched, summary.verified, summary.failed) == (2, 0, 2)
    assert summary.failed_checks.keys() <= set(CHECKS)
    assert summary.failed_checks.total() >= 2
    assert not any(text.verified for text in read_texts(corpus, "qwen/72b").values())
    assert chosen_texts(corpus) == {}
    assert "0 verified, 2 failed (" in summary.describe()


def test_unknown_images_are_counted_and_never_guessed(tmp_path, corpus):
    content = {
        "test/broken_large/999.png": right(True),
        "000.png": right(True),
        "test/broken_small/000.png": right(True),
    }
    summary = take(corpus, texts_file(tmp_path, content))
    assert (summary.entries, summary.matched, summary.appended) == (3, 0, 0)
    assert summary.unmatched.reasons == {"no such image in the corpus": 3}
    assert "000.png: no such image" in summary.unmatched.examples[1]
    assert "3 unmatched, such as\n  test/broken_large/999.png" in summary.describe()
    assert not text_path(corpus, "qwen/72b").exists()
    assert chosen_texts(corpus) == {}


def test_the_category_must_agree(tmp_path):
    """A source that is one product has its name nowhere in its paths, and so has another product's."""
    bolt = sample("test/broken_large/000.png", "bolt", "own", anomalous=True)
    corpus = make_corpus(tmp_path / "corpus", [bolt])
    assert take(corpus, texts_file(tmp_path, {BAD: right(True)})).unmatched.count == 1
    assert take(corpus, texts_file(tmp_path, {BAD: right(True)}, "data/bolt/text_annos.json")).verified == 1


def test_an_ambiguous_path_is_not_matched(tmp_path):
    twice = [sample("bottle/test/broken_large/000.png", source=source, anomalous=True) for source in "ab"]
    corpus = make_corpus(tmp_path / "corpus", twice)
    summary = take(corpus, texts_file(tmp_path, {BAD: right(True)}))
    assert summary.unmatched.reasons == {"several samples have this path": 1}
    assert "(a/bottle/test/" in summary.unmatched.examples[0]
    assert summary.matched == 0


def test_categories_may_span_folders_and_parts_are_images_of_their_own():
    maize = sample("agriculture/maize/test/mold/1.png", "agriculture_maize")
    gland = sample("cable_gland/test/bent/1.png", "cable_gland")
    part = sample("Cable_1/raw/1.png#xywh=0,0,9,9", "cable_1")
    places = Places([maize, gland, part])
    assert places.find(("MANTA", "agriculture", "maize", "test", "mold", "1.png")) == [maize]
    assert places.find(("maize", "test", "mold", "1.png")) == []
    assert places.find(("cable", "test", "bent", "1.png")) == []
    assert places.find(("Cable_1", "raw", "1.png")) == []
    assert places.find(("x", "Cable_1", "raw", "1.png#xywh=0,0,9,9")) == [part]


def test_what_is_no_think_then_answer_text_is_unreadable_by_reason(tmp_path, corpus):
    """Anomaly-Instruct-125K answers in plain sentences."""

    def entry(image: str, *said: str) -> dict[str, object]:
        turns = [{"from": "human", "value": "<image>\nAny anomalies?"}]
        return {
            "id": image,
            "image": image,
            "conversations": turns + [{"from": "gpt", "value": s} for s in said],
        }

    bad, good = "bottle/test/broken_large/000.png", "bottle/test/good/001.png"
    content = [
        entry(bad, "Yes, the bottle is chipped."),
        entry(good, "The bottle looks fine.", right(False)),
        entry(good, "The glass has an even tint."),
        entry(good),
        entry("web/cat.jpg", "No."),
        {"id": 1, "image": bad, "conversations": None},
        {"id": 2, "image": [bad, good], "conversations": []},
    ]
    summary = take(corpus, texts_file(tmp_path, content, "anomaly_instruct.json"))
    assert (summary.entries, summary.matched, summary.verified) == (7, 5, 1)
    assert summary.unreadable.reasons == {
        "no reasoning before the answer": 1,
        "unparsed: neither Yes nor No can be read": 1,
        "nobody answers in the conversation": 1,
        "found an object {'id': int, 'image': str, 'conversations': NoneType}": 1,
    }
    assert summary.unmatched.reasons == {"no such image in the corpus": 1, "does not name one image": 1}
    assert verified(corpus) == {"bottle-test-good-001"}


def test_at_most_five_examples_are_shown(tmp_path, corpus):
    summary = take(corpus, texts_file(tmp_path, {f"test/x/{i}.png": "…" for i in range(9)}))
    assert (summary.unmatched.count, len(summary.unmatched.examples)) == (9, 5)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({}, "found nothing in it"),
        ([], "found nothing in it"),
        ("hello", "found a str"),
        ({BAD: 3}, r"no text in any of 1 entries; 'test/broken_large/000.png': found a int"),
        ([{"image": BAD, "txt": "…"}], r"found an object {'image': str, 'txt': str}"),
        ({BAD: ["…"]}, "found a list"),
    ],
)
def test_other_forms_are_refused_with_what_was_found(tmp_path, corpus, content, found):
    with pytest.raises(DataError, match=rf"text_annos\.json: .*{found}.*; expected an object") as caught:
        take(corpus, texts_file(tmp_path, content))
    assert '"messages"' in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path, corpus):
    broken = tmp_path / "text_annos.json"
    broken.write_text("{")
    with pytest.raises(DataError, match=r"text_annos\.json: not a readable JSON file"):
        take(corpus, broken)
    with pytest.raises(DataError, match=r"missing\.json: not a readable JSON file"):
        take(corpus, tmp_path / "missing.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no text_annos\.json in this folder"):
        take(corpus, tmp_path / "empty")


def test_progress_is_told(tmp_path, corpus):
    seen = []
    file = texts_file(tmp_path, {BAD: right(True), GOOD: right(False), "test/x/1.png": "…"})
    take(corpus, file, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


MMAD = {
    "DS-MVTec/bottle/image/broken_large/000.png": {
        "mask_path": "mask/broken_large/000_mask.png",
        "conversation": [
            {"Question": "Is there any defect?", "Options": {"A": "Yes.", "B": "No."}, "Answer": "A"},
            {"Question": "What is it?", "Options": {"A": "A stain.", "B": "A break."}, "Answer": "B"},
            {"Question": "Where is it?", "Options": {"A": "On the rim."}, "Answer": "C"},
        ],
    },
    "DS-MVTec/bottle/image/good/001.png": {"conversation": []},
}


def mmad_corpus(folder: Path) -> Corpus:
    image = "DS-MVTec/bottle/image/broken_large/000.png"
    return make_corpus(folder, [sample(image, "DS-MVTec_bottle", "mmad", anomalous=True)])


def test_multiple_choice_is_no_text(tmp_path):
    corpus = mmad_corpus(tmp_path / "corpus")
    with pytest.raises(DataError, match=r"mmad\.json: MMAD's questions have no reasoning"):
        take(corpus, texts_file(tmp_path, MMAD, "mmad.json"))
    assert not text_path(corpus, "qwen/72b").exists()


def test_the_right_options_are_descriptions(tmp_path):
    corpus = mmad_corpus(tmp_path / "corpus")
    file = texts_file(tmp_path, MMAD, "mmad.json")
    summary = import_descriptions(corpus, file, origin="mmad")
    assert (summary.entries, summary.matched, summary.descriptions, summary.appended) == (2, 1, 1, 1)
    assert summary.unmatched.count == 1
    (id_,) = (s.id for s in corpus.samples)
    assert read_descriptions(corpus, "mmad") == {id_: [Description(id_, "mmad", "What is it?", "A break.")]}
    assert import_descriptions(corpus, file, origin="mmad").appended == 0
    assert read_descriptions(corpus, "nobody") == {}


def test_what_an_assistant_says_is_a_description(tmp_path, corpus):
    turns = [
        {"from": "human", "value": "<image>\nAny anomalies?"},
        {"from": "gpt", "value": "Yes, the rim is chipped."},
        {"from": "human", "value": "Sure?"},
        {"from": "gpt", "value": "Yes."},
    ]
    content = [
        {"image": "bottle/test/broken_large/000.png", "conversations": turns},
        {"image": f"bottle/{BAD}"},
    ]
    summary = import_descriptions(corpus, texts_file(tmp_path, content, "ov.json"), origin="ov")
    assert (summary.matched, summary.appended, summary.unreadable.count) == (2, 1, 1)
    ((found,),) = read_descriptions(corpus, "ov").values()
    assert (found.question, found.answer) == ("Any anomalies?", "Yes, the rim is chipped.")
