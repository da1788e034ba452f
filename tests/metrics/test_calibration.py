from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from mmrad.box import Box
from mmrad.metrics import Calibration, calibration
from mmrad.sample import Region, Sample, ScoreKind, Verdict

MakeSample = Callable[..., Sample]
DENT = [(10, 10, 20, 20)]


def _calibrated(
    sample: MakeSample, scores: list[float | None], truth: list[bool], kind: ScoreKind | None = "probability"
) -> Calibration:
    samples = [sample(str(i), DENT if bad else ()) for i, bad in enumerate(truth)]
    verdicts = {
        s.id: Verdict(True, (), "", "", score, "ok", score_kind=None if score is None else kind)
        for s, score in zip(samples, scores, strict=True)
    }
    return calibration(samples, verdicts)


def test_a_score_that_is_the_share_is_calibrated(sample: MakeSample) -> None:
    found = _calibrated(sample, [0.75] * 4 + [0.25] * 4, [True] * 3 + [False] + [True] + [False] * 3)
    assert found.ece == 0
    assert found.brier == pytest.approx((6 * 0.0625 + 2 * 0.5625) / 8)
    assert [(b.low, b.queries, b.anomalous) for b in found.bins] == [(0.25, 4, 0.25), (0.75, 4, 0.75)]


def test_certainty_that_is_always_wrong_is_the_worst(sample: MakeSample) -> None:
    found = _calibrated(sample, [1.0, 1.0, 0.0, 0.0], [False, False, True, True])
    assert (found.ece, found.brier) == (1, 1)


def test_the_error_weighs_bins_by_their_queries(sample: MakeSample) -> None:
    found = _calibrated(sample, [0.9] * 6 + [0.1] * 2, [True] * 3 + [False] * 3 + [False] * 2)
    assert found.ece == pytest.approx((6 * 0.4 + 2 * 0.1) / 8)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.5, 0.55, 0.9, 1.0]), st.booleans()), min_size=1))
def test_brier_is_sklearns_and_equal_scores_share_a_bin(rows: list[tuple[float, bool]]) -> None:
    region = (Region(Box(0, 0, 1, 1), "dent"),)
    bad = [
        Sample(f"p/c/test/{i}", "p", "c", "test", f"{i}.png", (9, 9), region * anomalous, "")
        for i, (_, anomalous) in enumerate(rows)
    ]
    verdicts = {
        s.id: Verdict(True, (), "", "", row[0], "ok", score_kind="confidence")
        for s, row in zip(bad, rows, strict=True)
    }
    found = calibration(bad, verdicts, bins=3)
    scores, truth = zip(*rows, strict=True)
    assert found.brier == pytest.approx(brier_score_loss(truth, scores, pos_label=True, labels=[False, True]))
    assert sum(part.queries for part in found.bins) == len(rows)
    assert len(found.bins) <= 3
    ends = [end for part in found.bins for end in (part.low, part.high)]
    assert ends == sorted(ends)
    assert all(a.high < b.low for a, b in zip(found.bins, found.bins[1:], strict=False))
    assert found.ece is not None and 0 <= found.ece <= 1


def test_bins_have_equal_mass(sample: MakeSample) -> None:
    rng = np.random.default_rng(0)
    found = _calibrated(sample, list(rng.random(200) ** 8), [True] * 200)
    assert [part.queries for part in found.bins] == [20] * 10


def test_what_has_no_score_is_left_out_and_counted(sample: MakeSample) -> None:
    found = _calibrated(sample, [0.5, None, 0.5], [True, True, False])
    assert (found.queries, found.unscored, found.ece) == (2, 1, 0)


@pytest.mark.parametrize("scores", [[None, None], [0.2, 0.3]])
def test_maps_and_no_scores_are_no_probabilities(sample: MakeSample, scores: list[float | None]) -> None:
    found = _calibrated(sample, scores, [True, False], kind="map")
    assert (found.ece, found.brier, found.bins) == (None, None, ())
    assert found.kind == (None if scores[0] is None else "map")


def test_two_kinds_of_scores_are_not_mixed(sample: MakeSample) -> None:
    samples = [sample("a", DENT), sample("b")]
    kinds: tuple[ScoreKind, ScoreKind] = ("probability", "confidence")
    verdicts = {
        s.id: Verdict(True, (), "", "", 0.5, "ok", score_kind=kind)
        for s, kind in zip(samples, kinds, strict=True)
    }
    found = calibration(samples, verdicts)
    assert (found.kind, found.ece, found.brier) == ("mixed", None, None)
