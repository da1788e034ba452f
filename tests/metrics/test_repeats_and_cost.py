from __future__ import annotations

from collections.abc import Callable

import pytest

from mmrad.endpoint import Price
from mmrad.metrics import cost, repeats, score
from mmrad.sample import Sample, Usage, Verdict

MakeSample = Callable[..., Sample]
MakeVerdict = Callable[..., Verdict]
DENT = [(10, 10, 20, 20)]


def test_repeats_have_a_mean_and_a_spread(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a"), sample("b"), sample("c", category="nut"), sample("d", source="lab")]
    runs = [
        score(samples, {s.id: verdict(i < wrong) for i, s in enumerate(samples)}, resamples=2)
        for wrong in (0, 1, 2)
    ]
    found = repeats(runs)
    assert found.count == 3
    bolt = found.categories["plant", "bolt"]["accuracy"]
    assert (bolt.mean, bolt.sd, bolt.repeats) == (0.5, 0.5, 3)
    assert found.sources["plant"]["accuracy"].mean == pytest.approx(0.75)
    assert found.sources["lab"]["accuracy"].sd == 0
    assert found.overall["accuracy"].mean == pytest.approx((1 + 1 + 0.5) / 3)
    assert (found.overall["recall"].mean, found.overall["recall"].repeats) == (None, 0)


def test_one_repeat_has_no_spread(sample: MakeSample, verdict: MakeVerdict) -> None:
    samples = [sample("a")]
    found = repeats([score(samples, {}, resamples=2)]).overall["accuracy"]
    assert (found.mean, found.sd, found.repeats) == (0, None, 1)


def test_repeats_are_of_the_same_categories(sample: MakeSample) -> None:
    with pytest.raises(ValueError, match="same categories"):
        repeats([score([sample("a", category=name)], {}, resamples=2) for name in ("bolt", "nut")])
    with pytest.raises(ValueError, match="at least one"):
        repeats([])


def _used(*usage: float | None, cached: bool = False) -> Verdict:
    inputs, outputs, seconds = usage
    counted = [None if tokens is None else int(tokens) for tokens in (inputs, outputs)]
    return Verdict(False, (), "", "", None, "ok", usage=Usage(*counted, seconds, cached))


def test_costs_are_added_up_and_what_is_unknown_is_told() -> None:
    verdicts = [_used(1000, 100, 1.0), _used(3000, 300, 3.0), _used(None, None, 8.0)]
    found = cost(verdicts, Price(1.0, 10.0))
    assert found.dollars == pytest.approx(0.004 + 0.004)
    assert (found.answers, found.unpriced, found.cached) == (3, 1, 0)
    assert (found.input_tokens, found.output_tokens, found.seconds_median) == (4000, 400, 3.0)


def test_the_cache_costs_nothing_and_tells_nothing_of_the_time() -> None:
    found = cost([_used(1000, 100, 1.0), _used(1000, 100, 0.0, cached=True)], Price(1.0, 10.0))
    assert found.dollars == pytest.approx(0.002)
    assert (found.cached, found.seconds_median) == (1, 1.0)


@pytest.mark.parametrize("price", [None, Price(1.0, 1.0)])
def test_unknown_is_never_free(price: Price | None) -> None:
    assert cost([_used(None, 5, None)], price).dollars is None
    assert cost([], price).dollars is None


def test_without_a_price_there_are_tokens_and_no_dollars() -> None:
    found = cost([_used(7, 5, None)], None)
    assert (found.dollars, found.input_tokens, found.seconds_median) == (None, 7, None)
