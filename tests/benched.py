"""Runs on disk whose answers are given as texts, for tests of what reads runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmrad.bench import Run, bench
from mmrad.corpus import Corpus
from mmrad.image import read_image
from mmrad.inspectors import InspectionSettings, verdict_from_text
from mmrad.sample import Pair, Sample, Usage, Verdict
from mmrad.view import Budget, make_view

SMALL_VIEWS = InspectionSettings(budget=Budget(28 * 28, 3 * 28 * 28))
"""Views of 56 x 28 pixels for images of 84 x 56: neither side is scaled like the other."""

NO = "<think>All is as it should be. There are no anomalies.</think><answer>No.</answer>"


class Writer:
    """A model whose texts are given by a function of the sample."""

    def __init__(
        self,
        text: Callable[[Sample], str],
        name: str = "writer",
        *,
        settings: InspectionSettings = SMALL_VIEWS,
        about: dict[str, Any] | None = None,
        **key: Any,
    ) -> None:
        self.name = name
        self._text = text
        self._settings = settings
        self._about = about or {}
        self._key = key

    def about(self) -> dict[str, Any]:
        return self._about

    def key(self) -> dict[str, Any]:
        return {"model": self.name, **self._settings.key(), **self._key}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            view = make_view(read_image(pair.image), self._settings.budget)
            usage = Usage(100, 10, 2.0)
            text = self._text(pair.sample)
            yield index, verdict_from_text(text, view, space=self._settings.space, usage=usage)


def yes(*box: float, label: str = "scratch", think: str | None = None) -> str:
    """A text that finds one place, by default with a reasoning that names it."""
    numbers = list(box)
    reasoning = think or f"At {numbers} there is a {label}. There is a defect."
    return f"<think>{reasoning}</think><answer>Yes. {{'bbox_2d': {numbers}, 'label': '{label}'}}</answer>"


def right(sample: Sample) -> str:
    """The true answer, in pixels of `SMALL_VIEWS`."""
    if not sample.regions:
        return NO
    x1, y1, x2, y2 = sample.regions[0].box.xyxy
    width, height = sample.size_wh
    return yes(x1 * 56 / width, y1 * 28 / height, x2 * 56 / width, y2 * 28 / height)


def run_of(corpus: Corpus, writer: Writer, out: Path, samples: Sequence[Sample] | None = None) -> Run:
    """The run of a writer on samples of a corpus, by default all, opened anew."""
    return Run.load(bench(corpus, samples or corpus.samples, writer, out).path)
