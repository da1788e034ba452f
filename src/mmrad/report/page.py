"""The report: one HTML file that holds everything it shows and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from markupsafe import Markup

from mmrad.bench import Run
from mmrad.errors import UsageError
from mmrad.files import write_text
from mmrad.metrics import IOU_THRESHOLDS, Figure, Scores, compare, score
from mmrad.report import gallery as pictures
from mmrad.report.html import asset, render
from mmrad.report.outcome import OUTCOMES, judge

FILE_NAME = "report.html"

FIGURE_NAMES = {
    "accuracy": "Detection accuracy",
    "recall": "Detection recall",
    "precision": "Detection precision",
    **{
        f"iou{threshold}_{figure}": f"Localization {figure}, IoU ≥ {threshold}"
        for threshold in IOU_THRESHOLDS
        for figure in ("accuracy", "recall", "precision")
    },
    "auroc": "AUROC",
    "average_precision": "Average precision",
}


def write_report(runs: Sequence[Run], out: Path, *, gallery: int = 200, thumb: int = 320) -> Path:
    """Write `report.html`: a leaderboard, breakdowns, failures and a gallery of pairs.

    The file is self-contained: no network, no other file. All text from models, labels and file names is
    shown as text.

    Args:
        runs: The runs to compare; at least one.
        out: Folder to write into, or the path of the file when it ends in `.html`.
        gallery: Largest number of pairs shown.
        thumb: Longest side of an embedded picture in pixels.

    Returns:
        The file written.

    Raises:
        UsageError: When there is no run, or one has no queries.
    """
    if not runs:
        raise UsageError("there is no run to report; make one with  mmrad bench")
    for run in runs:
        if not run.samples:
            raise UsageError(f"the run {run.info.name!r} has no queries; run  mmrad bench  again")
    path = out if out.suffix == ".html" else out / FILE_NAME
    thumbnails = pictures.Thumbnails(thumb)
    scores = [score(run.samples, run.verdicts) for run in runs]
    data = {
        "figures": FIGURE_NAMES,
        "outcomes": [{"key": kind.key, "name": kind.name} for kind in OUTCOMES],
        "runs": [_run_data(run, scored) for run, scored in zip(runs, scores, strict=True)],
        "gallery": pictures.items(runs, gallery, thumbnails),
        "images": thumbnails.uris,
    }
    write_text(path, _render(runs, scores, data))
    return path


def _run_data(run: Run, scores: Scores) -> dict[str, Any]:
    plain = scores.to_dict()
    return {
        "name": run.info.name,
        "categories": [_row(group) for group in plain["categories"]],
        "sources": [_row(group) for group in plain["sources"]],
    }


def _row(group: dict[str, Any]) -> dict[str, Any]:
    """A group with its figures as short lists `[value, low, high, categories]`."""
    figures = {name: list(figure.values()) for name, figure in group.pop("figures").items()}
    return group | {"figures": figures}


def _render(runs: Sequence[Run], scores: Sequence[Scores], data: dict[str, Any]) -> str:
    script = asset("report.js") + asset("tables.js")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    samples = {sample.id: sample for run in runs for sample in run.samples}
    return render(
        "report.html.j2",
        rows=[_leader(run, scored) for run, scored in zip(runs, scores, strict=True)],
        differences=_differences(runs, scores),
        samples=len(samples),
        anomalous=sum(sample.anomalous for sample in samples.values()),
        categories=len({(sample.source, sample.category) for sample in samples.values()}),
        sources=sorted({sample.source for sample in samples.values()}),
        licences=sorted({sample.licence for sample in samples.values()}),
        corpora=sorted({run.corpus.path.name for run in runs}),
        same_queries=len({frozenset(sample.id for sample in run.samples) for run in runs}) == 1,
        shown=len(data["gallery"]),
        outcomes=OUTCOMES,
        level=scores[0].level,
        resamples=scores[0].resamples,
        data=_json_in_html(data),
        script=Markup(script),
        script_hash=digest,
    )


def _leader(run: Run, scores: Scores) -> dict[str, Any]:
    """A row of the leaderboard."""
    seconds = [
        verdict.usage.seconds for verdict in run.verdicts.values() if verdict.usage.seconds is not None
    ]
    judged = Counter(judge(sample, run.verdicts.get(sample.id))[0] for sample in run.samples)
    return {
        "name": run.info.name,
        "group": scores.overall,
        "unanswered": sum(scores.overall.unanswered.values()),
        "seconds": median(seconds) if seconds else None,
        "info": run.info,
        "asked": json.dumps(run.info.inspector, indent=2, ensure_ascii=False, sort_keys=True),
        "outcomes": [(kind, judged[kind.key]) for kind in OUTCOMES],
    }


def _differences(runs: Sequence[Run], scores: Sequence[Scores]) -> dict[str, Any]:
    """How far each run is from the one with the best detection accuracy, on the queries both were given."""
    leader = max(range(len(runs)), key=lambda i: scores[i].overall.figures["accuracy"].value or 0.0)
    rows: list[tuple[str, int, dict[str, Figure]]] = []
    for number, run in enumerate(runs):
        asked = {sample.id for sample in runs[leader].samples}
        common = [sample for sample in run.samples if sample.id in asked]
        if number != leader and common:
            figures = compare(common, run.verdicts, runs[leader].verdicts)
            rows.append((run.info.name, len(common), figures))
    return {"leader": runs[leader].info.name, "rows": rows}


def _json_in_html(data: object) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
