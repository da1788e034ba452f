"""All examined images of a build together: what is wrong with each, which repeat others, which are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmrad.curate.duplicates import exact_groups, near_groups
from mmrad.curate.quality import findings
from mmrad.curate.selection import ALL_FINDINGS, Selection, select
from mmrad.sources.pipeline import Findings

_SPLIT_ORDER = {"test": 0, "validation": 1}
"""Of two equal images the one that is asked about is the original; a copy of it to learn from leaks it."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of an image.

    Attributes:
        kept: Whether it is in the corpus.
        left_out: Why the selection left it out, or "".
        findings: What is wrong with it, of `ALL_FINDINGS`.
        duplicate_of: Id of the image it repeats.
    """

    kept: bool
    left_out: str = ""
    findings: tuple[str, ...] = ()
    duplicate_of: str | None = None


@dataclass(slots=True)
class _Columns:
    """The usable images, column by column."""

    index: list[int] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    places: list[tuple[str, str]] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    sizes_wh: list[tuple[int, int]] = field(default_factory=list)
    anomalous: list[bool] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    measures: list[NDArray[np.float64]] = field(default_factory=list)
    names: tuple[str, ...] = ()


def judge(found: Findings, policy: Selection) -> list[Judgement]:
    """Judge the images of a build.

    Args:
        found: The examined images.
        policy: Which are kept.

    Returns:
        One for each, in the same order; rejected images are not kept, for no reason of their own here.
    """
    columns = _columns(found)
    judgements = [Judgement(kept=False)] * len(found)
    if not columns.ids:
        return judgements
    values = np.stack(columns.measures, axis=1)
    wrong = findings(
        dict(zip(columns.names, values, strict=True)), np.asarray(columns.sizes_wh), columns.categories
    )
    original, repeated = _duplicates(columns)
    wrong.update(repeated)
    reasons = select(policy, wrong, columns.ids, columns.categories, np.asarray(columns.anomalous))
    for row, index in enumerate(columns.index):
        judgements[index] = Judgement(
            kept=not reasons[row],
            left_out=reasons[row],
            findings=tuple(name for name in ALL_FINDINGS if wrong[name][row]),
            duplicate_of=columns.ids[original[row]] if original[row] != row else None,
        )
    return judgements


def _columns(found: Findings) -> _Columns:
    columns = _Columns()
    for index, item in enumerate(found):
        sample, measures = item.sample, item.measures
        if sample is None or measures is None:
            continue
        columns.names = tuple(measures.raw)
        columns.index.append(index)
        columns.ids.append(sample.id)
        columns.places.append((sample.source, sample.split))
        columns.categories.append(f"{sample.source}/{sample.category}")
        columns.sizes_wh.append(sample.size_wh)
        columns.anomalous.append(sample.anomalous)
        columns.digests.append(item.sha256)
        columns.hashes.append(measures.hash)
        columns.measures.append(np.array(list(measures.raw.values())))
    return columns


def _duplicates(columns: _Columns) -> tuple[NDArray[np.intp], dict[str, NDArray[np.bool_]]]:
    """The row that each row repeats (itself for an original), and the findings that follow."""
    order = sorted(
        range(len(columns.ids)), key=lambda row: (_SPLIT_ORDER.get(columns.places[row][1], 2), row)
    )
    rows = np.asarray(order)
    exact = _in_order(exact_groups(_taken(columns.digests, order)), rows)
    # Anomalous images that look alike may differ in the very thing that matters: only exact copies count.
    normal = ~np.asarray(columns.anomalous)
    near = _in_order(near_groups(_taken(columns.hashes, order), normal[rows]), rows)
    here = np.arange(len(rows))
    original = np.where(exact != here, exact, near)
    leaks = [columns.places[row] != columns.places[int(original[row])] for row in range(len(rows))]
    return original, {
        "exact_duplicate": exact != here,
        "near_duplicate": (exact == here) & (near != here),
        "leak": np.asarray(leaks, bool),
    }


def _taken(values: Sequence[str], order: Sequence[int]) -> list[str]:
    return [values[row] for row in order]


def _in_order(groups: NDArray[np.intp], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Groups of permuted rows as groups of the rows."""
    found = np.empty_like(groups)
    found[rows] = rows[groups]
    return found
