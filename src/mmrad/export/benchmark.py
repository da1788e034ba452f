"""What the exports for benchmark harnesses share: the questions, and how answers to them are judged.

A harness shows the views themselves, as PNG files with sides that are multiples of 28, so that a resize of
its own leaves the coordinates of Qwen2.5-VL true. A question is worded once for each convention of boxes;
the views are the same. The code that is written beside a dataset calls `judge` and `mmrad.metrics.score`,
which are the parser and the metrics of `mmrad bench`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from mmrad.answer import Instance, render
from mmrad.bench.imported import verdict_from_prediction
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.corpus.tables import SAMPLES, row_of, sample_of
from mmrad.errors import DataError
from mmrad.export.images import Progress, each
from mmrad.inspectors.base import InspectionSettings
from mmrad.metrics import COUNTED_FIGURES, RANKING_FIGURES, Scores
from mmrad.prompt import Message
from mmrad.sample import Pair, Sample, Verdict
from mmrad.view import Budget, View

FIGURES = (*COUNTED_FIGURES, *RANKING_FIGURES, "unanswered")
"""Names of the figures, see `figures`."""

TRUTH = pa.schema(
    [
        *SAMPLES,
        pa.field("view_width", pa.int32()),
        pa.field("view_height", pa.int32()),
        pa.field("min_pixels", pa.int64()),
        pa.field("max_pixels", pa.int64()),
        pa.field("references", pa.int32()),
        pa.field("prompts_hash", pa.string()),
    ]
)
"""What an answer is judged by: the sample and the size of the view that was shown; and what the run that
`mmrad import-runs` makes of the answers says: the budget of the views, how many references were asked for,
and by which wordings."""

QUESTIONS = {space: f"question_{space.value}" for space in CoordinateSpace}
"""Columns of the question, one for each convention that boxes can be asked in."""


@dataclass(frozen=True, slots=True)
class Question:
    """A sample as a harness asks it.

    Attributes:
        sample: The sample.
        system: Text of the system message.
        views: What the user's message shows: the references, best first, and the query last.
        texts: What it says after them, by the convention that boxes are asked in.
        references: How many references were asked for; the sample may have fewer.
        budget: The area that views could have.
        prompts_hash: Hash of the wordings.
    """

    sample: Sample
    system: str
    views: tuple[View, ...]
    texts: Mapping[CoordinateSpace, str]
    references: int
    budget: Budget
    prompts_hash: str

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
        return {
            **row_of(self.sample),
            "view_width": width,
            "view_height": height,
            **asdict(self.budget),
            "references": self.references,
            "prompts_hash": self.prompts_hash,
        }

    @property
    def columns(self) -> dict[str, str]:
        """The texts by the names in `QUESTIONS`."""
        return {QUESTIONS[space]: text for space, text in self.texts.items()}


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
        settings: How a model is asked; the budget fixes the views. Asked is in every convention of boxes.
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
        yield _question(pair, settings, references)


def _question(pair: Pair, settings: InspectionSettings, references: int) -> Question:
    (system, user), query = settings.ask(pair)
    if query.original_wh != pair.sample.size_wh:
        raise DataError(
            f"{pair.image}: its size is now {query.original_wh}, in the corpus {pair.sample.size_wh}; "
            "build the corpus again"
        )
    views = tuple(part for part in user.parts if isinstance(part, View))
    texts = {space: _worded(pair, views, settings, space) for space in CoordinateSpace}
    return Question(
        pair.sample, _text(system), views, texts, references, settings.budget, settings.prompts.hash
    )


def _worded(pair: Pair, views: Sequence[View], settings: InspectionSettings, space: CoordinateSpace) -> str:
    """The text after the images, as `settings.ask` words it for a convention, without reading them again."""
    *references, query = views
    labels = settings.domain_knowledge.get(pair.sample.category)
    _, user = settings.prompts.inspection(
        query,
        references,
        reasoning=settings.reasoning,
        domain_knowledge=(pair.sample.category, labels) if labels else None,
        space=space,
        confidence=settings.confidence,
    )
    return _text(user)


def _text(message: Message) -> str:
    return "".join(part for part in message.parts if isinstance(part, str))


def sample_in(truth: Mapping[str, Any]) -> Sample:
    """The sample of a row of `TRUTH`; other columns are left out."""
    return sample_of({name: truth[name] for name in SAMPLES.names})


def judge(truth: Mapping[str, Any], text: str, space: CoordinateSpace) -> Verdict:
    """The verdict of an answer, see `mmrad.bench.imported.verdict_from_prediction`.

    Args:
        truth: The row of `TRUTH`; other columns are left out.
        text: The model's whole answer.
        space: The convention of the model's coordinates.
    """
    return verdict_from_prediction(
        text,
        view_wh=(truth["view_width"], truth["view_height"]),
        original_wh=(truth["width"], truth["height"]),
        space=space,
    )


def figures(scores: Scores) -> dict[str, float]:
    """The overall figures, as means over categories, by the names in `FIGURES`.

    Returns:
        Values in [0, 1]; NaN where undefined. `unanswered` is the share of samples without a judgement.
    """
    overall = scores.overall
    values = {name: overall.figures[name].value for name in COUNTED_FIGURES + RANKING_FIGURES}
    values["unanswered"] = sum(overall.unanswered.values()) / overall.samples
    return {name: float("nan") if value is None else value for name, value in values.items()}
