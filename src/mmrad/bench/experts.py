"""Experts in a benchmark: trained on the corpus that they are judged on, unless they were trained before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mmrad.bench.expert_runs import MAPS
from mmrad.bench.progress import Progress
from mmrad.bench.recipe import Entry
from mmrad.corpus import Corpus
from mmrad.errors import UsageError
from mmrad.files import file_name
from mmrad.inspectors.experts.expert import Expert
from mmrad.inspectors.experts.fit import fit_expert
from mmrad.inspectors.experts.inspector import ExpertInspector
from mmrad.inspectors.experts.settings import DETECTORS

EXPERTS = "experts"
"""Folder of the detectors that a benchmark has trained, in that of the runs."""

FEATURES = "features"
"""Folder of feature maps in that of a corpus."""


def expert_inspector(
    corpus: Corpus,
    entry: Entry,
    name: str,
    out: Path,
    sources: Sequence[str],
    progress: Callable[[Progress], None] | None = None,
) -> ExpertInspector:
    """The inspector of an entry whose model is an expert; a detector is trained first (`out/experts/NAME`).

    Args:
        corpus: The corpus.
        entry: The entry.
        name: Name of the run.
        out: Folder of the runs.
        sources: What a detector is trained on; what is trained already is kept.
        progress: Told how the training goes.

    Raises:
        UsageError: When the settings do not fit, or the folder holds an expert that was trained otherwise.
        DataError: When there are too few normal images, or the expert is damaged.
        ProviderError: When weights cannot be had, or a training diverged.
        MissingExtraError: When a package is missing.
    """
    cache = corpus.path / FEATURES

    def tell(done: int, total: int) -> None:
        if progress:
            progress(Progress(f"{name}, training", total, done, dollars=0.0))

    if entry.model in DETECTORS:
        folder = out / EXPERTS / file_name(name)
        expert = fit_expert(corpus, entry.detector(), folder, sources=sources, cache=cache, progress=tell)
    else:
        expert = _trained(entry)
    return ExpertInspector(
        expert,
        name=name,
        maps=out / file_name(name) / MAPS,
        alpha=entry.alpha,
        batch_size=entry.batch_size,
        cache=cache,
    )


def _trained(entry: Entry) -> Expert:
    unfit = sorted(entry.expert_settings.keys() - {"weights", "device"})
    if unfit or entry.repeats > 1:
        what = f"expert_settings.{unfit[0]}" if unfit else "repeats"
        raise UsageError(f"{entry.model} is trained already: leave out {what}")
    weights = entry.expert_settings.get("weights")
    return Expert.load(
        Path(entry.model),
        weights=Path(weights) if weights else None,
        device=entry.expert_settings.get("device", "auto"),
    )
