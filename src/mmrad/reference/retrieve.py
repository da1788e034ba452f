"""Choosing normal references for the samples of a corpus."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmrad.corpus import Corpus, Reference
from mmrad.errors import DataError, UsageError
from mmrad.features import FeatureMaps, Geometry
from mmrad.reference.align import Alignment, Floats, Normals, assign, codebook, histograms
from mmrad.sample import Sample

Method = Literal["auto", "aligned", "given", "random"]

Progress = Callable[[int, int], None]

GEOMETRY = Geometry(240)
"""Gives 60 x 60 patches, which a 5 x 5 grid divides evenly; images of other aspect ratios are squeezed, since
cells are compared by relative place."""

STRIDE = 4
"""Of the stage whose features are compared: the first layers of a light network tell places, not meanings."""

_CODEBOOK_IMAGES = 64
"""A codebook is made from all patches of at most this many normal images, chosen at random.

The paper clusters the patches of every normal image; these are 230,000 for 12 centres, and memory is bounded.
"""

_BATCH = 16

_Ranking = list[tuple[str, float]]
"""Images and their misalignments, best first."""


@dataclass(frozen=True, slots=True)
class _Task:
    """Samples of one category that choose among the same normal samples."""

    queries: Sequence[Sample]
    candidates: Sequence[Sample]

    @property
    def normals(self) -> list[Sample]:
        """One sample for each image to choose among."""
        return list({sample.image: sample for sample in self.candidates}.values())

    @property
    def others(self) -> list[Sample]:
        """One sample for each image that is asked about and not among the candidates."""
        candidates = {sample.image for sample in self.candidates}
        return list({query.image: query for query in self.queries if query.image not in candidates}.values())


def retrieve(
    corpus: Corpus,
    *,
    method: str = "auto",
    top: int = 10,
    features: str = "lite0",
    weights: Path | None = None,
    cache: Path | None = None,
    alignment: Alignment | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Reference]:
    """Choose normal references for every sample and write them into the corpus.

    Candidates are the normal images of the same source and category, those of its train split where it has
    any; never the query itself.

    Args:
        corpus: The corpus; its references are replaced.
        method: `aligned` (paper, Appendix B), `random`, `given` (the pairs that the source names), or `auto`:
            given where the source names them, else aligned.
        top: How many references each sample gets at most, best first.
        features: A backbone of `mmrad.features.BACKBONES` that has a stage of stride 4: `lite0`, `resnet18`
            (as in the paper), …; only `aligned` needs it.
        weights: File with its weights; None for those of its package or the Hugging Face hub.
        cache: Folder of feature maps computed before, and where new ones are kept; None for none.
        alignment: Hyperparameters; None means the paper's.
        seed: Seed of the clustering and of `random`.
        progress: Called with images done and images in all.

    Returns:
        The references by sample, in the order of the corpus.

    Raises:
        UsageError: When the method or the features do not exist, or the weights do not fit.
        DataError: When a category has no normal image to choose, `given` finds a sample without, or an image
            cannot be read.
        ProviderError: When the weights cannot be had.
    """
    _check(method, top)
    found: dict[str, list[Reference]] = {}
    others: list[Sample] = []
    for sample in corpus.samples:
        if method in ("auto", "given") and sample.given_references:
            found[sample.id] = _references(
                sample, [(image, 0.0) for image in sample.given_references], "given"
            )
        else:
            others.append(sample)
    if method == "given" and others:
        raise DataError(
            f"{corpus.path}: the source {others[0].source} names no references for {others[0].id} "
            f"({len(others)} samples have none); use the method auto or aligned"
        )
    tasks = list(_tasks(corpus, others))
    if method == "random":
        for task in tasks:
            found.update((query.id, _random(query, task, top, seed)) for query in task.queries)
    elif tasks:
        maps = FeatureMaps(features, (STRIDE,), GEOMETRY, weights=weights, cache=cache)
        aligner = _Aligner(corpus, maps, alignment or Alignment(), seed, _Counter(tasks, progress))
        for task in tasks:
            rankings = dict(aligner.rank(task, top))
            found.update(
                (query.id, _references(query, rankings[query.image], "aligned")) for query in task.queries
            )
    chosen = [reference for sample in corpus.samples for reference in found[sample.id][:top]]
    corpus.write_references(chosen)
    return chosen


def _check(method: str, top: int) -> None:
    if method not in get_args(Method):
        raise UsageError(f"no method {method!r}; there are {', '.join(get_args(Method))}")
    if top < 1:
        raise UsageError(f"top is {top}; a sample needs at least one reference")


def _references(sample: Sample, ranking: _Ranking, method: str) -> list[Reference]:
    return [
        Reference(sample.id, rank, image, method, distance) for rank, (image, distance) in enumerate(ranking)
    ]


def _tasks(corpus: Corpus, queries: Sequence[Sample]) -> Iterator[_Task]:
    """The queries by source and category, each with its candidates."""
    normals: dict[tuple[str, str], list[Sample]] = {}
    for sample in corpus.samples:
        if not sample.anomalous:
            normals.setdefault((sample.source, sample.category), []).append(sample)
    groups: dict[tuple[str, str], list[Sample]] = {}
    for query in queries:
        groups.setdefault((query.source, query.category), []).append(query)
    for key, group in groups.items():
        everything = normals.get(key, [])
        train = [sample for sample in everything if sample.split == "train"] or everything
        # The only image of a train split cannot be its own reference; it chooses among the other splits.
        images = {sample.image for sample in train}
        alone = [query for query in group if images <= {query.image}]
        rest = [query for query in group if query not in alone]
        if rest:
            yield _Task(rest, train)
        for query in alone:
            others = [sample for sample in everything if sample.image != query.image]
            if not others:
                raise DataError(
                    f"{corpus.path}: the category {'/'.join(key)} has no normal image beside {query.id}; add "
                    "normal images to it, or build the corpus without this category"
                )
            yield _Task([query], others)


def _random(query: Sample, task: _Task, top: int, seed: int) -> list[Reference]:
    images = sorted({sample.image for sample in task.candidates} - {query.image})
    drawn = random.Random(f"{seed}/{query.id}").sample(images, min(top, len(images)))
    return _references(query, [(image, 0.0) for image in drawn], "random")


class _Counter:
    """Tells how many images have been measured."""

    def __init__(self, tasks: Sequence[_Task], progress: Progress | None) -> None:
        self._progress = progress
        self._total = sum(len(task.normals) + len(task.others) for task in tasks)
        self._done = 0

    def add(self, images: int) -> None:
        self._done += images
        if self._progress:
            self._progress(self._done, self._total)


class _Aligner:
    """Ranks candidates by spatial alignment; holds histograms of the candidates, else only of a batch."""

    def __init__(
        self, corpus: Corpus, features: FeatureMaps, alignment: Alignment, seed: int, counter: _Counter
    ) -> None:
        self._corpus = corpus
        self._features = features
        self._alignment = alignment
        self._seed = seed
        self._counter = counter

    def rank(self, task: _Task, top: int) -> Iterator[tuple[str, _Ranking]]:
        """Each image that is asked about, with its best candidates and their misalignments."""
        candidates = task.normals
        centres = self._codebook(candidates)
        measured = np.concatenate([found for _, found in self._histograms(candidates, centres)])
        normals = Normals(measured, self._alignment.ignored)

        def ranked(samples: Sequence[Sample], queries: Floats) -> Iterator[tuple[str, _Ranking]]:
            # One more than wanted, since an image may find itself.
            for sample, (rows, values) in zip(samples, normals.nearest(queries, top + 1), strict=True):
                pairs = zip((candidates[row].image for row in rows), values.tolist(), strict=True)
                yield sample.image, [pair for pair in pairs if pair[0] != sample.image][:top]

        asked = {query.image for query in task.queries}
        rows = [row for row, candidate in enumerate(candidates) if candidate.image in asked]
        yield from ranked([candidates[row] for row in rows], measured[rows])
        for samples, found in self._histograms(task.others, centres):
            yield from ranked(samples, found)

    def _codebook(self, candidates: Sequence[Sample]) -> NDArray[np.float32]:
        if len(candidates) > _CODEBOOK_IMAGES:
            first = candidates[0]
            rng = random.Random(f"{self._seed}/{first.source}/{first.category}")
            candidates = rng.sample(candidates, _CODEBOOK_IMAGES)
        maps = np.concatenate([maps for _, maps in self._maps(candidates)])
        return codebook(maps.reshape(-1, maps.shape[-1]), self._alignment.clusters, seed=self._seed)

    def _histograms(
        self, samples: Sequence[Sample], centres: NDArray[np.float32]
    ) -> Iterator[tuple[Sequence[Sample], Floats]]:
        for batch, maps in self._maps(samples):
            yield batch, histograms(assign(maps, centres), len(centres), self._alignment.grid)
            self._counter.add(len(maps))

    def _maps(self, samples: Sequence[Sample]) -> Iterator[tuple[Sequence[Sample], NDArray[np.float32]]]:
        """Samples and their feature maps, shape `(N, rows, columns, channels)`, in batches."""
        for start in range(0, len(samples), _BATCH):
            batch = samples[start : start + _BATCH]
            images = [self._corpus.resolve(sample.source, sample.image) for sample in batch]
            (maps,) = self._features.of(images)
            yield batch, maps.permute(0, 2, 3, 1).numpy()
