"""Does the reasoning lead to the answer? Whether it names the places, the labels and the verdict answered.

A text can name a box in its reasoning and answer another one; then the reasoning explains nothing. Only the
text is looked at, in the numbers it was written in: whether it is right about the image is what the other
metrics are for. Agreement is necessary for faithfulness, not sufficient: a text may well name the box that it
answers and have found it otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.answer import Answer, parse
from mmrad.box import Box, match
from mmrad.metrics.figures import Figure, Resampled, mean_figure, resample
from mmrad.metrics.intervals import cluster_indices, cluster_of, cluster_sums
from mmrad.metrics.ratios import Floats, ratio
from mmrad.metrics.scores import by_category
from mmrad.reasoning import boxes_in, concludes, stems
from mmrad.sample import Sample, Verdict

NAMED_IOU = 0.5
"""Above this IoU a box of the reasoning is one of the answer."""

FAITHFULNESS_FIGURES = ("boxes_named", "boxes_answered", "labels_named", "verdict_agrees")


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How the reasoning of one answer agrees with the answer.

    Attributes:
        answered: Boxes of the answer.
        reasoned: Different boxes that the reasoning names, those of the answer included.
        named: Pairs of a box of the answer and one of the reasoning, matched one to one.
        labels: Labels of the answer, empty ones left out.
        labels_named: How many of them have all their words in the reasoning, endings aside.
        verdict: Whether the reasoning ends with the verdict that is answered; None when it ends with none
            that can be read.
    """

    answered: int
    reasoned: int
    named: int
    labels: int
    labels_named: int
    verdict: bool | None


@dataclass(frozen=True, slots=True)
class FaithfulnessRates:
    """How the reasoning of a run agrees with its answers.

    Attributes:
        judged: Answers with a reasoning; the others say nothing.
        concluded: How many of them end with a verdict that can be read.
        figures: Means over categories. `boxes_named`: share of the answered boxes that the reasoning names.
            `boxes_answered`: share of the boxes of the reasoning that are answered. `labels_named`: share of
            the answered labels that the reasoning has. `verdict_agrees`: share of the conclusions that are
            the answer.
    """

    judged: int
    concluded: int
    figures: dict[str, Figure]


def faithfulness(sample: Sample, verdict: Verdict) -> Faithfulness | None:
    """How the reasoning of a verdict agrees with its answer, read from its raw text.

    Args:
        sample: The query; its category may stand for "product" in a conclusion.
        verdict: What was said of it.

    Returns:
        None when there is no judgement, or no reasoning before it.
    """
    if verdict.status != "ok":
        return None
    answer = parse(verdict.raw_text)
    if answer.status != "ok" or not answer.think.strip():
        return None
    named = _boxes(answer.think)
    labels = [found for instance in answer.instances if (found := stems([instance.label]))]
    said = stems([answer.think])
    return Faithfulness(
        answered=len(answer.instances),
        reasoned=len(named),
        named=_matched(answer, named),
        labels=len(labels),
        labels_named=sum(label <= said for label in labels),
        verdict=_agrees(sample, answer),
    )


def faithfulness_rates(
    samples: Sequence[Sample], verdicts: Mapping[str, Verdict], *, resamples: int = 1000, seed: int = 0
) -> FaithfulnessRates:
    """How the reasoning of a run agrees with its answers.

    Args:
        samples: The queries; ids are unique.
        verdicts: Verdicts by sample id.
        resamples: Bootstrap draws for the intervals.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    judged: dict[str, Faithfulness] = {}
    for sample in samples:
        verdict = verdicts.get(sample.id)
        if verdict and (found := faithfulness(sample, verdict)):
            judged[sample.id] = found
    categories = [
        _category(members, judged, resamples, rng)
        for members in by_category([sample for sample in samples if sample.id in judged])
    ]
    return FaithfulnessRates(
        judged=len(judged),
        concluded=sum(one.verdict is not None for one in judged.values()),
        figures={name: mean_figure(categories, name) for name in FAITHFULNESS_FIGURES},
    )


def _category(
    samples: Sequence[Sample], judged: Mapping[str, Faithfulness], resamples: int, rng: np.random.Generator
) -> Resampled:
    pairs = np.array([_pairs(judged[sample.id]) for sample in samples], dtype=np.float64)
    indices = cluster_indices([cluster_of(sample) for sample in samples])
    above, below = (cluster_sums(pairs[:, :, side], indices) for side in (0, 1))

    def figures_of(weights: Floats) -> dict[str, Floats]:
        shares = ratio(weights @ above, weights @ below)
        return dict(zip(FAITHFULNESS_FIGURES, shares.T, strict=True))

    return resample(len(above), figures_of, resamples, rng)


def _pairs(one: Faithfulness) -> list[tuple[int, int]]:
    """Numerators and denominators of `FAITHFULNESS_FIGURES`."""
    return [
        (one.named, one.answered),
        (one.named, one.reasoned),
        (one.labels_named, one.labels),
        (one.verdict is True, one.verdict is not None),
    ]


def _boxes(text: str) -> list[Box]:
    """The different boxes with an area that a text names."""
    return [Box(x1, y1, x2, y2) for x1, y1, x2, y2 in dict.fromkeys(boxes_in(text)) if x1 < x2 and y1 < y2]


def _matched(answer: Answer, named: Sequence[Box]) -> int:
    """How many boxes are in both; IoU does not depend on the unit of the numbers, nor on x before y."""
    above = np.nextafter(NAMED_IOU, 1)
    return len(match([instance.box for instance in answer.instances], named, above))


def _agrees(sample: Sample, answer: Answer) -> bool | None:
    labels = stems([instance.label for instance in answer.instances])
    concluded = concludes(answer.think, sample.category, labels)
    return None if concluded is None else concluded == answer.anomalous
