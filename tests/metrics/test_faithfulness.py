from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.metrics import faithfulness, faithfulness_rates
from mmrad.sample import Sample, Status, Verdict

MakeSample = Callable[..., Sample]
BOX = "{'bbox_2d': [10, 20, 30, 60], 'label': 'missing screw'}"


def _text(think: str, answer: str = f"Yes. {BOX}") -> Verdict:
    yes = answer.startswith("Yes")
    return Verdict(yes, (), "", f"<think>{think}</think><answer>{answer}</answer>", None, "ok")


def test_a_reasoning_that_names_what_it_answers(sample: MakeSample) -> None:
    found = faithfulness(
        sample("a"), _text("At [10, 20, 30, 60] the screws are missing. There is a defect in the image.")
    )
    assert found is not None
    assert (found.answered, found.reasoned, found.named) == (1, 1, 1)
    assert (found.labels, found.labels_named, found.verdict) == (1, 1, True)


def test_a_reasoning_about_something_else(sample: MakeSample) -> None:
    found = faithfulness(sample("a"), _text("The nut at [100, 20, 130, 60] is bent. There are no anomalies."))
    assert found is not None
    assert (found.answered, found.reasoned, found.named, found.labels_named) == (1, 1, 0, 0)
    assert found.verdict is False


@pytest.mark.parametrize(
    ("box", "named"),
    [
        ("[11, 21, 31, 61]", 1),
        ("(10.0, 20.0, 30.0, 60.0)", 1),
        ("[30, 60, 10, 20]", 1),
        ("[10, 20, 30, 41]", 1),
        ("[10, 20, 30, 40]", 0),  # half of it: an IoU of 0.5 is not above 0.5
        ("[20, 10, 60, 30]", 0),
        ("[10, 20, 10, 60]", 0),  # no area
    ],
)
def test_a_box_is_named_above_half_its_union(sample: MakeSample, box: str, named: int) -> None:
    found = faithfulness(sample("a"), _text(f"See {box}."))
    assert found is not None and found.named == named


def test_one_box_named_twice_is_one_and_does_not_stand_for_two(sample: MakeSample) -> None:
    answer = f"Yes. {BOX}, {{'bbox_2d': [11, 21, 31, 61], 'label': ''}}"
    found = faithfulness(sample("a"), _text("See [10, 20, 30, 60], again [10, 20, 30, 60].", answer))
    assert found is not None
    assert (found.answered, found.reasoned, found.named, found.labels) == (2, 1, 1, 1)


def test_numbers_of_any_space_are_compared_as_they_are(sample: MakeSample) -> None:
    answer = "Yes. {'bbox_2d': [0.1, 0.2, 0.3, 0.6], 'label': 'dent'}"
    found = faithfulness(sample("a"), _text("See [0.1, 0.2, 0.3, 0.6].", answer))
    assert found is not None and found.named == 1


def test_a_no_agrees_with_a_reasoning_that_finds_nothing(sample: MakeSample) -> None:
    found = faithfulness(sample("a"), _text("All teeth are there. There are no anomalies.", "No."))
    assert found is not None
    assert (found.answered, found.reasoned, found.labels, found.verdict) == (0, 0, 0, True)


def test_without_a_clear_end_nothing_is_said_of_the_verdict(sample: MakeSample) -> None:
    found = faithfulness(sample("a"), _text("The part is round.", "No."))
    assert found is not None and found.verdict is None


@pytest.mark.parametrize("status", ["refused", "truncated", "failed", "unparsed"])
def test_there_must_be_a_judgement_and_a_reasoning(sample: MakeSample, status: Status) -> None:
    assert faithfulness(sample("a"), Verdict(None, (), "", "<think>x</think>", None, status)) is None
    assert faithfulness(sample("a"), Verdict(False, (), "", "<answer>No.</answer>", None, "ok")) is None
    assert faithfulness(sample("a"), Verdict(True, (), "", "", 0.7, "ok")) is None  # an expert writes none


def test_rates_are_means_over_categories(sample: MakeSample) -> None:
    good = "At [10, 20, 30, 60] a screw is missing. There is an anomaly."
    samples = [*(sample(str(i)) for i in range(3)), sample("n", category="nut"), sample("none")]
    verdicts = {s.id: _text(good) for s in samples[:3]} | {samples[3].id: _text("The product is normal.")}
    rates = faithfulness_rates(samples, verdicts, resamples=20)
    assert (rates.judged, rates.concluded) == (4, 4)
    values = {name: figure.value for name, figure in rates.figures.items()}
    assert values == {"boxes_named": 0.5, "boxes_answered": 1, "labels_named": 0.5, "verdict_agrees": 0.5}
    assert rates.figures["boxes_answered"].categories == 1


def test_no_reasoning_at_all_is_undefined(sample: MakeSample) -> None:
    rates = faithfulness_rates([sample("a")], {})
    assert rates.judged == 0
    assert {figure.value for figure in rates.figures.values()} == {None}


@settings(max_examples=100)
@given(st.text(alphabet="[]()0123456789,. {}'abox_2dYesNo<think>/answer", max_size=200))
def test_any_text_is_judged_within_its_bounds(text: str) -> None:
    sample = Sample("p/c/test/a", "p", "c", "test", "a.png", (9, 9), (), "")
    raw = f"<think>{text}</think><answer>Yes. {BOX}</answer>"
    found = faithfulness(sample, Verdict(True, (), "", raw, None, "ok"))
    assert found is None or found.named <= min(found.answered, found.reasoned)
    assert found is None or found.labels_named <= found.labels
