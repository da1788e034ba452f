from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrad.errors import UsageError
from mmrad.inspectors.experts.thresholds import Calibration, thresholds


def ramp(count: int) -> Calibration:
    """Scores 1, 2, … in another order than the maxima 10, 20, …."""
    scores = tuple(float(n) for n in range(1, count + 1))
    return Calibration(scores[::-1], tuple(10 * score for score in scores))


@pytest.mark.parametrize(
    ("count", "alpha", "rank", "kind"),
    [
        (1, 0.05, 1, "max"),
        (18, 0.05, 18, "max"),
        (19, 0.05, 19, "conformal"),
        (20, 0.05, 20, "conformal"),
        (39, 0.05, 38, "conformal"),
        (99, 0.29, 71, "conformal"),  # 100 x (1 - 0.29) is 71.00000000000001 in binary
        (99, 0.07, 93, "conformal"),
        (9, 0.1, 9, "conformal"),
        (8, 0.1, 8, "max"),
    ],
)
def test_the_threshold_is_the_value_of_that_rank(count: int, alpha: float, rank: int, kind: str) -> None:
    found = thresholds(ramp(count), alpha)
    assert (found.image, found.pixel, found.kind) == (rank, 10 * rank, kind)
    assert (found.alpha, found.held_out) == (alpha, count)


def test_five_per_cent_is_what_is_taken_by_default() -> None:
    assert thresholds(ramp(40)) == thresholds(ramp(40), 0.05)


@given(count=st.integers(1, 400), percent=st.integers(1, 99))
def test_of_the_held_out_images_and_a_new_one_a_share_alpha_is_flagged_at_most(
    count: int, percent: int
) -> None:
    found = thresholds(ramp(count), percent / 100)
    if found.kind == "max":
        assert (count + 1) * Fraction(percent, 100) < 1
        assert found.image == count
        return
    # A new score is as likely in each of the count + 1 gaps; it is over the threshold in those above it.
    over = Fraction(count + 1 - int(found.image), count + 1)
    assert over <= Fraction(percent, 100)
    assert over + Fraction(1, count + 1) > Fraction(percent, 100), "no stricter than it need be"


def test_the_promise_holds_for_scores_of_any_kind() -> None:
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(4000):
        scores = rng.lognormal(sigma=2, size=40).round(1)
        calibration = Calibration(tuple(scores[:-1]), tuple(scores[:-1]))
        flagged.append(scores[-1] > thresholds(calibration, 0.1).image)
    assert 0.07 < np.mean(flagged) <= 0.1 + 3 * math.sqrt(0.09 / 4000)


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, 5, math.nan])
def test_alpha_is_a_share(alpha: float) -> None:
    with pytest.raises(UsageError, match="alpha"):
        thresholds(ramp(3), alpha)


def test_nothing_follows_from_no_images() -> None:
    with pytest.raises(ValueError, match="0 scores"):
        thresholds(Calibration((), ()))
