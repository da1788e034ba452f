"""A run as a log of inspect-ai, for `inspect view` and inspect-ai's data frames.

Format:  https://inspect.aisi.org.uk/eval-logs.html
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmrad import __version__
from mmrad.answer import Instance, render_answer
from mmrad.bench.records import verdict_to_record
from mmrad.bench.run import Run
from mmrad.errors import DataError, MissingExtraError, UsageError
from mmrad.files import atomic_path
from mmrad.image import encode_png, read_image
from mmrad.metrics import COUNTED_FIGURES, localization_counts
from mmrad.sample import Pair, Sample, Status, Verdict

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalResults, EvalSample

DETECTION, LOCALIZATION = "detection", "iou0.1"
"""Names of the two scores of a sample."""

_IOU = 0.1

_STOPPED: dict[Status, Literal["max_tokens", "content_filter"]] = {
    "truncated": "max_tokens",
    "refused": "content_filter",
}
_REASONS: dict[Status, str] = {
    "unparsed": "invalid_response_format",
    "truncated": "invalid_response_format",
    "empty": "no_response",
    "refused": "refusal",
}
"""What inspect-ai calls the reasons why a sample has no judgement."""


def write_inspect_log(run: Run, out: Path, *, images: bool = False) -> Path:
    """Write a run as `OUT.eval` or `OUT.json`, by the ending of the name.

    The input of a sample names the images, its target is the true answer, its output the text as it came,
    with boxes as the model was asked for them; target and metadata have boxes in original pixels. Scores are
    `detection` (C, I, or N without a judgement) and `iou0.1` (boxes matched, falsely named, missed). What is
    `failed` or `wrong_model` is an error of its sample and has no scores; the figures of the log are those of
    `mmrad score`, where it counts as wrong.

    Args:
        run: The run.
        out: The file, ending in `.eval` or `.json`; one that is there is replaced.
        images: Whether the images are put in, in full size.

    Returns:
        The file.

    Raises:
        UsageError: When the ending is neither.
        DataError: When the corpus has moved or changed, or an image cannot be read.
        MissingExtraError: When inspect-ai is not installed.
    """
    if out.suffix not in (".eval", ".json"):
        raise UsageError(f"{out}: a log of inspect-ai ends in .eval or .json")
    try:
        from inspect_ai.log import write_eval_log
    except ImportError as error:
        raise MissingExtraError(error.name or "inspect-ai", "providers") from None
    log = _log(run, images)
    with atomic_path(out) as temporary:
        write_eval_log(log, temporary, format="eval" if out.suffix == ".eval" else "json")
    return out


def _log(run: Run, images: bool) -> EvalLog:
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, EvalStats
    from inspect_ai.model import ModelUsage

    info, verdicts = run.info, run.verdicts
    pairs = run.corpus.pairs(run.samples, references=info.references)
    samples = [
        _sample(run, pair, verdicts[pair.sample.id], images) for pair in pairs if pair.sample.id in verdicts
    ]
    usage: dict[str, ModelUsage] = {}
    for sample in samples:
        for model, used in sample.model_usage.items():
            usage[model] = usage[model] + used if model in usage else used
    identity = hashlib.sha256(info.model_dump_json().encode()).hexdigest()[:22]
    return EvalLog(
        status="success" if len(samples) == len(pairs) else "cancelled",
        eval=EvalSpec(
            eval_id=identity,
            run_id=identity,
            task_id=identity,
            created=info.created,
            task="mmrad",
            dataset=EvalDataset(
                name="+".join(info.corpus_sha256), samples=len(pairs), sample_ids=list(info.sample_ids)
            ),
            model=_model(run),
            config=EvalConfig(),
            packages={"mmrad": __version__},
            metadata={
                "run": info.name,
                "inspector": info.inspector,
                "about": info.about,
                "references": info.references,
                "reference_method": info.reference_method,
            },
        ),
        results=_results(run, samples),
        stats=EvalStats(started_at=info.created, completed_at="", model_usage=usage),
        samples=samples,
    )


def _model(run: Run) -> str:
    return str(run.info.inspector.get("model", run.info.name))


def _sample(run: Run, pair: Pair, verdict: Verdict, images: bool) -> EvalSample:
    from inspect_ai.log import EvalError, EvalSample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput, ModelUsage

    sample, model = pair.sample, _model(run)
    asked = ChatMessageUser(content=_content(run, pair, images))
    output = ModelOutput.from_content(
        verdict.model_reported or model, verdict.raw_text, stop_reason=_STOPPED.get(verdict.status, "stop")
    )
    usage = verdict.usage
    if usage.input_tokens is not None and usage.output_tokens is not None:
        output.usage = ModelUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
        )
    failed = verdict.status in ("failed", "wrong_model")
    error = EvalError(message=f"{verdict.status}: {verdict.detail}", traceback="", traceback_ansi="")
    return EvalSample(
        id=sample.id,
        epoch=1,
        input=[asked],
        target=render_answer([Instance(region.box, region.label) for region in sample.regions]),
        messages=[asked, ChatMessageAssistant(content=verdict.raw_text)],
        output=output,
        scores=None if failed else _scores(sample, verdict),
        error=error if failed else None,
        metadata={
            "source": sample.source,
            "category": sample.category,
            "split": sample.split,
            "truth": [{"box": list(region.box.xyxy), "label": region.label} for region in sample.regions],
            "verdict": {
                name: value
                for name, value in verdict_to_record(verdict).items()
                if name not in ("raw_text", "usage")
            },
        },
        model_usage={model: output.usage} if output.usage else {},
        total_time=usage.seconds,
        working_time=usage.seconds,
    )


def _content(run: Run, pair: Pair, images: bool) -> list[Any]:
    """The images, references first, or their names in the corpus."""
    from inspect_ai.model import ContentImage, ContentText

    sample = pair.sample
    chosen = run.corpus.references.get(sample.id, ())[: len(pair.references)]
    names = [*(f"reference {reference.image}" for reference in chosen), f"query {sample.image}"]
    if not images:
        return [ContentText(text="\n".join(names))]
    parts: list[Any] = []
    for name, path in zip(names, (*pair.references, pair.image), strict=True):
        try:
            data = base64.b64encode(encode_png(read_image(path))).decode("ascii")
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error
        parts += [ContentText(text=name), ContentImage(image=f"data:image/png;base64,{data}")]
    return parts


def _scores(sample: Sample, verdict: Verdict) -> dict[str, Any]:
    from inspect_ai.scorer import CORRECT, INCORRECT, NOANSWER, Score

    judged = verdict.anomalous
    said = {True: "Yes", False: "No", None: None}[judged]
    value = NOANSWER if judged is None else CORRECT if judged == sample.anomalous else INCORRECT
    predicted = [region.box for region in verdict.claimed]
    counts = localization_counts(predicted, [region.box for region in sample.regions], _IOU)
    matched, false, missed = (int(count) for count in counts)
    return {
        DETECTION: Score(
            value=value, answer=said, explanation=verdict.detail or None, reason=_REASONS.get(verdict.status)
        ),
        LOCALIZATION: Score(value={"matched": matched, "false": false, "missed": missed}, answer=said),
    }


def _results(run: Run, samples: Sequence[EvalSample]) -> EvalResults:
    from inspect_ai.log import EvalMetric, EvalResults, EvalScore

    overall = run.scores().overall
    prefix = f"{LOCALIZATION}_"

    def figures(names: Sequence[str]) -> dict[str, EvalMetric]:
        values = {name: overall.figures[name].value for name in names}
        return {
            name.removeprefix(prefix): EvalMetric(name=name.removeprefix(prefix), value=value)
            for name, value in values.items()
            if value is not None
        }

    detection = [name for name in COUNTED_FIGURES if not name.startswith("iou")]
    localization = [name for name in COUNTED_FIGURES if name.startswith(prefix)]
    return EvalResults(
        total_samples=len(run.samples),
        completed_samples=sum(sample.error is None for sample in samples),
        scores=[
            EvalScore(name=DETECTION, scorer=DETECTION, metrics=figures(detection)),
            EvalScore(name=LOCALIZATION, scorer=LOCALIZATION, metrics=figures(localization)),
        ],
    )
