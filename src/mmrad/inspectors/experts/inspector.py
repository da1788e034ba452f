"""An expert as an inspector: maps become verdicts by thresholds from held-out normal images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from mmrad.errors import DataError
from mmrad.features import Geometry
from mmrad.inspectors.base import failed_verdict
from mmrad.inspectors.experts.detector import Item, RawMap
from mmrad.inspectors.experts.expert import Expert, category_of
from mmrad.inspectors.experts.maps import MapStore, placed
from mmrad.inspectors.experts.places import places
from mmrad.inspectors.experts.settings import TITLES
from mmrad.inspectors.experts.thresholds import Thresholds, thresholds
from mmrad.sample import Pair, Region, Usage, Verdict

RULE = 1
"""Version of how a map and thresholds become a verdict (`verdict_of`); it stands in the key of runs."""


class ExpertInspector:
    """Judges by an expert; what it is asked about must be of a category that the expert was trained on.

    Args:
        expert: The expert.
        name: Of the run; by default that of the expert's folder.
        maps: Folder in which the raw maps are kept, see `MapStore`.
        alpha: The share of normal images that may be flagged.
        batch_size: Images at once.
        cache: Folder of feature maps computed before, and where new ones are kept; None for none.
    """

    def __init__(
        self,
        expert: Expert,
        *,
        name: str | None = None,
        maps: Path,
        alpha: float = 0.05,
        batch_size: int = 8,
        cache: Path | None = None,
    ) -> None:
        self.expert = expert
        self.name = name or expert.folder.name
        self.maps = MapStore(maps)
        self.thresholds = {
            category: thresholds(expert.calibration(category), alpha) for category in expert.categories
        }
        self._alpha, self._batch_size, self._cache = alpha, batch_size, cache

    def key(self) -> dict[str, Any]:
        """See `Inspector`."""
        levels = {
            category: {"image": found.image, "pixel": found.pixel, "held_out": found.held_out}
            for category, found in self.thresholds.items()
        }
        return {
            "expert": self.expert.settings.detector,
            **self.expert.key(),
            "alpha": self._alpha,
            "thresholds": levels,
            "rule": RULE,
        }

    def about(self) -> dict[str, Any]:
        """See `Inspector`; `calibration` says whether there were enough held-out images everywhere."""
        detector = self.expert.settings.detector
        kinds = {found.kind for found in self.thresholds.values()}
        return {
            "title": f"{TITLES[detector]}, honest threshold",
            "expert": detector,
            "threshold": "honest",
            "calibration": kinds.pop() if len(kinds) == 1 else "mixed",
        }

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """See `Inspector`; references are not looked at. A map is kept before its verdict is given."""

        def category_at(index: int) -> str:
            return category_of(pairs[index].sample)

        # Category by category, so that each part is loaded once.
        for category, group in groupby(sorted(range(len(pairs)), key=category_at), category_at):
            indices = list(group)
            if category not in self.thresholds:
                known = ", ".join(self.expert.categories)
                detail = f"{self.name} was not trained on {category}, but on {known}"
                yield from ((index, failed_verdict("failed", detail)) for index in indices)
                continue
            for start in range(0, len(indices), self._batch_size):
                batch = indices[start : start + self._batch_size]
                found = self._judge(category, [pairs[index] for index in batch])
                yield from zip(batch, found, strict=True)

    def _judge(self, category: str, pairs: Sequence[Pair]) -> list[Verdict]:
        """The verdicts on a batch of one category."""
        detector = self.expert.part_for(category, self._cache)
        started = time.perf_counter()
        try:
            raws = detector.judge([Item(pair.image, category) for pair in pairs])
        except DataError as error:
            if len(pairs) == 1:
                return [failed_verdict("failed", str(error))]
            return [verdict for pair in pairs for verdict in self._judge(category, [pair])]
        seconds = (time.perf_counter() - started) / len(pairs)
        geometry, levels, usage = detector.geometry, self.thresholds[category], Usage(seconds=seconds)
        verdicts = []
        for pair, raw in zip(pairs, raws, strict=True):
            verdicts.append(verdict_of(raw, levels, geometry, pair.sample.size_wh, usage))
            if verdicts[-1].status == "ok":
                self.maps.save(pair.sample.id, raw.values)
        return verdicts


def verdict_of(
    raw: RawMap,
    levels: Thresholds,
    geometry: Geometry,
    original_wh: tuple[int, int],
    usage: Usage = Usage(),
) -> Verdict:
    """What a map means under thresholds.

    An image is anomalous when its score is over its threshold; only then the places where the map is over the
    other one are regions, by falling value. An expert has no name for them.

    Args:
        raw: The map.
        levels: The thresholds of its category.
        geometry: What the detector saw of the image.
        original_wh: Width and height of the original image, in whose pixels the boxes are.
        usage: What it took.
    """
    if not np.isfinite(raw.score) or not np.isfinite(raw.values).all():
        return failed_verdict("failed", "the detector's score or map is not finite")
    anomalous = raw.score > levels.image
    found = places(placed(raw.values, geometry, original_wh), levels.pixel) if anomalous else []
    return Verdict(
        anomalous=anomalous,
        regions=tuple(Region(box, "") for box, _ in found),
        think="",
        raw_text="",
        score=raw.score,
        status="ok",
        usage=usage,
        score_kind="map",
    )
