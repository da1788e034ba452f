"""How far reviewers agree who looked at the same samples without seeing each other's decisions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from mmrad.box import match
from mmrad.corpus.reviews import AGREED_IOU, Review, agree

Pair = tuple[Review, Review]


@dataclass(frozen=True, slots=True)
class PairAgreement:
    """How far two reviewers agree on the samples that both reviewed blind.

    Attributes:
        reviewers: Their names, in alphabetical order.
        samples: How many samples both reviewed.
        kappa_outcome: Cohen's kappa of keep, drop and unsure; None where it is undefined, since both always
            decided the same one thing.
        kappa_anomalous: Cohen's kappa of normal and anomalous on the samples that both keep; None likewise,
            and when they keep none.
        matched_boxes: Share of all their boxes, on the samples that both keep, that match a box of the other
            with an IoU of at least `AGREED_IOU`; None without boxes.
        mean_iou: Mean IoU of the boxes that match; None without any.
        equal_labels: Share of the boxes that match with the same label, in any letter case; None without any.
        agreed: Share of the samples on which `mmrad.corpus.reviews.agree` holds.
    """

    reviewers: tuple[str, str]
    samples: int
    kappa_outcome: float | None
    kappa_anomalous: float | None
    matched_boxes: float | None
    mean_iou: float | None
    equal_labels: float | None
    agreed: float


def agreement(histories: Iterable[Sequence[Review]]) -> list[PairAgreement]:
    """The agreement of each two reviewers with common blind samples, by name.

    A person's latest blind review of a sample counts, and after each decision that was not blind anew.

    Args:
        histories: The reviews of each sample, in the order they were made.
    """
    common: defaultdict[tuple[str, str], list[Pair]] = defaultdict(list)
    for history in histories:
        for latest in _rounds(history):
            for first, second in combinations(sorted(latest, key=lambda review: review.reviewer), 2):
                common[first.reviewer, second.reviewer].append((first, second))
    return [_agreement(reviewers, pairs) for reviewers, pairs in sorted(common.items())]


def cohens_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Cohen's kappa of two people's judgements of the same things.

    Cohen, A coefficient of agreement for nominal scales, 1960.

    Args:
        pairs: What the first and what the second said of each thing.

    Returns:
        1 for full agreement, 0 for what chance gives, at least -1; None without pairs, and when both always
        said the same one thing, where chance alone explains all and kappa is undefined.
    """
    total = len(pairs)
    first, second = (Counter(judgements) for judgements in zip(*pairs, strict=True)) if pairs else ({}, {})
    by_chance = sum(first[said] * second[said] for said in first)
    if by_chance == total**2:
        return None
    equal = sum(one == other for one, other in pairs)
    return (equal * total - by_chance) / (total**2 - by_chance)


def _rounds(history: Iterable[Review]) -> Iterator[Sequence[Review]]:
    """The latest blind review of each person, between reviews that are not blind."""
    latest: dict[str, Review] = {}
    for review in history:
        if review.blind:
            latest[review.reviewer] = review
        else:
            yield [*latest.values()]
            latest.clear()
    yield [*latest.values()]


def _agreement(reviewers: tuple[str, str], pairs: Sequence[Pair]) -> PairAgreement:
    kept = [pair for pair in pairs if all(review.outcome == "keep" for review in pair)]
    matches = [found for pair in kept for found in _matches(*pair)]
    boxes = sum(len(review.after) for pair in kept for review in pair)
    return PairAgreement(
        reviewers,
        samples=len(pairs),
        kappa_outcome=cohens_kappa([(first.outcome, second.outcome) for first, second in pairs]),
        kappa_anomalous=cohens_kappa([(bool(first.after), bool(second.after)) for first, second in kept]),
        matched_boxes=2 * len(matches) / boxes if boxes else None,
        mean_iou=_mean([iou for iou, _ in matches]),
        equal_labels=_mean([same for _, same in matches]),
        agreed=sum(agree(*pair) for pair in pairs) / len(pairs),
    )


def _matches(first: Review, second: Review) -> list[tuple[float, bool]]:
    """The IoU of each two boxes that match, and whether their labels are the same."""
    ours, theirs = ([region.box for region in review.after] for review in (first, second))
    return [
        (
            ours[i].iou(theirs[j]),
            first.after[i].label.casefold() == second.after[j].label.casefold(),
        )
        for i, j in match(ours, theirs, AGREED_IOU)
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
