"""Boxes that are proposed to a reviewer: a model's, an expert's, and SAM's for a box that was drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypedDict

import cv2
import numpy as np

from mmrad.bench.expert_runs import RunMaps, threshold_of
from mmrad.bench.hints import PLACES
from mmrad.bench.run import Run
from mmrad.box import Box
from mmrad.errors import UsageError
from mmrad.image import read_image
from mmrad.inspectors.experts.places import top_places
from mmrad.review.index import SampleIndex
from mmrad.review.index.judgements import named
from mmrad.review.pixels import whole_pixels
from mmrad.sample import Region, Sample, Verdict

if TYPE_CHECKING:  # torch is loaded when SAM is first asked
    from mmrad.inspectors.sam import Sam

Kind = Literal["verdict", "map"]
"""Where boxes come from: a model's verdict, or an expert's heat map."""

NO_LABEL = "anomaly"
"""Label of a place in a category that has no labels yet."""


class Proposal(TypedDict):
    """Boxes that can be had for a sample: the name of a run, and where its boxes come from."""

    name: str
    kind: Kind


class Assist:
    """Proposes boxes for the samples of a corpus; safe to be used by several threads.

    Args:
        index: The samples, opened with the runs.
        runs: Runs on the corpus; those that say no places propose none.
        sam: Folder of a Segment Anything model, or None.

    Raises:
        UsageError: When a run is of another corpus, or two runs cannot be told apart.
    """

    def __init__(self, index: SampleIndex, runs: Sequence[Run] = (), sam: Path | None = None) -> None:
        self._index = index
        self._runs = {
            name: run
            for name, run in named(runs, index.corpus).items()
            if run.info.about.get("localization") != "none"
        }
        self._sam_folder = sam
        self._turn = Lock()

    @property
    def can_segment(self) -> bool:
        """Whether there is a model for `tighten`."""
        return self._sam_folder is not None

    def names(self, sample: Sample) -> list[Proposal]:
        """The proposals for a sample: of each run that was asked about it, answered or not.

        Raises:
            DataError: When a run is damaged.
        """
        return [
            Proposal(name=name, kind=_kind(run))
            for name, run in self._runs.items()
            if self._index.verdict(name, sample.id)
        ]

    def regions(self, sample: Sample, name: str) -> tuple[Region, ...]:
        """The places that a run found on a sample, in whole pixels of the original image.

        Of an expert they are those above its threshold, or, where none are, the strongest of its map. A place
        without a label of its own gets the most frequent one of the category.

        Args:
            sample: The sample.
            name: A name of `names`.

        Raises:
            UsageError: When there is no such run, or it has no answer for the sample.
            DataError: When the run or its map is damaged.
        """
        if name not in self._runs:
            raise UsageError(f"{name}: no such run; there are {', '.join(self._runs) or 'none'}")
        run, verdict = self._runs[name], self._index.verdict(name, sample.id)
        if verdict is None:
            raise UsageError(f"{name} was not asked about {sample.id}")
        if verdict.anomalous is None:
            said = f"{verdict.status}: {verdict.detail}" if verdict.detail else verdict.status
            raise UsageError(f"{name} has no answer for {sample.id} ({said}), so it proposes nothing")
        found = _map_places(run, sample, verdict) if _kind(run) == "map" else verdict.claimed
        label = next(iter(self._index.labels(sample.source, sample.category)), NO_LABEL)
        whole = [(whole_pixels(one.box, sample.size_wh), one.label or label) for one in found]
        return tuple(Region(box, text) for box, text in whole if box)

    def tighten(self, sample: Sample, box: Box) -> Box | None:
        """The box around what a Segment Anything model marks in a box.

        Args:
            sample: The sample.
            box: In pixels of the original image.

        Returns:
            A box of whole pixels, or None when the model marks nothing.

        Raises:
            UsageError: When there is no model.
            DataError: When the image cannot be read.
            ProviderError: When the model cannot be loaded.
        """
        image = read_image(self._index.corpus.resolve(sample.source, sample.image))
        with self._turn:  # one at a time: each takes all cores, or most of a GPU's memory
            [mask] = self._sam.masks(image, [box])
        if not mask.any():
            return None
        x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
        return Box(x, y, x + width, y + height)

    @cached_property
    def _sam(self) -> Sam:
        if self._sam_folder is None:
            raise UsageError("there is no Segment Anything model; start  mmrad review  with --sam FOLDER")
        from mmrad.inspectors.sam import Sam

        return Sam(self._sam_folder)


def _kind(run: Run) -> Kind:
    return "map" if threshold_of(run.info) else "verdict"


def _map_places(run: Run, sample: Sample, verdict: Verdict) -> Sequence[Region]:
    """The places of an expert's verdict; else the strongest of its map, without a label."""
    if verdict.regions:
        return verdict.regions
    return [Region(box, "") for box, _ in top_places(RunMaps.of(run).placed(sample), PLACES)]
