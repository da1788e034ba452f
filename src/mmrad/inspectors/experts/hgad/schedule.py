"""When HGAD learns what, and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mmrad.errors import UsageError
from mmrad.inspectors.experts.settings import HgadSettings

_LAST = 0.1**3
_FIRST = 0.1
"""Learning rates at the end, and at the start of the warm-up, as shares of the largest."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Updates and passes over the training images.

    Attributes:
        settings: HGAD's.
        images: Number of training images.
    """

    settings: HgadSettings
    images: int

    @property
    def steps(self) -> int:
        """Updates in all; the last batch goes on into a pass that is not finished."""
        return math.ceil(self.settings.passes * self.images / self.settings.batch_size)

    def within(self, step: int) -> bool:
        """Whether the mixtures within the classes are trained in an update: the second phase."""
        return self._passes(step) >= self.settings.first_passes

    def learning_rate(self, step: int) -> float:
        """A cosine over all passes, at first reached by a straight line."""
        passes, warmup = self._passes(step), self.settings.warmup_passes
        if passes >= warmup:
            return self._cosine(passes)
        start = _FIRST * self.settings.learning_rate
        return start + (self._cosine(warmup) - start) * passes / warmup

    def _cosine(self, passes: float) -> float:
        height = (1 + math.cos(math.pi * passes / self.settings.passes)) / 2
        return self.settings.learning_rate * (_LAST + (1 - _LAST) * height)

    def _passes(self, step: int) -> float:
        """Passes that are done before an update."""
        return step * self.settings.batch_size / self.images


def check(settings: HgadSettings) -> None:
    """Refuse a schedule that has no second phase.

    Raises:
        UsageError: When the passes do not outlast the first phase or the warm-up.
    """
    for name in ("first_passes", "warmup_passes"):
        if (passes := getattr(settings, name)) >= settings.passes:
            raise UsageError(
                f"hgad.{name} is {passes} of hgad.passes {settings.passes}: give more passes, "
                f"or a smaller {name}"
            )
