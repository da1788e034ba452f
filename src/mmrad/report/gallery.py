"""The queries that the report shows: which ones, their thumbnails, and what each run said of them."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

from mmrad.answer import parse
from mmrad.bench import Run
from mmrad.box import iou_matrix
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.report.heat import heat_layers
from mmrad.report.outcome import OUTCOMES, judge
from mmrad.report.thumbnails import Thumbnails
from mmrad.sample import Pair, Region, Sample, Verdict

_WORST_FIRST = [kind.key for kind in reversed(OUTCOMES)]

_ANSWER = (
    "outcome", "anomalous", "status", "detail", "regions", "found", "iou", "score", "seconds",
    "think", "around", "heat",
)  # fmt: skip

Columns = dict[str, list[Any]]
"""Values by name, one list a column, all of one length: far smaller as JSON than a record for each row."""


def choose(runs: Sequence[Run], limit: int) -> list[tuple[Sample, Corpus]]:
    """Queries for the gallery, drawn so that outcomes have equal shares, and categories within an outcome.

    Args:
        runs: The runs; a query judged by several appears once, under its worst outcome.
        limit: Largest number of queries.

    Returns:
        The chosen queries, outcomes alternating, each with the corpus it belongs to; the same on every call.
        One that no run has come to is not among them.
    """
    queries = {sample.id: (sample, run.corpus) for run in runs for sample in run.samples}
    asked = _asked(runs)
    groups: dict[str, dict[tuple[str, str], list[str]]] = {}
    for key in random.Random(0).sample(sorted(queries), len(queries)):
        sample = queries[key][0]
        said = [judge(sample, runs[run].verdicts[key])[0] for run in asked[key] if key in runs[run].verdicts]
        if not said:
            continue
        worst = groups.setdefault(min(said, key=_WORST_FIRST.index), {})
        worst.setdefault((sample.source, sample.category), []).append(key)
    chosen = _in_turn([_in_turn(categories.values()) for categories in groups.values()])[:limit]
    return [queries[key] for key in chosen]


def _in_turn(groups: Iterable[Sequence[str]]) -> list[str]:
    """The first of each group, then the second of each, and so on."""
    return [key for turn in zip_longest(*groups) for key in turn if key is not None]


def _asked(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Which runs, by number, have each query."""
    asked: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        for sample in run.samples:
            asked.setdefault(sample.id, []).append(number)
    return asked


def gallery(runs: Sequence[Run], limit: int, thumbnails: Thumbnails) -> dict[str, Any]:
    """The gallery as plain JSON values; images are added to `thumbnails`.

    Returns:
        `queries`: columns, one row a query; `answers`: for each run columns with the same rows.
    """
    chosen = choose(runs, limit)
    pairs = [_pair(sample, corpus) for sample, corpus in chosen]
    thumbnails.add_all(path for pair in pairs for path in (pair.image, *pair.references))
    samples = [pair.sample for pair in pairs]
    return {
        "queries": _columns([_query(pair, thumbnails) for pair in pairs]),
        "answers": [_columns(_answers(run, samples, thumbnails)) for run in runs],
    }


def _columns(rows: Sequence[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _pair(sample: Sample, corpus: Corpus) -> Pair:
    return corpus.pairs([sample], references=int(sample.id in corpus.references))[0]


def _query(pair: Pair, thumbnails: Thumbnails) -> dict[str, Any]:
    sample = pair.sample
    return {
        "id": sample.id,
        "source": sample.source,
        "category": sample.category,
        "size": sample.size_wh,
        "truth": [_region(region) for region in sample.regions],
        "query": _picture(pair.image, thumbnails),
        "reference": _picture(pair.references[0], thumbnails) if pair.references else None,
    }


def _picture(path: Path, thumbnails: Thumbnails) -> str | dict[str, str]:
    """The key of a thumbnail; a picture that cannot be read must not cost the report, so it says why."""
    try:
        return thumbnails.add(path)
    except DataError as error:
        return {"problem": str(error)}


def _answers(run: Run, samples: Sequence[Sample], thumbnails: Thumbnails) -> list[dict[str, Any]]:
    asked = {sample.id for sample in run.samples}
    heat = heat_layers(run, [sample for sample in samples if sample.id in asked], thumbnails)
    return [
        _answer(s, run.verdicts.get(s.id), asked=s.id in asked) | {"heat": heat.get(s.id)} for s in samples
    ]


def _answer(sample: Sample, verdict: Verdict | None, *, asked: bool) -> dict[str, Any]:
    """What a run said of a query; all is None when the query is not among the run's."""
    outcome, hits, found = judge(sample, verdict)
    answer: dict[str, Any] = dict.fromkeys(_ANSWER)
    if asked:
        answer["outcome"] = outcome
    if asked and verdict:
        spoken = _spoken(verdict)
        answer |= {
            "anomalous": verdict.anomalous,
            "status": verdict.status,
            "detail": verdict.detail,
            "regions": [
                [*_region(region), int(i in hits), _best_iou(region, sample.regions), spoken[i]]
                for i, region in enumerate(verdict.regions)
            ],
            "found": sorted(found),
            "iou": _mean_iou(sample, verdict),
            "score": verdict.score if verdict.score is not None and isfinite(verdict.score) else None,
            "seconds": verdict.usage.seconds,
            "think": verdict.think,
            "around": _around(verdict),
        }
    return answer


def _around(verdict: Verdict) -> list[str]:
    """The answer as it came, in parts between which the reasoning stands, or whole when it does not."""
    return verdict.raw_text.split(verdict.think, 1) if verdict.think else [verdict.raw_text]


def _spoken(verdict: Verdict) -> list[list[float] | None]:
    """Each region's box as the text has it, in the model's own coordinates; None where it cannot be told."""
    instances = parse(verdict.raw_text).instances if verdict.regions else ()
    if [instance.label for instance in instances] != [region.label for region in verdict.regions]:
        return [None] * len(verdict.regions)  # boxes outside the image were dropped, or it was no text
    return [list(instance.box.xyxy) for instance in instances]


def _mean_iou(sample: Sample, verdict: Verdict) -> float | None:
    """Mean over the true places of the best overlap with a predicted one; None where it says nothing."""
    if not sample.regions or not (verdict.anomalous or verdict.claimed):
        return None
    overlaps = [_best_iou(region, verdict.claimed) for region in sample.regions]
    return round(sum(overlaps) / len(overlaps), 3)


def _best_iou(region: Region, others: Sequence[Region]) -> float:
    if not others:
        return 0.0
    return round(float(iou_matrix([region.box], [other.box for other in others]).max()), 3)


def _region(region: Region) -> list[Any]:
    """Label and corners, in pixels of the image."""
    return [region.label, *(round(value, 1) for value in region.box.xyxy)]
