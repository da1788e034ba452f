from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mmrad.metrics import COUNTED_FIGURES, compare, score
from mmrad.sample import Sample, Verdict

MakeSample = Callable[..., Sample]
MakeVerdict = Callable[..., Verdict]
DENT = [(10, 10, 20, 20)]


@pytest.fixture
def samples(sample: MakeSample) -> list[Sample]:
    return [sample(f"{i:02}", DENT if i % 2 else (), category=f"c{i % 3}") for i in range(60)]


def _verdicts(samples: list[Sample], verdict: MakeVerdict, seed: int, skill: float) -> dict[str, Verdict]:
    right = np.random.default_rng(seed).random(len(samples)) < skill
    said = [s.anomalous == bool(r) for s, r in zip(samples, right, strict=True)]
    return {s.id: verdict(yes, DENT if yes else ()) for s, yes in zip(samples, said, strict=True)}


def test_the_difference_is_that_of_the_scores(samples: list[Sample], verdict: MakeVerdict) -> None:
    good, poor = (_verdicts(samples, verdict, 1, skill) for skill in (0.9, 0.5))
    differences = compare(samples, good, poor, resamples=50)
    a, b = (score(samples, verdicts, resamples=10).overall.figures for verdicts in (good, poor))
    for name in COUNTED_FIGURES:
        first, second = a[name].value, b[name].value
        assert first is not None and second is not None
        assert differences[name].value == pytest.approx(first - second)


def test_an_inspector_does_not_differ_from_itself(samples: list[Sample], verdict: MakeVerdict) -> None:
    same = _verdicts(samples, verdict, 1, 0.7)
    for figure in compare(samples, same, same, resamples=50).values():
        assert (figure.value, figure.low, figure.high) == (0, 0, 0)


def test_turning_the_comparison_round_turns_the_sign(samples: list[Sample], verdict: MakeVerdict) -> None:
    a, b = _verdicts(samples, verdict, 1, 0.9), _verdicts(samples, verdict, 2, 0.6)
    one, other = (compare(samples, *order)["accuracy"] for order in ((a, b), (b, a)))
    assert one.value == pytest.approx(-(other.value or 0))
    assert (one.low, one.high) == pytest.approx((-(other.high or 0), -(other.low or 0)))


def test_common_mistakes_do_not_widen_the_interval(samples: list[Sample], verdict: MakeVerdict) -> None:
    base = _verdicts(samples, verdict, 1, 0.6)
    wrong = [s for s in samples if base[s.id].anomalous != s.anomalous]
    better = base | {s.id: verdict(s.anomalous, DENT if s.anomalous else ()) for s in wrong[:8]}
    difference = compare(samples, better, base)["accuracy"]
    alone = [score(samples, verdicts).overall.figures["accuracy"] for verdicts in (better, base)]
    assert alone[0].low is not None and alone[1].high is not None and difference.low is not None
    assert alone[0].low < alone[1].high  # the two intervals overlap
    assert difference.low > 0  # yet the difference is clear


def test_nothing_to_compare_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="no samples"):
        compare([], {}, {})


def test_p_values_tell_a_better_inspector_and_not_an_equal_one(
    samples: list[Sample], verdict: MakeVerdict
) -> None:
    good, other, poor = (
        _verdicts(samples, verdict, seed, skill) for seed, skill in ((1, 0.9), (2, 0.9), (3, 0.5))
    )
    clear, none = compare(samples, good, poor)["accuracy"].p, compare(samples, good, other)["accuracy"].p
    assert clear is not None and none is not None
    assert clear < 0.01 < 0.2 < none
    same = compare(samples, good, good)["accuracy"]
    assert same.p == 1
    assert compare(samples, poor, good)["accuracy"].p == pytest.approx(clear, abs=0.01)


def test_queries_on_one_image_are_one_observation(sample: MakeSample, verdict: MakeVerdict) -> None:
    def p_value(images: int) -> float:
        asked = [sample(f"{i}", image=f"{i % images}.png") for i in range(48)]
        wrong = {s.id: verdict(int(s.image.split(".")[0]) < images / 3) for s in asked}
        p = compare(asked, {s.id: verdict(False) for s in asked}, wrong)["accuracy"].p
        assert p is not None
        return p

    assert p_value(48) < 0.001 < 0.05 < p_value(6)


def test_a_figure_defined_nowhere_has_no_p_value(samples: list[Sample], verdict: MakeVerdict) -> None:
    never = {s.id: verdict(False) for s in samples}
    found = compare(samples, never, never, permutations=9)["precision"]
    assert (found.value, found.p, found.categories, str(found)) == (None, None, 0, "-")
