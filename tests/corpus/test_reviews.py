"""What follows from people's decisions on a sample."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import make_corpus
from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.corpus.reviews import (
    FILE_NAME,
    Outcome,
    Review,
    StaleReviewError,
    TextReview,
    agree,
    applied,
    dropped_for,
    read_reviews,
    review_of_record,
    review_to_record,
    standing,
)
from mmrad.errors import DataError
from mmrad.journal import Journal
from mmrad.sample import Region, Sample

SCRATCH = (Region(Box(10, 20, 40, 50), "scratch", "masks/1.png"),)
DENT = (Region(Box(10, 20, 40, 52), "dent"),)
SAMPLE = Sample("made/part/test/1", "made", "part", "test", "1.png", (84, 56), SCRATCH, "CC0-1.0")


def review(
    name: str = "1",
    *,
    by: str = "ann",
    outcome: Outcome = "keep",
    before: tuple[Region, ...] = SCRATCH,
    after: tuple[Region, ...] = SCRATCH,
    needed: int = 1,
    reason: str = "",
) -> Review:
    return Review(
        name,
        SAMPLE.id,
        by,
        "2026-11-26T09:00:00Z",
        4.5,
        1,
        needed > 1,
        needed,
        outcome,
        reason,
        before,
        after,
    )


def test_nobody_decided() -> None:
    assert standing([]).status == "open"
    assert applied(SAMPLE, []) == SAMPLE


def test_the_last_of_several_counts() -> None:
    first = review("1", after=DENT)
    second = review("2", outcome="drop", reason="blurred", before=DENT, after=DENT)
    assert standing([first, second]).status == "drop"
    assert applied(SAMPLE, [first, second]) is None
    assert dropped_for([first, second]) == "blurred"
    back = review("3", before=DENT, after=())
    assert applied(SAMPLE, [first, second, back]) == replace(SAMPLE, regions=())
    assert dropped_for([first, second, back]) == ""


def test_unsure_changes_nothing() -> None:
    first = review("1", after=DENT)
    doubt = review("2", outcome="unsure", before=DENT, after=DENT)
    assert standing([first, doubt]).status == "unsure"
    assert applied(SAMPLE, [first, doubt]) == replace(SAMPLE, regions=DENT)
    assert applied(SAMPLE, [doubt]) == SAMPLE


@pytest.mark.parametrize("built_with", [SCRATCH, DENT, ()])
def test_a_corpus_built_with_its_reviews_is_read_alike(built_with: tuple[Region, ...]) -> None:
    chain = [review("1", after=DENT), review("2", before=DENT, after=())]
    assert applied(replace(SAMPLE, regions=built_with), chain) == replace(SAMPLE, regions=())


def test_other_truth_than_reviewers_saw_is_said() -> None:
    other = replace(SAMPLE, regions=(Region(Box(0, 0, 5, 5), "hole"),))
    with pytest.raises(StaleReviewError, match="made/part/test/1"):
        applied(other, [review(after=DENT)])
    # What is dropped needs no boxes to fit.
    assert applied(other, [review(outcome="drop", reason="blurred")]) is None


NEAR = (Region(Box(11, 20, 41, 50), "Scratch"),)
FAR = (Region(Box(30, 20, 60, 50), "scratch"),)


@pytest.mark.parametrize(
    ("after", "outcome", "same"),
    [
        (NEAR, "keep", True),  # a pixel aside, another letter case
        (FAR, "keep", False),
        (DENT, "keep", False),  # the place, but another label
        ((*SCRATCH, *FAR), "keep", False),
        ((), "keep", False),
        (SCRATCH, "drop", False),
        (SCRATCH, "unsure", False),
    ],
)
def test_when_two_people_agree(after: tuple[Region, ...], outcome: Outcome, same: bool) -> None:
    other = review("2", by="bob", outcome=outcome, after=after)
    assert agree(review(), other) is same
    assert agree(other, review()) is same


def test_blind_reviews_wait_for_each_other() -> None:
    ann = review("1", by="ann", after=DENT, needed=2)
    assert standing([ann]).status == "waiting"
    assert applied(SAMPLE, [ann]) == SAMPLE
    bob = review("2", by="bob", after=DENT, needed=2)
    assert standing([ann, bob]).status == "keep"
    assert applied(SAMPLE, [ann, bob]) == replace(SAMPLE, regions=DENT)
    # One person twice is one person.
    assert standing([ann, replace(ann, id="3", number=2)]).status == "waiting"


def test_a_dispute_is_settled_by_one_who_sees_both() -> None:
    ann = review("1", by="ann", after=DENT, needed=2)
    bob = review("2", by="bob", after=FAR, needed=2)
    assert standing([ann, bob]).status == "disputed"
    assert applied(SAMPLE, [ann, bob]) == SAMPLE
    judge = review("3", by="eve", after=FAR)
    assert standing([ann, bob, judge]).status == "keep"
    assert applied(SAMPLE, [ann, bob, judge]) == replace(SAMPLE, regions=FAR)


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), *[st.integers(0, 50)] * 2, *[st.integers(1, 30)] * 2
)
regions = st.lists(st.builds(Region, boxes, st.text(max_size=8)), max_size=3).map(tuple)
reviews = st.builds(
    review,
    name=st.uuids().map(str),
    by=st.sampled_from(["ann", "bob", "eve"]),
    outcome=st.sampled_from(["keep", "drop", "unsure"]),
    after=regions,
    needed=st.integers(1, 3),
    reason=st.text(max_size=9),
)


@given(st.lists(reviews, max_size=8))
def test_any_history_has_a_standing(history: list[Review]) -> None:
    found = standing(history)
    assert (found.status == "open") == (not history)
    assert {item.id for item in found.counting} <= {item.id for item in history}
    assert len({item.reviewer for item in found.blind}) == len(found.blind)


@given(reviews)
def test_records_keep_everything(item: Review) -> None:
    item = replace(item, text=TextReview("scripted", "<think>", True, None, {"parses": True}))
    assert review_of_record(review_to_record(item)) == item


def test_reading_the_file(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, 2)
    assert corpus.reviews == {}
    with Journal(tmp_path / FILE_NAME) as journal:
        for name in ("1", "1", "2"):  # sent twice, stored twice, counted once
            journal.append(review_to_record(review(name)))
    assert [item.id for item in Corpus(tmp_path).reviews[SAMPLE.id]] == ["1", "2"]
    with Journal(tmp_path / FILE_NAME) as journal:
        journal.append({**review_to_record(review("3")), "outcome": "perhaps"})
    with pytest.raises(DataError, match=r"reviews\.jsonl, line 4: not a review"):
        read_reviews(tmp_path)
