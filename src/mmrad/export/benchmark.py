"""What the exports for benchmark harnesses share: the questions, and how answers to them are judged.

A harness shows the views themselves, as PNG files with sides that are multiples of 28, so that a resize of
its own leaves the coordinates of Qwen2.5-VL true. The code that is written beside a dataset calls `judge` and
`mmrad.metrics.score`, which are the parser and the metrics of `mmrad bench`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from mmrad.answer import Instance, render
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.corpus.tables import SAMPLES, row_of, sample_of
from mmrad.errors import DataError
from mmrad.export.images import Progress, each
from mmrad.inspectors.base import InspectionSettings, verdict_from_text
from mmrad.metrics import COUNTED_FIGURES, Scores
from mmrad.sample import Pair, Sample, Verdict
from mmrad.view import View

FIGURES = (*COUNTED_FIGURES, "unanswered")
"""Names of the figures, see `figures`."""

TRUTH = pa.schema([*SAMPLES, pa.field("view_width", pa.int32()), pa.field("view_height", pa.int32())])
"""What an answer is judged by: the sample, and the size of the view that was shown."""


@dataclass(frozen=True, slots=True)
class Question:
    """A sample as a harness asks it.

    Attributes:
        sample: The sample.
        system: Text of the system message.
        views: What the user's message shows: the references, best first, and the query last.
        text: What it says after them.
    """

    sample: Sample
    system: str
    views: tuple[View, ...]
    text: str

    @property
    def answer(self) -> str:
        """The true answer, boxes in whole pixels of the query's view."""
        query = self.views[-1]
        return render(
            None, [Instance(query.to_view(region.box), region.label) for region in self.sample.regions]
        )

    @property
    def truth(self) -> dict[str, Any]:
        """The row of `TRUTH`."""
        width, height = self.views[-1].size_wh
        return {**row_of(self.sample), "view_width": width, "view_height": height}


def questions(
    corpus: Corpus,
    settings: InspectionSettings,
    *,
    references: int,
    splits: Sequence[str],
    progress: Progress | None,
) -> Iterator[Question]:
    """The samples of some splits, asked as `mmrad bench` asks them.

    Args:
        corpus: The corpus.
        settings: How a model is asked; the budget fixes the views.
        references: How many references a query gets; 0 for none.
        splits: The splits.
        progress: Told after every sample.

    Raises:
        UsageError: When the corpus has no such split.
        DataError: When a reference is missing, or an image cannot be read or has changed.
    """
    samples = corpus.select(splits=splits)
    pairs = corpus.pairs(samples, references=references)
    for _, pair in zip(each(samples, progress), pairs, strict=True):
        yield _question(pair, settings)


def _question(pair: Pair, settings: InspectionSettings) -> Question:
    (system, user), query = settings.ask(pair)
    if query.original_wh != pair.sample.size_wh:
        raise DataError(
            f"{pair.image}: its size is now {query.original_wh}, in the corpus {pair.sample.size_wh}; "
            "build the corpus again"
        )
    return Question(
        pair.sample,
        "".join(part for part in system.parts if isinstance(part, str)),
        tuple(part for part in user.parts if isinstance(part, View)),
        "".join(part for part in user.parts if isinstance(part, str)),
    )


def sample_in(truth: Mapping[str, Any]) -> Sample:
    """The sample of a row of `TRUTH`; other columns are left out."""
    return sample_of({name: truth[name] for name in SAMPLES.names})


def judge(truth: Mapping[str, Any], text: str, space: CoordinateSpace) -> Verdict:
    """The verdict that `mmrad bench` makes of an answer, boxes in pixels of the original image.

    A harness does not tell whether an answer was cut at its limit of tokens, so that only a text that ends
    inside its answer is `truncated`.

    Args:
        truth: The row of `TRUTH`; other columns are left out.
        text: The model's whole answer.
        space: The convention of the model's coordinates.
    """
    # Only the sizes count, so the pixels are one zero that stands in all places.
    pixels = np.broadcast_to(np.uint8(0), (truth["view_height"], truth["view_width"], 3))
    return verdict_from_text(text, View(pixels, (truth["width"], truth["height"])), space=space)


def figures(scores: Scores) -> dict[str, float]:
    """The overall figures, as means over categories, by the names in `FIGURES`.

    Returns:
        Values in [0, 1]; NaN where undefined. `unanswered` is the share of samples without a judgement.
    """
    overall = scores.overall
    values = {name: overall.figures[name].value for name in COUNTED_FIGURES}
    values["unanswered"] = sum(overall.unanswered.values()) / overall.samples
    return {name: float("nan") if value is None else value for name, value in values.items()}
