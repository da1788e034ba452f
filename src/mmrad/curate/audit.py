"""What was found wrong with the images and boxes of a corpus, summed up."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from mmrad.corpus import Corpus
from mmrad.curate.selection import ALL_FINDINGS
from mmrad.errors import DataError
from mmrad.sample import Sample

COVERING = 0.9
"""A box over a larger share of its image says little of where the anomaly is."""

TINY = 4
"""A box with a side of fewer pixels may be a slip of the pen; at IoU 0.5 nothing will ever match it."""

BOX_FINDINGS = ("covering_box", "tiny_box")

AUDITED = (*ALL_FINDINGS, *BOX_FINDINGS)

EXAMPLES = 24


@dataclass(frozen=True, slots=True)
class Case:
    """One image with a finding.

    Attributes:
        sample: The image.
        original: The image that it repeats.
    """

    sample: Sample
    original: Sample | None = None


@dataclass(frozen=True, slots=True)
class SourceAudit:
    """The findings of one source.

    Attributes:
        source: Its name.
        images: Number of samples.
        left_out: Number of files that did not become samples.
        findings: Number of images by finding.
        mixed_sizes: Width and height with the number of images, for each category that has several.
    """

    source: str
    images: int
    left_out: int
    findings: dict[str, int]
    mixed_sizes: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Audit:
    """The findings of a corpus.

    Attributes:
        sources: By source.
        cases: Some images of each finding that has any.
        rejections: What was left out and why, as `rejections.jsonl` has it: source, path and reason.
    """

    sources: tuple[SourceAudit, ...]
    cases: dict[str, tuple[Case, ...]]
    rejections: tuple[dict[str, str], ...]


def audit(corpus: Corpus, *, examples: int = EXAMPLES) -> Audit:
    """Sum up what `mmrad build` found out, and look at the boxes.

    Args:
        corpus: The corpus.
        examples: How many images of each finding become cases.

    Raises:
        DataError: When the corpus was not made by `mmrad build`.
    """
    rejections = tuple(_rejections(corpus))
    by_id = {sample.id: sample for sample in corpus.samples}
    counts: dict[str, Counter[str]] = {name: Counter() for name in corpus.manifest.sources}
    cases: dict[str, list[Case]] = {name: [] for name in AUDITED}
    for sample, findings, original in _findings(corpus, by_id):
        counts[sample.source].update(findings)
        for name in findings:
            if len(cases[name]) < examples:
                cases[name].append(Case(sample, by_id.get(original or "")))
    left_out = Counter(entry["source"] for entry in rejections)
    sources = tuple(
        SourceAudit(
            name,
            info.images,
            left_out[name],
            {finding: counts[name][finding] for finding in AUDITED},
            _mixed_sizes(corpus.select(sources=[name])),
        )
        for name, info in corpus.manifest.sources.items()
    )
    return Audit(sources, {name: tuple(found) for name, found in cases.items() if found}, rejections)


def _findings(corpus: Corpus, by_id: dict[str, Sample]) -> Iterator[tuple[Sample, list[str], str | None]]:
    for source in corpus.manifest.sources:
        for row in corpus.quality(source).select(["id", "findings", "duplicate_of"]).to_pylist():
            sample = by_id[row["id"]]
            yield sample, [*row["findings"], *_box_findings(sample)], row["duplicate_of"]


def _box_findings(sample: Sample) -> list[str]:
    width, height = sample.size_wh
    boxes = [region.box for region in sample.regions]
    found = {
        "covering_box": any(box.area > COVERING * width * height for box in boxes),
        "tiny_box": any(min(box.x2 - box.x1, box.y2 - box.y1) < TINY for box in boxes),
    }
    return [name for name in BOX_FINDINGS if found[name]]


def _mixed_sizes(samples: list[Sample]) -> dict[str, dict[str, int]]:
    sizes: dict[str, Counter[str]] = {}
    for sample in samples:
        width, height = sample.size_wh
        sizes.setdefault(sample.category, Counter())[f"{width}x{height}"] += 1
    return {category: dict(found.most_common()) for category, found in sizes.items() if len(found) > 1}


def _rejections(corpus: Corpus) -> Iterator[dict[str, str]]:
    path = corpus.path / "rejections.jsonl"
    if not path.exists():
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            yield {name: str(entry[name]) for name in ("source", "path", "reason")}
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: not a rejection ({error}); build the corpus again"
            ) from error
