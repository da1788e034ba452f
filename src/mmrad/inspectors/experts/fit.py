"""Train an expert on normal images, and see what it says of others that were held out."""

from __future__ import annotations

import hashlib
import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import numpy as np

from mmrad import __version__
from mmrad.corpus import Corpus
from mmrad.errors import DataError, ProviderError, UsageError
from mmrad.files import write_text
from mmrad.image import image_hash
from mmrad.inspectors.experts.detector import Detector, Item, Progress, RawMap
from mmrad.inspectors.experts.expert import (
    EXPERT_FILE,
    CategoryInfo,
    Expert,
    ExpertInfo,
    PartFiles,
    category_of,
    is_expert,
    load_info,
    part_name,
)
from mmrad.inspectors.experts.make import make_detector
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.inspectors.experts.thresholds import Calibration
from mmrad.recipe import differences

HELD_OUT = 0.2
"""Share of the normal images that is held out,"""
HELD_OUT_AT_LEAST = 10
"""but not fewer than this, and never more than half."""

FEWEST = 2
"""Normal images of a category without which it cannot be learned."""
FEWEST_OWN = 4
"""The same for images that a user gives, who can give more of them."""

OWN_CATEGORY = "user/part"
"""Category of the images that a user gives."""

BATCH = 8
"""Held-out images at once."""


def fit_expert(
    corpus: Corpus,
    settings: ExpertSettings,
    out: Path,
    *,
    sources: Sequence[str] | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Expert:
    """Train an expert on the normal samples of the split `train`; called again, it goes on where it stopped.

    Of every category some samples are held out before anything is trained, see `hold_out`; the trained
    detector judges them, and is not trained any further.

    Args:
        corpus: The corpus.
        settings: The expert.
        out: Its folder; parts that are there already are kept.
        sources: Of the corpus; None means all. A part is made of each of their categories, or one of all.
        cache: Folder of feature maps computed before, and where new ones are kept; None for none.
        progress: Told how many images of how many are learned and judged.

    Raises:
        DataError: When a category has too few normal samples to train on, or an image cannot be read.
        UsageError: When the folder holds another expert, or the settings do not fit together.
        MissingExtraError: When a package is not installed.
        ProviderError: When weights cannot be had, or a training diverged.
    """
    settings = settings.resolved()
    divisions = {
        category: _Division.of(items, settings.seed)
        for category, items in _training_items(corpus, sources).items()
    }
    first = make_detector(settings, cache)
    _begin(out, _info(corpus, settings, divisions, first.backbone))
    parts: dict[str, dict[str, _Division]] = {}
    for category, division in divisions.items():
        parts.setdefault(part_name(settings, category), {})[category] = division
    missing = {name: part for name, part in parts.items() if not PartFiles(out, name).complete}
    work = _Work(sum(division.images for part in missing.values() for division in part.values()), progress)
    # A new detector each time: nothing of one category can get into another.
    detectors = chain([first], (make_detector(settings, cache) for _ in count()))
    for (name, part), detector in zip(missing.items(), detectors, strict=False):
        _fit_part(PartFiles(out, name), detector, part, work)
    return Expert.load(out, weights=settings.weights, device=settings.device)


def fit_on_images(
    images: Sequence[Path],
    settings: ExpertSettings,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Detector, Calibration]:
    """Train a detector on good images of one product, in memory; some are held out as in `fit_expert`.

    Args:
        images: The images; of several files with the same content only the first is used.
        settings: The detector.
        cache: As in `fit_expert`.
        progress: As in `fit_expert`.

    Returns:
        The detector, whose category is `OWN_CATEGORY`, and what it says of the held-out images.

    Raises:
        UsageError: When there are fewer than `FEWEST_OWN` different images.
        DataError: When an image cannot be read.
    """
    settings = settings.resolved()
    distinct = {image_hash(image): Item(image, OWN_CATEGORY) for image in reversed(images)}
    if len(distinct) < FEWEST_OWN:
        raise UsageError(
            f"{settings.detector} has {len(distinct)} good image(s), copies counted once: it learns from "
            f"some and finds its threshold by the others; give at least {FEWEST_OWN}, better dozens "
            "(--reference may be a folder)"
        )
    division = _Division.of(distinct, settings.seed)
    detector = make_detector(settings, cache)
    with tempfile.TemporaryDirectory() as folder:
        calibrations = _learn(
            detector, {OWN_CATEGORY: division}, Path(folder) / "state", _Work(division.images, progress)
        )
    return detector, calibrations[OWN_CATEGORY]


def held_out_of(images: int) -> int:
    """How many of so many normal images are held out."""
    return min(max(math.ceil(HELD_OUT * images), HELD_OUT_AT_LEAST), images // 2)


def hold_out(ids: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Divide normal images into those to learn from and those to hold out.

    A fifth is held out, at least `HELD_OUT_AT_LEAST`, never more than half. Which, follows from the ids and
    the seed alone, whatever the order of the ids.

    Args:
        ids: At least two, no two alike.
        seed: Seed of the choice.

    Returns:
        The ids to learn from and those held out, each sorted.
    """
    count = held_out_of(len(ids))
    drawn = sorted(ids, key=lambda one: hashlib.sha256(f"{seed}\n{one}".encode()).digest())
    return sorted(drawn[count:]), sorted(drawn[:count])


@dataclass(frozen=True, slots=True)
class _Division:
    """The normal images of a category by id: those to learn from, and those held out."""

    fitted: dict[str, Item]
    held_out: dict[str, Item]

    @classmethod
    def of(cls, items: Mapping[str, Item], seed: int) -> _Division:
        fitted, held_out = hold_out(list(items), seed)
        return cls({one: items[one] for one in fitted}, {one: items[one] for one in held_out})

    @property
    def images(self) -> int:
        return len(self.fitted) + len(self.held_out)


class _Work:
    """Counts images through all parts."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._before = total, progress, 0

    def tell(self, done: float) -> None:
        """So many images of the part at hand are done."""
        if self._progress:
            self._progress(self._before + int(done), self._total)

    def end(self, images: int) -> None:
        """A part of so many images is done."""
        self._before += images


def _training_items(corpus: Corpus, sources: Sequence[str] | None) -> dict[str, dict[str, Item]]:
    """The images to train on, by category and sample id.

    Raises:
        DataError: When a category has too few.
    """
    found: dict[str, dict[str, Item]] = {}
    for sample in corpus.select(sources=sources or None):
        category = category_of(sample)
        normals = found.setdefault(category, {})
        if sample.split == "train" and not sample.anomalous:
            normals[sample.id] = Item(corpus.resolve(sample.source, sample.image), category)
    for category, normals in found.items():
        if len(normals) < FEWEST:
            raise DataError(
                f"{corpus.path}: the category {category} has {len(normals)} normal image(s) in its split "
                f"train, and an expert needs at least {FEWEST}; add normal images to that split and build "
                "the corpus again, or train on other sources (--source)"
            )
    return found


def _info(
    corpus: Corpus, settings: ExpertSettings, categories: Iterable[str], backbone: dict[str, str]
) -> ExpertInfo:
    categories = tuple(categories)
    sources = tuple(dict.fromkeys(category.split("/", 1)[0] for category in categories))
    weights = Path(settings.weights.name) if settings.weights else None
    return ExpertInfo(
        settings=settings.model_copy(update={"weights": weights, "device": "auto"}),
        backbone=backbone,
        sources=sources,
        categories=categories,
        corpus_sha256={source: corpus.manifest.sources[source].samples_sha256 for source in sources},
        mmrad_version=__version__,
    )


def _begin(out: Path, info: ExpertInfo) -> None:
    """Write `expert.json`, or see that the one there is of the same expert.

    Raises:
        UsageError: When it is of another.
    """
    if not is_expert(out):
        write_text(out / EXPERT_FILE, info.model_dump_json(indent=2) + "\n")
        return
    held, asked = (one.model_dump(mode="json") for one in (load_info(out), info))
    if different := list(differences(held, asked, _UNIMPORTANT)):
        raise UsageError(
            f"{out} holds an expert that was trained otherwise: {'; '.join(different)}; "
            "choose another folder (--out), or delete that one"
        )


_UNIMPORTANT = ("mmrad_version", "settings.weights", "backbone.tag")
"""What may differ when a training goes on; the weights' hash says which they are."""


def _fit_part(files: PartFiles, detector: Detector, part: Mapping[str, _Division], work: _Work) -> None:
    started = time.monotonic()
    files.state.parent.mkdir(parents=True, exist_ok=True)
    calibrations = _learn(detector, part, files.state, work)
    categories = {
        category: CategoryInfo(
            fitted=tuple(division.fitted),
            held_out=tuple(division.held_out),
            calibration=calibrations[category],
        )
        for category, division in part.items()
    }
    files.save(detector.tensors(), time.monotonic() - started, categories)


def _learn(
    detector: Detector, part: Mapping[str, _Division], state: Path, work: _Work
) -> dict[str, Calibration]:
    """Train a detector; returns what it then says of the held-out images, by category."""
    fitted = [item for division in part.values() for item in division.fitted.values()]
    detector.fit(fitted, state, lambda done, steps: work.tell(len(fitted) * done / steps))
    judged = len(fitted)
    calibrations = {}
    for category, division in part.items():
        items = list(division.held_out.values())
        rows: list[tuple[float, ...]] = []
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            rows += map(_measured, batch, detector.judge(batch))
            work.tell(judged + len(rows))
        judged += len(rows)
        calibrations[category] = Calibration(*zip(*rows, strict=True))
    work.end(judged)
    return calibrations


def _measured(item: Item, raw: RawMap) -> tuple[float, ...]:
    """Score, maximum, minimum and median of a held-out image.

    Raises:
        ProviderError: When one is not finite.
    """
    values = raw.values
    row = (raw.score, *(float(of(values)) for of in (np.max, np.min, np.median)))
    if not np.isfinite(row).all():
        raise ProviderError(
            f"{item.image}: the trained detector gives it values that are not finite; "
            "train it with other settings"
        )
    return row
