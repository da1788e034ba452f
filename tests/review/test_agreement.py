"""How far reviewers agree, against scikit-learn and by hand."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from mmrad.box import Box
from mmrad.corpus.reviews import Outcome, Review
from mmrad.review.agreement import agreement, cohens_kappa
from mmrad.sample import Region

SCRATCH = Region(Box(10, 20, 40, 50), "scratch")
LOWER = Region(Box(10, 30, 40, 60), "Scratch")  # IoU 1/2 with SCRATCH
DENT = Region(Box(60, 60, 70, 70), "dent")


def review(
    by: str, outcome: Outcome = "keep", after: tuple[Region, ...] = (), *, blind: bool = True
) -> Review:
    needed = 2 if blind else 1
    return Review("1", "a/b/c/d", by, "2026-11-26T09:00:00Z", 1.0, 1, blind, needed, outcome, "", (), after)


judgements = st.lists(st.tuples(*[st.sampled_from(["keep", "drop", "unsure"])] * 2), max_size=40)


@settings(max_examples=300)
@given(judgements)
def test_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    found = cohens_kappa(pairs)
    if len({said for pair in pairs for said in pair}) < 2:
        assert found is None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = cohen_kappa_score([one for one, _ in pairs], [other for _, other in pairs])
    assert found == pytest.approx(expected)


def test_kappa_of_a_known_table() -> None:
    # Both say yes 20 times, both no 15, only the first yes 5, only the second yes 10.
    pairs = [(1, 1)] * 20 + [(0, 0)] * 15 + [(1, 0)] * 5 + [(0, 1)] * 10
    assert cohens_kappa(pairs) == pytest.approx(0.4)


def test_two_people_sample_by_sample() -> None:
    histories = [
        [review("bob", after=(SCRATCH,)), review("ann", after=(LOWER, DENT))],
        [review("ann"), review("bob")],
        [review("ann", "drop"), review("bob", "drop")],
        [review("ann", "unsure"), review("bob", after=(DENT,))],
    ]
    [found] = agreement(histories)
    assert found.reviewers == ("ann", "bob")
    assert found.samples == 4
    # keep/keep twice, drop/drop, unsure/keep: 3 of 4 equal, by chance (2*3 + 1*1 + 1*0)/16.
    assert found.kappa_outcome == pytest.approx((3 / 4 - 7 / 16) / (1 - 7 / 16))
    assert found.kappa_anomalous == 1.0
    assert found.matched_boxes == pytest.approx(2 / 3)
    assert found.mean_iou == pytest.approx(0.5)
    assert found.equal_labels == 1.0
    assert found.agreed == 0.5  # the first has a box too many, the last another outcome


def test_what_is_undefined_is_none() -> None:
    [found] = agreement([[review("ann"), review("bob")]] * 3)
    assert (found.kappa_outcome, found.kappa_anomalous) == (None, None)
    assert (found.matched_boxes, found.mean_iou, found.equal_labels) == (None, None, None)
    assert (found.samples, found.agreed) == (3, 1.0)


def test_other_labels_and_boxes_too_far_apart() -> None:
    here, there = (SCRATCH,), (replace(SCRATCH, label="dent"), DENT)
    [found] = agreement([[review("ann", after=here), review("bob", after=there)]])
    assert (found.mean_iou, found.equal_labels, found.agreed) == (1.0, 0.0, 0.0)
    [apart] = agreement([[review("ann", after=here), review("bob", after=(DENT,))]])
    assert (apart.matched_boxes, apart.mean_iou, apart.equal_labels) == (0.0, None, None)


def test_only_blind_reviews_of_the_same_round_are_compared() -> None:
    judge = review("eve", blind=False)
    # Ann again after the judge: it is compared with nobody's of the round before.
    assert agreement([[review("bob"), judge, review("ann")]]) == []
    assert agreement([[review("bob", blind=False), review("ann", blind=False)]]) == []
    # A person's second thoughts count, once.
    [found] = agreement([[review("ann", "drop"), review("bob"), review("ann"), judge]])
    assert (found.samples, found.agreed) == (1, 1.0)


def test_three_people_are_three_pairs() -> None:
    found = agreement([[review("cy"), review("ann"), review("bob", "drop")]])
    assert [pair.reviewers for pair in found] == [("ann", "bob"), ("ann", "cy"), ("bob", "cy")]
    assert [pair.agreed for pair in found] == [0.0, 1.0, 0.0]


def test_kappa_is_no_numpy_number() -> None:
    assert not isinstance(cohens_kappa([(0, 0), (1, 1)]), np.generic)
