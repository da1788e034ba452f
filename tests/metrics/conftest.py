"""Small builders shared by the tests of the metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mmrad.box import Box
from mmrad.sample import Region, Sample, Status, Verdict

MakeSample = Callable[..., Sample]
MakeVerdict = Callable[..., Verdict]


def _regions(boxes: Sequence[Sequence[float]]) -> tuple[Region, ...]:
    return tuple(Region(Box(*box), "dent") for box in boxes)


@pytest.fixture(scope="session")
def sample() -> MakeSample:
    def make(
        name: str,
        boxes: Sequence[Sequence[float]] = (),
        category: str = "bolt",
        source: str = "plant",
        image: str | None = None,
    ) -> Sample:
        sample_id = f"{source}/{category}/test/{name}"
        path = image or f"{category}/{name}.png"
        return Sample(sample_id, source, category, "test", path, (100, 100), _regions(boxes), "CC0-1.0")

    return make


@pytest.fixture(scope="session")
def verdict() -> MakeVerdict:
    def make(
        anomalous: bool | None,
        boxes: Sequence[Sequence[float]] = (),
        score: float | None = None,
        status: Status = "ok",
    ) -> Verdict:
        return Verdict(anomalous, _regions(boxes), "", "", score, status)

    return make
