"""Predictions that another harness has collected, as a run like any other."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mmrad.bench.predictions import Prediction, read_predictions
from mmrad.bench.run import Run
from mmrad.bench.runner import bench
from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.inspectors.base import failed_verdict, verdict_from_text
from mmrad.sample import Pair, Sample, Usage, Verdict
from mmrad.view import Budget, View, view_size

UNKNOWN = "unknown"
"""Hash of the prompts where a file does not carry it."""

_FAILURES = ("Failed to obtain answer", "[LMMS_EVAL_REQUEST_FAILED")
"""How a prediction begins where VLMEvalKit or lmms-eval got none."""

_SHOWN = 300

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import has found.

    Attributes:
        run: The run.
        harness: Who collected the predictions: `lmms-eval`, `vlmevalkit` or `plain`.
        predictions: How many there are in the file.
        duplicates: How many of them were followed by another one of the same sample, which counts.
        unknown: Ids that no sample of the run has.
        missing: Samples of the run without a prediction; their verdict is `failed`.
        unanswered: How many verdicts have a status other than `ok`, by status.
    """

    run: Run
    harness: str
    predictions: int
    duplicates: int
    unknown: tuple[str, ...]
    missing: tuple[str, ...]
    unanswered: Counter[str]

    def describe(self) -> str:
        """The counts in one line."""
        parts = [f"{self.run.info.name}: {self.predictions} predictions of {self.harness}"]
        for ids, what in ((self.unknown, "of no sample of the run"), (self.missing, "missing")):
            parts += [f"{len(ids)} {what} (first {ids[0]})"] if ids else []
        parts += [f"{self.duplicates} superseded by a later one"] if self.duplicates else []
        parts += [f"{count} {status}" for status, count in sorted(self.unanswered.items())]
        return ", ".join(parts)


def import_run(
    corpus: Corpus,
    samples: Sequence[Sample],
    file: Path,
    out: Path,
    *,
    name: str,
    space: CoordinateSpace | None = None,
    references: int | None = None,
    budget: Budget = Budget(),
) -> Imported:
    """Make a run of a file of predictions; a sample without one gets the verdict `failed`.

    Args:
        corpus: The corpus that the questions were made from.
        samples: The queries of the run.
        file: The file, see `read_predictions`.
        out: Folder of runs; the run lies in `out/NAME`.
        name: Name of the model.
        space: The convention of its boxes, where the file does not say it.
        references: How many references it was shown, where the file does not say it; by default 1.
        budget: Area of the views, where the file does not give their sizes.

    Raises:
        UsageError: When the file does not say the convention and `space` is not given, or the two differ; or
            when there is another run of that name.
        DataError: When the file cannot be read, holds nothing of these samples, or is about other images.
    """
    harness, predictions = read_predictions(file)
    wanted = {sample.id: sample for sample in samples}
    found = {one.sample_id: one for one in predictions if one.sample_id in wanted}
    if not found:
        raise DataError(
            f"{file}: none of its {len(predictions)} predictions is of a sample of the run, the first is of "
            f"{predictions[0].sample_id!r}; check the corpus, --source and --split"
        )
    told = list(found.values())
    agreed = _agreed(file, "space", [one.space for one in told], space)
    if agreed is None:
        raise UsageError(
            f"{file} does not say what the numbers of a box mean: give --space, one of "
            f"{', '.join(one.value for one in CoordinateSpace)}"
        )
    shown = _agreed(file, "references", [one.references for one in told], references)
    sized = {one.view_wh is not None for one in told}
    if len(sized) > 1:
        raise DataError(f"{file}: some rows have view_wh and others not; give it in all or in none")
    shown_within = _agreed(file, "the budget of views", [one.budget for one in told], None)
    views = shown_within or (None if sized.pop() else budget)
    key = {
        "inspector": "imported",
        "harness": harness,
        "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "space": agreed.value,
        "prompts_hash": _agreed(file, "prompts_hash", [one.prompts_hash for one in told], None) or UNKNOWN,
        **(asdict(views) if views else {}),
    }
    for one in told:
        _check_size(file, one, wanted[one.sample_id])
    reader = _Reader(name, key, found, agreed, budget)
    run = bench(corpus, samples, reader, out, references=1 if shown is None else shown)
    verdicts = run.verdicts.values()
    return Imported(
        run,
        harness,
        len(predictions),
        duplicates=len(predictions) - len({one.sample_id for one in predictions}),
        unknown=tuple(dict.fromkeys(one.sample_id for one in predictions if one.sample_id not in wanted)),
        missing=tuple(sample.id for sample in samples if sample.id not in found),
        unanswered=Counter(verdict.status for verdict in verdicts if verdict.status != "ok"),
    )


def verdict_from_prediction(
    text: str,
    *,
    view_wh: tuple[int, int],
    original_wh: tuple[int, int],
    space: CoordinateSpace,
    usage: Usage = Usage(),
) -> Verdict:
    """The verdict that `mmrad bench` makes of an answer, boxes in pixels of the original image.

    A harness does not tell whether an answer was cut at its limit of tokens, so that only a text that ends
    inside its answer is `truncated`. What a harness writes in place of an answer it did not get is `failed`.

    Args:
        text: The model's whole answer.
        view_wh: Width and height of the query as it was shown.
        original_wh: Those of the original image.
        space: The convention of the model's coordinates.
        usage: What the answer cost.
    """
    if text.lstrip().startswith(_FAILURES):
        return failed_verdict("failed", text.strip()[:_SHOWN], raw_text=text)
    # Only the sizes count, so the pixels are one zero that stands in all places.
    pixels = np.broadcast_to(np.uint8(0), (view_wh[1], view_wh[0], 3))
    return verdict_from_text(text, View(pixels, original_wh), space=space, usage=usage)


@dataclass
class _Reader:
    """An inspector whose verdicts are in a file."""

    name: str
    found: dict[str, Any]
    predictions: Mapping[str, Prediction]
    space: CoordinateSpace
    budget: Budget

    def key(self) -> dict[str, Any]:
        return self.found

    def about(self) -> dict[str, Any]:
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            yield index, self._verdict(pair.sample)

    def _verdict(self, sample: Sample) -> Verdict:
        one = self.predictions.get(sample.id)
        if one is None:
            return failed_verdict("failed", "the file holds no prediction of this sample")
        if one.error:
            return failed_verdict("failed", one.error, raw_text=one.text)
        return verdict_from_prediction(
            one.text,
            view_wh=one.view_wh or view_size(sample.size_wh, self.budget),
            original_wh=sample.size_wh,
            space=self.space,
            usage=one.usage,
        )


def _agreed(file: Path, what: str, carried: Sequence[Value | None], given: Value | None) -> Value | None:
    """The one value that a file carries and the user gives; None where neither says it."""
    values = {value for value in [*carried, given] if value is not None}
    if len(values) > 1:
        told = sorted(str(getattr(value, "value", value)) for value in values)
        raise UsageError(
            f"{file}: {what} is {' and '.join(told)} at once; give one file for each, or leave it out"
        )
    return values.pop() if values else None


def _check_size(file: Path, one: Prediction, sample: Sample) -> None:
    if one.original_wh not in (None, sample.size_wh):
        raise DataError(
            f"{file}: {sample.id} was asked on an image of {one.original_wh}, in the corpus it has "
            f"{sample.size_wh}; import into the corpus that was exported"
        )
