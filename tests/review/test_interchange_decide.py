"""What annotations from elsewhere do to the reviews of a corpus: no decision is lost, none is made up."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from elsewhere import Coco, Cvat, Elsewhere, LabelStudio, drawn, moved, taken
from mmrad.box import Box
from mmrad.corpus import Corpus, ReviewedCorpus, SourceInfo, write_corpus
from mmrad.corpus.reviews import Outcome, Review, read_reviews, standing
from mmrad.errors import UsageError
from mmrad.image import encode_png
from mmrad.review.store import Ledger, Store
from mmrad.sample import Region, Sample
from reviewed import GOOD, TURNED, WIDE, reviewed_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return reviewed_corpus(tmp_path / "corpus", 6)


def sample_of(corpus: Corpus, sample_id: str) -> Sample:
    return next(sample for sample in corpus.samples if sample.id == sample_id)


def regions_now(corpus: Corpus, sample_id: str) -> tuple[Region, ...]:
    return sample_of(ReviewedCorpus(corpus.path), sample_id).regions


def here(
    corpus: Corpus, sample_id: str, at: str, *, outcome: Outcome = "keep", needed: int = 1, by: str = "eve"
) -> Review:
    """Somebody decides in the desk, and leaves one new box."""
    shown = regions_now(corpus, sample_id)
    left = (Region(Box(1, 1, 9, 9), "hole"),) if outcome == "keep" else shown
    review = Review(
        os.urandom(8).hex(), sample_id, by, at, 3.0,
        len(read_reviews(corpus.path).get(sample_id, ())) + 1, needed > 1, needed, outcome,
        "bad" if outcome == "drop" else "", shown, left,
    )  # fmt: skip
    store = Store(f"sqlite:///{corpus.path / 'review.sqlite3'}")
    Ledger(store, corpus.path).decide(review)
    store.close()
    return review


BEFORE, AFTER = "2026-11-26T08:00:00Z", "2026-11-26T11:00:00Z"
"""Before and after the time at which the tools' people annotate."""


def test_several_people_on_one_task_are_blind_and_must_agree(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    for person, far in ((7, 5.0), ({"id": 8, "email": "bob@example.org"}, 6.0)):
        there.edit(WIDE, moved(far, 0), person=person)
    there.edit(TURNED, moved(5, 0), person=7)
    there.edit(TURNED, moved(-20, -300), person=8)
    found = taken(corpus, "label-studio", there.file())
    assert (found.changed, found.blind) == (4, 4)
    reviews = read_reviews(corpus.path)
    assert [(one.reviewer, one.blind, one.needed, one.number) for one in reviews[WIDE]] == [
        ("label-studio:7", True, 2, 1),
        ("label-studio:8", True, 2, 1),
    ]
    assert standing(reviews[WIDE]).status == "keep"
    assert standing(reviews[TURNED]).status == "disputed"
    assert regions_now(corpus, TURNED) == sample_of(corpus, TURNED).regions


def test_a_second_annotator_makes_both_blind(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, moved(5, 0), person=7)
    taken(corpus, "label-studio", there.file())
    there.edit(WIDE, moved(-30, 0), person=8)
    found = taken(corpus, "label-studio", there.file())
    assert found.blind == 2
    reviews = read_reviews(corpus.path)[WIDE]
    assert [one.blind for one in reviews] == [False, True, True]
    assert standing(reviews).status == "disputed"


def test_one_name_cannot_stand_for_several_people(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, person=7)
    there.edit(TURNED, person=8)
    file = there.file()
    with pytest.raises(UsageError, match=r"work of 2 people \(7, 8\)"):
        taken(corpus, "label-studio", file, reviewer="ann")
    assert read_reviews(corpus.path) == {}


def test_a_name_of_ones_own(corpus: Corpus, tmp_path: Path) -> None:
    there = Coco(corpus, tmp_path / "there")
    there.edit(WIDE, moved(5, 0))
    taken(corpus, "coco", there.file(), reviewer="ann")
    [review] = read_reviews(corpus.path)[WIDE]
    assert (review.reviewer, review.blind, review.number) == ("ann", False, 1)


def test_two_jobs_of_cvat_are_compared_when_they_are_said_to_be_blind(corpus: Corpus, tmp_path: Path) -> None:
    for person, far in (("ann", 5), ("bob", 6)):
        there = Cvat(corpus, tmp_path / person)
        there.assign(person)
        there.edit(WIDE, moved(far, 0), outcome="keep")
        assert taken(corpus, "cvat", there.file(), blind=True).blind == 1
    reviews = read_reviews(corpus.path)[WIDE]
    assert [one.reviewer for one in reviews] == ["cvat:ann", "cvat:bob"]
    assert standing(reviews).status == "keep"


def test_later_work_of_the_same_person_follows(corpus: Corpus, tmp_path: Path) -> None:
    """Also when it goes back to how the image was at first; an older file changes nothing."""
    there = Cvat(corpus, tmp_path / "there")
    there.edit(WIDE, moved(7, 0), outcome="keep")
    first = there.file()
    there.at("2026-11-26 13:00:00+02:00")
    there.edit(WIDE, moved(-7, 0), outcome="keep")
    second = there.file()
    assert taken(corpus, "cvat", first, second).changed == 2
    assert regions_now(corpus, WIDE) == tuple(replace(r, mask=None) for r in sample_of(corpus, WIDE).regions)
    assert taken(corpus, "cvat", first).known == 1
    assert [one.number for one in read_reviews(corpus.path)[WIDE]] == [1, 2]


def test_all_work_of_one_person_on_a_task_is_taken_in_its_order(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, moved(9, 0), at="2026-11-26T10:30:00Z")  # Label Studio may list the latest first
    there.edit(WIDE, moved(4, 0), at="2026-11-26T10:00:00Z")
    taken(corpus, "label-studio", there.file())
    was = sample_of(corpus, WIDE).regions[0].box.x1
    assert [one.after[0].box.x1 - was for one in read_reviews(corpus.path)[WIDE]] == [4, 9]


def test_an_older_file_that_comes_later_changes_nothing(corpus: Corpus, tmp_path: Path) -> None:
    there = Cvat(corpus, tmp_path / "there")
    there.edit(WIDE, moved(7, 0), outcome="keep")
    older = there.file()
    there.at("2026-11-26 13:00:00+02:00")
    there.edit(WIDE, moved(-2, 0), outcome="keep")
    taken(corpus, "cvat", there.file())
    assert taken(corpus, "cvat", older).known == 1
    assert regions_now(corpus, WIDE)[0].box.x1 == sample_of(corpus, WIDE).regions[0].box.x1 + 5


def test_the_same_work_in_a_later_file_is_no_new_review(corpus: Corpus, tmp_path: Path) -> None:
    there = Cvat(corpus, tmp_path / "there")
    there.edit(WIDE, moved(7, 0), outcome="keep")
    there.edit(TURNED, outcome="drop", reason="blurred")
    taken(corpus, "cvat", there.file())
    there.at("2026-11-26 13:00:00+02:00")
    assert taken(corpus, "cvat", there.file()).known == 2
    assert sum(map(len, read_reviews(corpus.path).values())) == 2


@pytest.mark.parametrize("tool", [LabelStudio, Cvat, Coco])
def test_a_decision_made_here_since_is_not_undone(
    corpus: Corpus, tmp_path: Path, tool: type[Elsewhere]
) -> None:
    there = tool(corpus, tmp_path / "there")
    made = here(corpus, WIDE, AFTER)
    if tool is LabelStudio:
        there.edit(WIDE)  # submitted as it was exported
    found = taken(corpus, there.tool, there.file(), finished=True)
    assert len(found.refused) == 1
    assert "eve decided on it here since" in found.refused[0]
    assert regions_now(corpus, WIDE) == made.after
    if tool is not LabelStudio:  # nothing shows that somebody looked at it there
        assert taken(corpus, there.tool, there.file()).refused == []


@pytest.mark.parametrize("tool", [LabelStudio, Cvat])
def test_an_annotation_older_than_a_decision_here_is_refused(
    corpus: Corpus, tmp_path: Path, tool: type[Elsewhere]
) -> None:
    there = tool(corpus, tmp_path / "there")
    here(corpus, WIDE, AFTER)
    there.edit(WIDE, moved(9, 0))
    assert "eve decided" in taken(corpus, there.tool, there.file()).refused[0]


def test_later_work_on_what_it_was_before_a_decision_here_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    """Label Studio tells what the person began with."""
    there = LabelStudio(corpus, tmp_path / "there")
    here(corpus, WIDE, BEFORE)
    made = here(corpus, GOOD, BEFORE)
    there.edit(WIDE, moved(9, 0))
    there.edit(GOOD, drawn("dent", 5, 5, 50, 50))  # which was normal, and so had no prediction
    assert len(taken(corpus, "label-studio", there.file()).refused) == 2
    assert regions_now(corpus, GOOD) == made.after


def test_work_on_what_was_decided_here_before_is_taken(corpus: Corpus, tmp_path: Path) -> None:
    here(corpus, WIDE, BEFORE)
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, drawn("dent", 20, 20, 40, 40))
    assert taken(corpus, "label-studio", there.file()).changed == 1
    assert [region.label for region in regions_now(corpus, WIDE)] == ["hole", "dent"]
    assert [one.number for one in read_reviews(corpus.path)[WIDE]] == [1, 2]


def test_blind_reviews_that_wait_are_not_settled_from_elsewhere(corpus: Corpus, tmp_path: Path) -> None:
    here(corpus, WIDE, BEFORE, needed=2)
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, moved(9, 0))
    assert "blind reviews are not settled" in taken(corpus, "label-studio", there.file()).refused[0]
    assert taken(corpus, "label-studio", there.file(), blind=True).blind == 1
    assert standing(read_reviews(corpus.path)[WIDE]).status == "disputed"


def test_a_dropped_sample_can_be_taken_back(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    here(corpus, WIDE, BEFORE, outcome="drop")
    assert WIDE not in {sample.id for sample in ReviewedCorpus(corpus.path).samples}
    there.edit(WIDE)
    assert taken(corpus, "label-studio", there.file()).unchanged == 1
    assert regions_now(corpus, WIDE) == sample_of(corpus, WIDE).regions


def test_an_image_that_lost_all_boxes_needs_a_word(corpus: Corpus, tmp_path: Path) -> None:
    """A task whose annotations were never uploaded looks the same."""
    there = Cvat(corpus, tmp_path / "there")
    there.edit(WIDE, lambda boxes: [])
    assert taken(corpus, "cvat", there.file()).open == len(corpus.samples)
    assert regions_now(corpus, WIDE)
    there.edit(WIDE, lambda boxes: [], outcome="keep")
    assert taken(corpus, "cvat", there.file()).changed == 1
    assert regions_now(corpus, WIDE) == ()


def test_images_of_another_corpus_are_named(corpus: Corpus, tmp_path: Path) -> None:
    other = reviewed_corpus(tmp_path / "other", 9)
    for tool in (LabelStudio, Cvat, Coco):
        there = tool(other, tmp_path / tool.tool)
        strange = other.samples[-1].id
        there.edit(strange, drawn("dent", 2, 2, 9, 9))
        found = taken(corpus, there.tool, there.file())
        assert any(strange.rpartition("/")[2] in name for name in found.unknown), tool
        assert len(found.unknown) == 3
        assert "are not in the corpus" in found.describe()


def test_another_size_of_the_image_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    """Someone scaled the images before they went into the tool."""
    there = Cvat(corpus, tmp_path / "there")
    there.images[WIDE].set("width", "800")
    there.images[WIDE].set("height", "300")
    there.edit(WIDE, moved(1.5, 1.5), outcome="keep")
    found = taken(corpus, "cvat", there.file())
    assert len(found.refused) == 1
    assert "is 800x300 there and 400x150 here" in found.refused[0]


def test_raw_data_that_changed_since_a_review_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    there = LabelStudio(corpus, tmp_path / "there")
    there.edit(WIDE, moved(9, 0))
    old = here(corpus, WIDE, BEFORE)
    text = (corpus.path / "reviews.jsonl").read_text()
    x1 = old.before[0].box.x1
    (corpus.path / "reviews.jsonl").write_text(text.replace(f"[{x1}", f"[{x1 + 1}"))
    (corpus.path / "review.sqlite3").unlink()
    assert "review it again" in taken(corpus, "label-studio", there.file()).refused[0]


def test_of_regions_in_one_place_labels_stay_with_their_own(tmp_path: Path) -> None:
    """Two labels on one place come back in another order."""
    raw = tmp_path / "corpus" / "raw"
    raw.mkdir(parents=True)
    (raw / "a.png").write_bytes(encode_png(np.full((40, 60, 3), 90, np.uint8)))
    pair = (Region(Box(10, 10, 30, 30), "dent", "m.png"), Region(Box(10, 10, 30, 30), "scratch", "m.png"))
    sample = Sample("s/c/test/a", "s", "c", "test", "a.png", (60, 40), pair, "CC0-1.0")
    corpus = write_corpus(
        tmp_path / "corpus", {"s": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, [sample]
    )
    there = LabelStudio(Corpus(corpus.path), tmp_path / "there")
    there.edit(sample.id, lambda boxes: list(reversed(boxes)))
    assert taken(corpus, "label-studio", there.file()).unchanged == 1
    assert regions_now(corpus, sample.id) == pair
