"""Repeated runs of one model: mean and spread of each figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmrad.metrics.ranking import RANKING_FIGURES
from mmrad.metrics.scores import COUNTED_FIGURES, Group, Scores


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over repeats.

    Attributes:
        mean: Mean over the repeats where it is defined; None when it is in none.
        sd: Standard deviation between them (n - 1 in the denominator); None with fewer than two.
        repeats: In how many repeats it is defined.
    """

    mean: float | None
    sd: float | None
    repeats: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """All figures of repeated runs, by the names in `COUNTED_FIGURES` and `RANKING_FIGURES`.

    Attributes:
        count: How many runs there are.
        overall: Of the means over all categories.
        sources: Of the means over the categories of each source.
        categories: Of each category, by source and name.
    """

    count: int
    overall: dict[str, Spread]
    sources: dict[str, dict[str, Spread]]
    categories: dict[tuple[str, str], dict[str, Spread]]


def repeats(scores: Sequence[Scores]) -> Repeats:
    """Mean and spread over runs that differ in their seed only.

    The spread is that of sampling the answers. It says nothing of how the figures would vary on other
    queries: that is what the bootstrap intervals of each run are for.

    Args:
        scores: The scores of each repeat, on the same queries.

    Raises:
        ValueError: When there are none, or their categories differ.
    """
    if not scores or len({tuple(map(_name, one.categories)) for one in scores}) != 1:
        raise ValueError("repeats need at least one run, and the same categories in each")
    by_source = zip(*(one.sources for one in scores), strict=True)
    by_category = zip(*(one.categories for one in scores), strict=True)
    return Repeats(
        count=len(scores),
        overall=_spreads([one.overall for one in scores]),
        sources={_name(groups[0])[0]: _spreads(groups) for groups in by_source},
        categories={_name(groups[0]): _spreads(groups) for groups in by_category},
    )


def _name(group: Group) -> tuple[str, str]:
    return group.source or "", group.category or ""


def _spreads(groups: Sequence[Group]) -> dict[str, Spread]:
    return {
        name: _spread([group.figures[name].value for group in groups])
        for name in COUNTED_FIGURES + RANKING_FIGURES
    }


def _spread(values: Sequence[float | None]) -> Spread:
    known = [value for value in values if value is not None]
    return Spread(
        mean=float(np.mean(known)) if known else None,
        sd=float(np.std(known, ddof=1)) if len(known) > 1 else None,
        repeats=len(known),
    )
