"""Every answer of a teacher is judged again, and nobody is asked."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.errors import DataError
from mmrad.journal import Journal, read_journal
from mmrad.sample import Region
from mmrad.teach.reverify import verify_corpus
from mmrad.teach.texts import read_texts, text_path, truth_hash
from mmrad.teach.verify import CHECKS, Limits

VIEW_WH = (260, 140)
"""Twice the size of the images."""

ONE = Instance(Box(20, 10, 120, 40), "red stain")
"""The place of the sample `one`, in pixels of the view."""

GOOD = render(f"The second image differs from the first at {list(ONE.box.rounded())}.", [ONE])
NORMAL = render("Both images show the same part without any change.", ())
LEAKING = GOOD.replace("differs", "has a red box and differs")


def same(first: str, second: str) -> float:
    return float(first == second)


def answer(sample: str, text: str, **more) -> dict:
    """A line as an earlier version wrote it, with fewer checks."""
    return {
        "sample_id": f"made/nut/test/{sample}",
        "key": "k",
        "try": 1,
        "teacher": "org/m",
        "view_wh": list(VIEW_WH),
        "text": text,
        "verified": True,
        "checks": {"parses": True, "verdict": True},
        **more,
    }


@pytest.fixture
def journal(corpus: Corpus) -> Path:
    """A journal with two answers about `one`, one each about two others, and some that do not count."""
    path = text_path(corpus, "org/m")
    with Journal(path) as journal:
        for record in (
            answer("one", LEAKING, dollars=0.5),
            answer("one", GOOD, **{"try": 2}),
            answer("good", NORMAL),
            answer("fine", GOOD),
            answer("two", "", status="refused", checks={}),
            answer("unknown", NORMAL),
        ):
            journal.append(record)
    return path


def rebuilt(corpus: Corpus, box: Box) -> Corpus:
    """The corpus with another truth of `one`."""
    samples = [
        replace(s, regions=(Region(box, "red stain"),)) if s.id.endswith("/one") else s
        for s in corpus.samples
    ]
    return write_corpus(
        corpus.path, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples
    )


def test_every_answer_is_judged_and_changes_are_appended(corpus: Corpus, journal: Path) -> None:
    before = journal.read_bytes()
    found = verify_corpus(corpus, "org/m", similarity=same)
    assert (found.changed, found.left_out) == (4, 1)
    assert (found.answers.overall.texts, found.answers.overall.verified) == (4, 2)
    assert (found.samples.overall.texts, found.samples.overall.verified) == (3, 2)
    assert found.answers.overall.checks == dict.fromkeys(CHECKS, 4) | {
        "verdict": 3, "count": 3, "iou": 3, "label": 3, "hint_leak": 3,
    }  # fmt: skip
    assert journal.read_bytes().startswith(before)
    leaking, good, *_ = list(read_journal(journal))[6:]
    assert leaking["dollars"] == 0.5
    assert leaking["text"] == LEAKING and not leaking["verified"]
    assert "red box" in leaking["feedback"]
    assert good["verified"] and good["try"] == 2 and good["quality"] == 1 and "feedback" not in good
    assert good["truth"] == truth_hash(next(s for s in corpus.samples if s.id.endswith("/one")))
    texts = read_texts(corpus, "org/m")
    assert texts["made/nut/test/one"].text == GOOD and texts["made/nut/test/one"].verified
    assert not texts["made/nut/test/fine"].verified


def test_once_more_changes_nothing(corpus: Corpus, journal: Path) -> None:
    verify_corpus(corpus, "org/m", similarity=same)
    before = journal.read_bytes()
    assert verify_corpus(corpus, "org/m", similarity=same).changed == 0
    assert journal.read_bytes() == before


def test_an_earlier_answer_becomes_the_text_when_the_truth_is_corrected(
    corpus: Corpus, journal: Path
) -> None:
    other = Box(60, 30, 110, 60)
    first = render(
        "The second image differs from the first at [120, 60, 220, 120].",
        [Instance(other.scaled(2, 2), "red stain")],
    )
    with Journal(journal) as lines:
        lines.append(answer("one", first))  # in place of the first answer
    assert verify_corpus(corpus, "org/m", similarity=same).samples.overall.verified == 2
    assert read_texts(corpus, "org/m")["made/nut/test/one"].text == GOOD
    corpus = rebuilt(corpus, other)
    assert not read_texts(corpus, "org/m")["made/nut/test/one"].verified
    assert verify_corpus(corpus, "org/m", similarity=same).changed == 2
    text = read_texts(corpus, "org/m")["made/nut/test/one"]
    assert text.text == first and text.verified


def test_limits_decide(corpus: Corpus, journal: Path) -> None:
    strict = verify_corpus(corpus, "org/m", similarity=same, limits=Limits(min_words=50))
    assert strict.answers.overall.verified == strict.answers.overall.checks["length"] == 0
    assert verify_corpus(corpus, "org/m", similarity=same).answers.overall.verified == 2


def test_words_of_the_category_count(corpus: Corpus) -> None:
    samples = [replace(sample, category="red box") for sample in corpus.samples]
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(corpus.path, {"made": info}, samples)
    with Journal(text_path(corpus, "org/m")) as lines:
        lines.append(answer("one", LEAKING))
    assert verify_corpus(corpus, "org/m", similarity=same).answers.overall.verified == 1


def test_rates_are_told_by_check_and_category(corpus: Corpus, journal: Path) -> None:
    found = verify_corpus(corpus, "org/m", similarity=same)
    head, row, everything = found.answers.rows()
    assert head == ["category", "texts", "verified", *CHECKS]
    assert row[:4] == ["made/nut", "4", "50.0", "100.0"]
    assert everything == ["all", *row[1:]]
    said = found.describe().splitlines()
    assert said[0] == (
        "org/m: 2 of 3 (66.7 %) samples with texts have a verified one; 2 of 4 answers pass; 4 changed; "
        "1 answers of samples that the corpus no longer has were left out"
    )
    assert [line.split() for line in said[1:]] == [head, row, everything]
    assert len({len(line) for line in said[1:]}) == 1
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["answers"]["categories"]["made/nut"]["checks"]["hint_leak"] == 3
    assert plain["teacher"] == "org/m"


def test_progress_counts_answers(corpus: Corpus, journal: Path) -> None:
    seen: list[tuple[int, int]] = []
    verify_corpus(corpus, "org/m", similarity=same, progress=lambda *now: seen.append(now))
    assert seen == [(2, 4), (3, 4), (4, 4)]


def test_texts_that_do_not_exist_are_an_error(corpus: Corpus, journal: Path) -> None:
    with pytest.raises(DataError, match=r"no texts by the teacher 'gpt'; there are texts by \['org_m'\]"):
        verify_corpus(corpus, "gpt")
    assert not text_path(corpus, "gpt").exists()


def test_a_foreign_record_is_named(corpus: Corpus, journal: Path) -> None:
    with Journal(journal) as lines:
        lines.append(answer("two", None))
    with pytest.raises(
        DataError, match=r"org_m\.jsonl: the record of made/nut/test/two is no teacher's text"
    ):
        verify_corpus(corpus, "org/m", similarity=same)
