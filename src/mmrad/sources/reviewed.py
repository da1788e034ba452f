"""What was found of the images of a build, as the reviews of the corpus leave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mmrad.corpus.reviewed import decide
from mmrad.corpus.reviews import Review, dropped_for
from mmrad.sources.base import Rejection
from mmrad.sources.examine import Examined
from mmrad.sources.pipeline import Findings


class ReviewedFindings(Findings):
    """Findings with reviews applied: edited samples have their new regions, dropped ones are rejections.

    So what people dropped is neither the original of a duplicate nor drawn by a selection.

    Args:
        found: What was found.
        reviews: By sample id, as `mmrad.corpus.reviews.read_reviews` gives them.

    Attributes:
        decisions: What the reviews make of the samples.
    """

    def __init__(self, found: Findings, reviews: Mapping[str, Sequence[Review]]) -> None:
        self._found = found
        self._reviews = reviews
        samples = (item.sample for item in found) if reviews else ()
        self.decisions = decide((sample for sample in samples if sample), reviews)

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Examined]:
        return map(self._reviewed, self._found)

    def _reviewed(self, item: Examined) -> Examined:
        if item.sample is None:
            return item
        left = self.decisions.of(item.sample)
        if left is None:
            reason = f"dropped in review: {dropped_for(self._reviews[item.sample.id])}"
            return Examined(rejection=Rejection(item.sample.image, reason, item.sample.source))
        return replace(item, sample=left)
