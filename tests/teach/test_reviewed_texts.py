"""Texts as people's reviews leave them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from decisions import decision, on_text, write_reviews
from mmrad.box import Box
from mmrad.corpus import Corpus, ReviewedCorpus, write_corpus
from mmrad.corpus.reviews import FILE_NAME
from mmrad.errors import DataError
from mmrad.journal import Journal
from mmrad.sample import Reasoning, Region
from mmrad.teach import chosen_texts, passed, read_texts
from mmrad.teach.texts import after_reviews, read_answers, text_path, truth_hash
from mmrad.teach.verify import CHECKS

TEACHER = "org/model:large"
JOURNAL = "org_model_large"
OTHER = (Region(Box(100, 40, 130, 70), "red stain"),)
ALL = dict.fromkeys(CHECKS, True)
ONE = "made/nut/test/one"


def said(words: str) -> str:
    return f"<think>{words}</think><answer>Yes</answer>"


FIRST, SECOND, EDITED = said("A red stain."), said("I see a stain."), said("A stain, as I wrote.")


@pytest.fixture
def taught(corpus: Corpus) -> Corpus:
    """A corpus with one verified text, of the sample `ONE`."""
    answer(corpus, FIRST)
    return corpus


def answer(corpus: Corpus, text: str, *, key: str = "k", number: int = 1, **others: Any) -> None:
    record = {
        "sample_id": ONE, "key": key, "try": number, "teacher": TEACHER, "view_wh": [84, 56], "status": "ok",
        "text": text, "verified": True, "checks": ALL, "quality": 0.9,
        "truth": truth_hash(next(sample for sample in corpus.samples if sample.id == ONE)),
    }  # fmt: skip
    with Journal(text_path(corpus, TEACHER)) as journal:
        journal.append({**record, **others})


def review(corpus: Corpus, *text: Any, after: tuple[Region, ...] | None = None, **others: Any) -> None:
    """Review the text of the sample `ONE` as `on_text` says."""
    sample = next(sample for sample in Corpus(corpus.path).samples if sample.id == ONE)
    others = {"text": on_text(*text, by=others.pop("by", JOURNAL)), **others}
    write_reviews(corpus.path, decision(sample, after, **others))


def text_now(corpus: Corpus, *, reviewed: bool = False) -> Reasoning:
    opened = (ReviewedCorpus if reviewed else Corpus)(corpus.path)
    found = read_texts(opened, TEACHER)[ONE]
    assert (ONE in chosen_texts(opened)) is found.verified
    return found


def test_a_text_without_a_review_has_no_such_check(taught: Corpus) -> None:
    found = text_now(taught)
    assert found.checks == ALL and found.verified and passed(found.checks)


@pytest.mark.parametrize("by", [TEACHER, JOURNAL])
def test_a_text_that_a_person_refuses_is_not_verified(taught: Corpus, by: str) -> None:
    review(taught, FIRST, False, by=by)
    found = text_now(taught)
    assert found.text == FIRST
    assert found.checks == ALL | {"review": False}
    assert not found.verified


def test_a_text_that_a_person_approves_stays_as_verified_as_it_was(taught: Corpus) -> None:
    review(taught, FIRST, True)
    assert text_now(taught).checks == ALL | {"review": True}
    assert text_now(taught).verified
    answer(taught, FIRST, verified=False, checks=ALL | {"iou": False})  # mmrad verify looked again
    assert not text_now(taught).verified
    assert text_now(taught).checks["review"]


@pytest.mark.parametrize(
    ("good", "checks", "verified"),
    [
        (True, ALL, True),
        (True, ALL | {"iou": False}, False),
        (True, {"parses": True}, False),
        (False, ALL, False),
    ],
)
def test_an_edited_text_takes_the_place_of_the_other(
    taught: Corpus, good: bool, checks: dict[str, bool], verified: bool
) -> None:
    review(taught, FIRST, good, EDITED, checks)
    found = text_now(taught)
    assert (found.text, found.think) == (EDITED, "A stain, as I wrote.")
    assert found.checks == checks | {"review": good}
    assert found.verified is verified
    assert found.view_wh == (84, 56)


def test_an_edited_text_makes_one_verified_that_was_not(taught: Corpus) -> None:
    answer(taught, FIRST, verified=False, checks=ALL | {"label": False})
    assert not text_now(taught).verified
    review(taught, FIRST, True, EDITED, ALL)
    assert text_now(taught).verified


def test_an_edited_text_is_verified_for_the_truth_that_the_person_left(taught: Corpus) -> None:
    left = (Region(Box(9, 4, 61, 21), "red stain"),)  # browsers write whole numbers, the tables have others
    review(taught, FIRST, True, EDITED, ALL, after=left)
    assert text_now(taught).text == EDITED
    assert not text_now(taught).verified  # the corpus was built before
    assert text_now(taught, reviewed=True).verified
    rebuilt = write_corpus(taught.path, taught.manifest.sources, ReviewedCorpus(taught.path).samples)
    assert text_now(rebuilt).verified
    # Regions that change once more make it a text about something else.
    review(rebuilt, FIRST, True, after=(replace(left[0], label="blue stain"),))
    assert not text_now(taught, reviewed=True).verified


def test_a_text_that_was_right_for_other_regions_is_not_approved_for_the_new_ones(taught: Corpus) -> None:
    review(taught, FIRST, True, after=OTHER)
    assert text_now(taught).verified
    assert not text_now(taught, reviewed=True).verified


def test_reviews_follow_each_other(taught: Corpus) -> None:
    review(taught, FIRST, False)
    review(taught, FIRST, True, number=2)  # somebody else finds it good after all
    assert text_now(taught).verified
    review(taught, FIRST, True, EDITED, ALL, number=3)
    assert text_now(taught).text == EDITED
    review(taught, EDITED, False, number=4)
    assert (text_now(taught).text, text_now(taught).verified) == (EDITED, False)
    review(taught, EDITED, True, SECOND, ALL, number=5)
    assert (text_now(taught).text, text_now(taught).verified) == (SECOND, True)


def test_an_edited_text_that_a_journal_has_keeps_the_checks_of_the_journal(taught: Corpus) -> None:
    review(taught, FIRST, True, EDITED, {"parses": True})
    answer(taught, EDITED)
    assert text_now(taught).checks == ALL | {"review": True}
    assert text_now(taught).verified


def test_reviews_of_other_texts_and_teachers_change_nothing(taught: Corpus) -> None:
    review(taught, SECOND, False)
    review(taught, FIRST, False, by="somebody else", number=2)
    review(taught, FIRST, False, blind=True, needed=2, number=1)  # the second person has not decided yet
    assert text_now(taught).checks == ALL
    assert text_now(taught).verified


def test_a_review_of_the_boxes_alone_says_nothing_of_the_text(taught: Corpus) -> None:
    sample = next(sample for sample in taught.samples if sample.id == ONE)
    write_reviews(taught.path, decision(sample))
    assert text_now(taught).checks == ALL


def test_blind_reviews_that_agree_count(taught: Corpus) -> None:
    for by in ("ann", "bob"):
        review(taught, FIRST, False, blind=True, needed=2, reviewer=by)
    assert not text_now(taught).verified


def test_of_several_answers_the_approved_one_is_the_text_and_a_refused_one_is_not(taught: Corpus) -> None:
    answer(taught, SECOND, number=2, quality=1.0)
    assert text_now(taught).text == SECOND
    review(taught, SECOND, False)
    assert text_now(taught).text == FIRST
    review(taught, FIRST, True, number=2)
    answer(taught, said("A newer one."), key="newer")
    assert text_now(taught).text == FIRST


def test_an_approved_text_of_another_truth_yields_to_a_newer_one(taught: Corpus) -> None:
    review(taught, FIRST, True, after=OTHER)
    rebuilt = write_corpus(taught.path, taught.manifest.sources, ReviewedCorpus(taught.path).samples)
    answer(rebuilt, SECOND, key="newer")
    assert (text_now(rebuilt).text, text_now(rebuilt).verified) == (SECOND, True)


def test_a_dropped_sample_has_no_text_in_the_reviewed_corpus(taught: Corpus) -> None:
    answer(taught, FIRST, sample_id="made/nut/test/two", truth=None)
    review(taught, FIRST, True, outcome="drop")
    assert set(read_texts(ReviewedCorpus(taught.path), TEACHER)) == {"made/nut/test/two"}


def test_failures_and_journals_stay_as_they_are(taught: Corpus) -> None:
    answer(taught, "", number=2, status="empty", verified=False)
    answers = read_answers(text_path(taught, TEACHER))[ONE]
    review(taught, FIRST, True)
    opened = Corpus(taught.path)
    sample = next(sample for sample in opened.samples if sample.id == ONE)
    reviewed = after_reviews(answers, sample, opened.reviews[ONE], TEACHER)
    assert reviewed[1] == answers[1]
    assert reviewed[0]["checks"] == ALL | {"review": True}
    assert read_answers(text_path(taught, TEACHER))[ONE] == answers


def test_one_truth_has_one_hash_whatever_wrote_its_numbers(corpus: Corpus) -> None:
    whole, others = (
        replace(corpus.samples[0], regions=(Region(box, "dent"),))
        for box in (Box(1, 2, 30, 40), Box(1.0, 2.0, 30.0, 40.0))
    )
    assert truth_hash(whole) == truth_hash(others) != truth_hash(corpus.samples[0])


def test_damaged_files_are_named(taught: Corpus) -> None:
    answer(taught, FIRST, checks=None)
    review(taught, FIRST, True)
    with pytest.raises(DataError, match=r"org_model_large\.jsonl.*no teacher's text"):
        text_now(taught)
    (taught.path / FILE_NAME).write_text("[]\n")
    with pytest.raises(DataError, match=r"reviews\.jsonl, line 1"):
        text_now(taught)
