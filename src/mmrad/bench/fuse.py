"""Two runs as one: what a model says and what an expert measures, fused into a verdict for each query.

RUNS/NAME/run.json, verdicts.jsonl   a run like any other, derived without asking anybody

The rule knows no label and no other query. The expert's score s becomes a suspicion from 0 to 1 by its
threshold t and the median m of its scores of the normal images that were held out of its training:

    suspicion = 1 / (1 + 3 ^ ((t - s) / (t - m)))       0.5 at the threshold, 0.25 at the median
    opinion   = 0.25 + y / 2                            0.25 for a sure No, 0.75 for a sure Yes
    score     = (suspicion + opinion) / 2               anomalous above 0.5

Here y is the model's own score (P("Yes"), or a confidence in words), else 1 for "Yes" and 0 for "No". It
counts half, since nothing says what it is worth: models are as sure when they are wrong, and a P("Yes") of
0.9999 at its full weight would leave the expert no say. So the model moves the expert's threshold: a sure Yes
down to the median of good parts, a sure No as far up. Places are the expert's, named by the model; where the
expert has none, they are the model's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from mmrad import __version__
from mmrad.bench.expert_runs import state_of, threshold_of
from mmrad.bench.experts import EXPERTS
from mmrad.bench.hints import check_honest
from mmrad.bench.run import INFO_FILE, VERDICTS_FILE, Run, RunInfo, load_info, write_derived
from mmrad.errors import DataError, UsageError
from mmrad.files import file_name
from mmrad.inspectors.experts.expert import Expert, category_of
from mmrad.inspectors.experts.settings import TITLES
from mmrad.inspectors.experts.thresholds import Calibration
from mmrad.sample import Region, Sample, Usage, Verdict

RULE = 1
"""Version of the rule; it stands in the key of runs."""

ORDINARY = 0.25
"""Suspicion of the median good part, and opinion of a model that is sure of a good one."""

_SHOWN = ("prompts", "prompts_hash", "reasoning", "domain_knowledge", "seed")
"""What tables say of how the model was asked; not how its texts are read, for they are not the verdicts."""


def suspicion(score: float, calibration: Calibration, threshold: float) -> float:
    """An expert's score as a number from 0 to 1, see the module.

    Args:
        score: On the expert's own scale.
        calibration: What the expert says of held-out normal images.
        threshold: The one above which it calls an image anomalous, on the same scale.

    Returns:
        0.5 at the threshold. Where the median is not below the threshold there is no scale: 0 or 1.
    """
    scale = threshold - median(calibration.scores)
    if scale <= 0:
        return 0.5 if score == threshold else float(score > threshold)
    exponent = math.log(1 / ORDINARY - 1) * (score - threshold) / scale
    return 0.5 * (1 + math.tanh(exponent / 2))  # the logistic function, without overflow


def fused(said: Verdict, judged: Verdict, suspected: float) -> Verdict:
    """One verdict of two; without a judgement of both there is none.

    Args:
        said: The model's.
        judged: The expert's.
        suspected: The expert's score from 0 to 1, see `suspicion`.
    """
    usage = _both(said.usage, judged.usage)
    for who, verdict in (("the model", said), ("the expert", judged)):
        if verdict.anomalous is None:
            detail = f"{who}: {verdict.detail or verdict.status}"
            return replace(
                said, status=verdict.status, detail=detail, usage=usage,
                anomalous=None, regions=(), score=None, score_kind=None,
            )  # fmt: skip
    sure = float(bool(said.anomalous)) if said.score is None else said.score
    opinion = ORDINARY + sure * (1 - 2 * ORDINARY)
    score = (suspected + opinion) / 2
    anomalous = score > 0.5
    regions = _named(judged.claimed, said.claimed) if judged.claimed else said.claimed
    return replace(
        said,
        anomalous=anomalous,
        regions=tuple(regions) if anomalous else (),
        score=score,
        score_kind="fused",
        usage=usage,
    )


def fuse(model: Run, expert: Run, out: Path, *, calibrated: Path | None = None, name: str = "") -> Run:
    """The fused run of a model's and an expert's; one that is up to date is left as it is.

    Args:
        model: The model's run, complete.
        expert: The expert's, complete and of the same queries or more.
        out: Folder of runs.
        calibrated: Folder of the expert itself; by default where `mmrad bench` puts those it trains.
        name: Of the run; by default made of both.

    Raises:
        UsageError: When the runs are not of a model and an expert on the same corpus, are not complete, or
            another run has that name.
        DataError: When the expert is not there or damaged.
    """
    _check(model, expert)
    detector = _detector(expert, calibrated or expert.path.parent / EXPERTS / file_name(expert.info.name))
    info = _describe(model, expert, name or f"{model.info.name}+{expert.info.name}-fused")
    folder = out / file_name(info.name)
    if (folder / INFO_FILE).exists():
        held = load_info(folder)
        if held.inspector.get("inspector") != "fused":
            raise UsageError(f"{folder} holds another run; choose another --name or --out")
        if _asked(held) == _asked(info):
            return Run(folder, held)
    elif (folder / VERDICTS_FILE).exists():
        raise UsageError(f"{folder} holds verdicts of another run; choose another --name or --out")
    else:  # from here on the folder is known as this run's, whatever happens
        info.model_copy(update={"inspector": {"inspector": "fused"}}).save(folder)
    return write_derived(folder, info, (_fused(model, expert, detector, sample) for sample in model.samples))


def _check(model: Run, expert: Run) -> None:
    if threshold_of(model.info) or "fused_from" in model.info.about:
        raise UsageError(f"{model.path}: give the run of a model first, and then that of an expert")
    check_honest(expert)
    for source, digest in model.info.corpus_sha256.items():
        if expert.info.corpus_sha256.get(source) != digest:
            raise UsageError(
                f"{expert.path}: was not asked about the samples of {source!r} that {model.path} is about; "
                "bench both on the same corpus and sources"
            )
    for run in (model, expert):
        missing = [sample_id for sample_id in model.info.sample_ids if sample_id not in run.verdicts]
        if missing:
            raise UsageError(
                f"{run.path}: has no verdict on {len(missing)} of the queries of {model.path}, first "
                f"{missing[0]}; run  mmrad bench  on the same samples to its end"
            )


def _detector(run: Run, folder: Path) -> Expert:
    """The expert that a run is of."""
    try:
        expert = Expert.load(folder)
    except DataError as error:
        raise DataError(
            f"{error}; fusing needs what {run.info.name} says of normal images held out of its training: "
            "give its folder with --expert"
        ) from error
    if expert.key()["parts"] != run.info.inspector.get("parts"):
        raise UsageError(f"{folder} is not the expert of the run {run.path}; give that one with --expert")
    return expert


def _describe(model: Run, expert: Run, name: str) -> RunInfo:
    shown = {key: value for key, value in model.info.inspector.items() if key in _SHOWN}
    key = {
        "inspector": "fused",
        "rule": RULE,
        **shown,
        "derived_from": f"{state_of(model)}+{state_of(expert)}",
        "of": {"model": model.info.inspector, "expert": expert.info.inspector},
    }
    kept = {key: value for key, value in model.info.about.items() if key in ("price", "repeat", "hints")}
    title = f"{model.info.about.get('title', model.info.name)} with {TITLES[expert.info.about['expert']]}"
    variant = model.info.about.get("variant_of")
    about = {
        **kept,
        "title": f"{title}, fused",
        "fused_from": [model.info.name, expert.info.name],
        **({"variant_of": f"{variant}+{expert.info.name}-fused"} if variant else {}),
    }
    return model.info.model_copy(
        update={
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "mmrad_version": __version__,
            "inspector": key,
            "about": about,
        }
    )


def _asked(info: RunInfo) -> tuple[dict[str, Any], list[str]]:
    return info.inspector, info.sample_ids


def _fused(model: Run, expert: Run, detector: Expert, sample: Sample) -> Verdict:
    said, judged = model.verdicts[sample.id], expert.verdicts[sample.id]
    if judged.score is None:
        return fused(said, judged, 0.5)
    category = category_of(sample)
    threshold = expert.info.inspector["thresholds"][category]["image"]
    return fused(said, judged, suspicion(judged.score, detector.calibration(category), threshold))


def _named(regions: Sequence[Region], by: Sequence[Region]) -> list[Region]:
    """The regions with the label of the best overlapping of others, else of the nearest, else their own."""

    def fits(region: Region, other: Region) -> tuple[float, float]:
        return region.box.iou(other.box), -math.dist(region.box.center, other.box.center)

    return [
        replace(region, label=max(by, key=partial(fits, region)).label) if by else region
        for region in regions
    ]


def _both(first: Usage, second: Usage) -> Usage:
    """What both took together; an expert counts no tokens."""
    seconds = [usage.seconds for usage in (first, second) if usage.seconds is not None]
    return replace(first, seconds=sum(seconds) if seconds else None)
