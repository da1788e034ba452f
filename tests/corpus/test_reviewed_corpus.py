"""A corpus as its reviews leave it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builders import SIZE_WH
from decisions import decision, write_reviews
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, ReviewedCorpus, SourceInfo, write_corpus
from mmrad.corpus.reviewed import decide
from mmrad.corpus.reviews import FILE_NAME, Review, count_statuses
from mmrad.errors import DataError
from mmrad.sample import Region, Sample

SCRATCH = Region(Box(10, 20, 40, 50), "scratch", "masks/bad.png")
DENT = Region(Box(50, 5, 60, 15), "dent")


def sample(name: str, *regions: Region, split: str = "test") -> Sample:
    return Sample(
        f"made/part/{split}/{name}", "made", "part", split, f"{name}.png", SIZE_WH, regions, "CC0-1.0"
    )


GOOD = sample("good", split="train")
FINE = sample("fine", split="train")
BAD = sample("bad", SCRATCH)
WORSE = replace(sample("worse", SCRATCH, DENT), given_references=("fine.png", "elsewhere.png"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(tmp_path, {"made": info}, [GOOD, BAD, FINE, WORSE])
    corpus.write_references(
        [
            Reference(BAD.id, 0, "good.png", "aligned", 0.1),
            Reference(BAD.id, 1, "fine.png", "aligned", 0.2),
            Reference(WORSE.id, 0, "fine.png", "aligned", 0.1),
            Reference(GOOD.id, 0, "fine.png", "aligned", 0.1),
        ]
    )
    return tmp_path


def test_without_reviews_it_is_the_corpus(folder: Path) -> None:
    reviewed, built = ReviewedCorpus(folder), Corpus(folder)
    assert (reviewed.samples, reviewed.references) == (built.samples, built.references)
    assert reviewed.decisions.describe() == []


def test_samples_are_as_they_were_left_in_the_order_of_the_corpus(folder: Path) -> None:
    write_reviews(
        folder,
        decision(BAD, (DENT,)),
        decision(GOOD, (SCRATCH,)),
        decision(FINE, outcome="drop"),
        decision(WORSE),
    )
    reviewed = ReviewedCorpus(folder)
    scratched = replace(GOOD, regions=(replace(SCRATCH, mask=None),))  # nobody has a mask of that place
    left = [scratched, replace(BAD, regions=(DENT,)), replace(WORSE, given_references=("elsewhere.png",))]
    assert reviewed.samples == left
    assert reviewed.select(splits=["train"]) == [scratched]
    assert Corpus(folder).samples == [GOOD, BAD, FINE, WORSE]
    assert reviewed.decisions.dropped == (FINE.id,)
    assert reviewed.decisions.describe() == [
        "reviews: 1 samples kept as they were, 2 edited, 1 dropped, 0 not decided"
    ]


def test_a_mask_belongs_to_its_place(folder: Path) -> None:
    moved = replace(SCRATCH, box=Box(11, 20, 41, 50))
    renamed = replace(SCRATCH, label="deep scratch")
    assert decision(BAD, (moved,)).after == (replace(moved, mask=None),)
    write_reviews(folder, decision(WORSE, (renamed, DENT)), decision(BAD, (moved,)))
    _, bad, _, worse = ReviewedCorpus(folder).samples
    assert worse.regions == (renamed, DENT)
    assert bad.regions == (Region(moved.box, "scratch"),)


def test_what_was_dropped_or_found_anomalous_is_no_reference(folder: Path) -> None:
    write_reviews(folder, decision(FINE, outcome="drop"))
    reviewed = ReviewedCorpus(folder)
    assert {key: [one.image for one in found] for key, found in reviewed.references.items()} == {
        BAD.id: ["good.png"]
    }
    (pair,) = reviewed.pairs([BAD], references=2)
    assert [path.name for path in pair.references] == ["good.png"]
    with pytest.raises(DataError, match=r"2 samples have no reference left.*made/part/train/good"):
        reviewed.pairs(iter(reviewed.samples))
    assert all(not pair.references for pair in reviewed.pairs(reviewed.samples, references=0))

    write_reviews(folder, decision(GOOD, (DENT,)))
    assert ReviewedCorpus(folder).references == {}


def test_a_sample_that_never_had_a_reference_is_told_to_get_one(folder: Path) -> None:
    write_reviews(folder, decision(BAD))
    with pytest.raises(DataError, match=r"fine has no reference; run  mmrad reference"):
        ReviewedCorpus(folder).pairs([FINE])


def test_what_cannot_be_applied_is_counted_and_changes_nothing(folder: Path) -> None:
    other = replace(BAD, regions=(DENT,))
    gone, gone_and_dropped = sample("gone"), sample("dropped")
    write_reviews(
        folder,
        decision(other, ()),  # made for other regions
        decision(WORSE, outcome="unsure"),
        decision(GOOD, (DENT,), blind=True, needed=2),
        decision(gone, (DENT,)),
        decision(gone_and_dropped, outcome="drop"),  # a build has left it out already
    )
    reviewed = ReviewedCorpus(folder)
    assert reviewed.samples == Corpus(folder).samples
    assert reviewed.references == Corpus(folder).references
    found = reviewed.decisions
    assert (found.stale, found.missing) == ((BAD.id,), (gone.id,))
    assert set(found.undecided) == {WORSE.id, GOOD.id}
    counts, stale, missing = found.describe()
    assert counts == "reviews: 0 samples kept as they were, 0 edited, 0 dropped, 2 not decided"
    assert "1 samples have other regions than their reviewers saw" in stale and BAD.id in stale
    assert "1 samples are not in the corpus" in missing and gone.id in missing


def test_many_are_not_all_named() -> None:
    def reviews_of(number: int) -> list[Review]:
        return [decision(sample(f"{number}"))]

    reviews = {f"made/part/test/{number}": reviews_of(number) for number in range(5)}
    (line,) = decide([], reviews).describe()
    assert line.endswith("made/part/test/0, made/part/test/1, made/part/test/2 and 2 more")


def test_a_corpus_without_a_sample_left_is_none(folder: Path) -> None:
    write_reviews(folder, *(decision(item, outcome="drop") for item in (GOOD, BAD, FINE, WORSE)))
    with pytest.raises(DataError, match="its reviews drop every sample"):
        _ = ReviewedCorpus(folder).samples


def test_a_damaged_file_of_reviews_is_said(folder: Path) -> None:
    write_reviews(folder, decision(BAD))
    with (folder / FILE_NAME).open("a") as file:
        file.write('{"id": "x"}\n')
    with pytest.raises(DataError, match=r"reviews\.jsonl, line 2: not a review"):
        _ = ReviewedCorpus(folder).samples


def test_counting_how_samples_stand() -> None:
    assert count_statuses([[decision(BAD)], [decision(GOOD)], [decision(FINE, outcome="drop")]]) == {
        "keep": 2,
        "drop": 1,
    }
