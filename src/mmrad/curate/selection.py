"""Which images of a corpus are kept: by what was found wrong with them, and at most so many of a category."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator

from mmrad.curate.quality import FINDINGS

DUPLICATE_FINDINGS = ("exact_duplicate", "near_duplicate", "leak")
"""What an image may be beside another one that is kept; a leak is the duplicate of an image elsewhere."""

ALL_FINDINGS = (*FINDINGS, *DUPLICATE_FINDINGS)

KEPT = ""


class Selection(BaseModel):
    """The policy; equal policies choose equal images from equal data.

    Attributes:
        drop: Findings whose images are left out.
        per_category: At most so many images of a category of a source, half of them anomalous where there are
            enough; None keeps all.
        seed: Which ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    drop: tuple[str, ...] = ()
    per_category: int | None = Field(default=None, ge=1)
    seed: int = 0

    @field_validator("drop")
    @classmethod
    def _known(cls, drop: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(drop) - set(ALL_FINDINGS))
        if unknown:
            raise ValueError(f"no finding {', '.join(unknown)}; there are {', '.join(ALL_FINDINGS)}")
        return tuple(sorted(set(drop)))


def select(
    policy: Selection,
    findings: dict[str, NDArray[np.bool_]],
    ids: Sequence[str],
    categories: Sequence[str],
    anomalous: NDArray[np.bool_],
) -> list[str]:
    """Why each image is left out; `KEPT` for those that stay.

    Args:
        policy: The policy.
        findings: For each of `ALL_FINDINGS` an array of shape `(N,)`.
        ids: Of each of the N images; the choice within a category depends on them and the seed only.
        categories: Source and category of each.
        anomalous: Which are, shape `(N,)`.
    """
    reasons = [
        ", ".join(name for name in policy.drop if findings[name][index]) or KEPT for index in range(len(ids))
    ]
    if policy.per_category is None:
        return reasons
    members: dict[str, tuple[list[int], list[int]]] = {}
    for index, reason in enumerate(reasons):
        if reason == KEPT:
            members.setdefault(categories[index], ([], []))[bool(anomalous[index])].append(index)
    limit = policy.per_category
    for normal, bad in members.values():
        wanted = min(len(bad), max(limit // 2, limit - len(normal)))
        for group, count in ((normal, limit - wanted), (bad, wanted)):
            for index in _drawn(policy.seed, group, ids)[count:]:
                reasons[index] = f"not among the {limit} drawn of its category"
    return reasons


def _drawn(seed: int, group: list[int], ids: Sequence[str]) -> list[int]:
    """The images in an order that looks random, the same wherever they are and whatever else there is."""
    return sorted(group, key=lambda index: hashlib.sha256(f"{seed}/{ids[index]}".encode()).digest())
