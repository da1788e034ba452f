"""Examples of a small model: pairs in many forms, with texts written anew at each reading."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from mmrad.answer import Instance
from mmrad.box import Box
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.sample import Pair, Sample
from mmrad.teach.lesson import Lesson
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.teach.wrong import ScriptedNegatives
from mmrad.train.examples.conversations import completion_of
from mmrad.train.examples.example import Example
from mmrad.train.reinforcement.contrast import NEGATIVES, worse
from mmrad.view import View, make_view

Mirroring = tuple[bool, bool]
"""Whether an image is mirrored left to right, and top to bottom."""

MIRRORINGS: tuple[Mirroring, ...] = ((False, False), (True, False), (False, True), (True, True))

RECOLOURED = 0.3
"""Share of readings in which the colour channels of a pair are exchanged."""


@dataclass(frozen=True, slots=True)
class Exposure:
    """How bright a photograph comes out, and with how much noise of its sensor.

    Otherwise equal pictures, such as a template beside itself, would be normal by their equality alone.

    Attributes:
        gain: Factor of all values.
        offset: Added to all values, of 255.
        noise: Standard deviation, of 255.
        seed: Of the noise.
    """

    gain: float
    offset: float
    noise: float
    seed: int


@dataclass(frozen=True, slots=True)
class Reading:
    """In which form a pair is read this time.

    Attributes:
        mirroring: Of both images.
        channels: The colour channels of both in their new order.
        exposure: Of the query.
        reference: Which reference it is read with; None where it has none.
        reference_exposure: That of the reference.
        rng: For everything else that is chosen.
    """

    mirroring: Mirroring
    channels: tuple[int, ...]
    exposure: Exposure
    reference: Path | None
    reference_exposure: Exposure
    rng: random.Random


class ScriptedExamples(Dataset[Example]):
    """Pairs with texts written anew by the scripted teacher at each reading.

    Each reading mirrors the pair at random, picks one of its references, now and then exchanges the colours,
    exposes both photographs a little otherwise and words the text anew, so that a small model sees thousands
    of pairs in many forms. Views are decoded once and kept in memory (59 KB each at 140 x 140 pixels).

    Args:
        pairs: Pairs with their truth.
        settings: How the model is asked; its budget fixes the views.
        seed: Seed of all choices; reading `i` in epoch `e` gives the same example in every run.
        negatives: Writes wrong texts; None for examples without.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        settings: InspectionSettings,
        *,
        seed: int,
        negatives: ScriptedNegatives | None = None,
    ) -> None:
        self.pairs: Sequence[Pair] = pairs
        self.samples: Sequence[Sample] = [pair.sample for pair in pairs]
        self.settings = settings
        self.seed = seed
        self.epoch = 0
        self._teacher = ScriptedTeacher()
        self._negatives = negatives
        paths = sorted({path for pair in pairs for path in (pair.image, *pair.references)})
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding frees the interpreter's lock
            views = pool.map(lambda path: make_view(read_image(path), settings.budget), paths)
            self.views: Mapping[Path, View] = dict(zip(paths, views, strict=True))

    def __len__(self) -> int:
        return len(self.pairs)

    def set_epoch(self, epoch: int) -> None:
        """Choose other mirrorings, references and wordings."""
        self.epoch = epoch

    def without_reasoning(self) -> ScriptedExamples:
        """The same examples for a model that is asked to answer at once."""
        other = copy.copy(self)  # the views are shared
        other.settings = replace(self.settings, reasoning=False)
        return other

    def query(self, index: int, mirroring: Mirroring = (False, False)) -> tuple[View, list[Instance]]:
        """The view of a query, mirrored, and its true places in pixels of the view."""
        pair = self.pairs[index]
        view = self.views[pair.image]
        boxes = (
            _mirrored_box(view.to_view(region.box), view.size_wh, mirroring) for region in pair.sample.regions
        )
        labels = (region.label for region in pair.sample.regions)
        truth = [Instance(box, label) for box, label in zip(boxes, labels, strict=True)]
        return _mirrored(view, mirroring), truth

    def reading(self, index: int) -> Reading:
        """The form in which a pair is read in this epoch."""
        rng = random.Random(f"{self.seed}/{self.epoch}/{index}")
        references = self.pairs[index].references
        return Reading(
            rng.choice(MIRRORINGS),
            # Products of other colours, which nothing else makes: those held out have some.
            tuple(rng.sample(range(3), 3)) if rng.random() < RECOLOURED else (0, 1, 2),
            _exposure(rng),
            rng.choice(references) if references else None,
            _exposure(rng),
            rng,
        )

    def __getitem__(self, index: int) -> Example:
        pair, form = self.pairs[index], self.reading(index)
        query, truth = self.query(index, form.mirroring)
        query = _exposed(_recoloured(query, form.channels), form.exposure)
        references = []
        if form.reference:
            reference = _mirrored(self.views[form.reference], form.mirroring)
            references = [_exposed(_recoloured(reference, form.channels), form.reference_exposure)]
        compared = references[0].image if references else None
        text = self._teacher.write(query.image, compared, query, truth, pair.sample.category, form.rng)
        wrong: Iterable[str] = ()
        if self._negatives is not None:
            seed = f"{self.seed}/{self.epoch}/{index}"
            lesson = Lesson(pair.sample, query, references[0] if references else None, tuple(truth), seed)
            wrong = worse(self._negatives.write(lesson), [place.box for place in truth])
        return Example(
            pair.sample,
            self.settings.messages(pair.sample, query, references),
            completion_of(text, self.settings),
            tuple(place.box for place in truth),
            tuple(completion_of(one, self.settings) for one in islice(wrong, NEGATIVES)),
        )


def _mirrored(view: View, mirroring: Mirroring) -> View:
    horizontal, vertical = mirroring
    image = view.image[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    return View(np.ascontiguousarray(image), view.original_wh)


def _mirrored_box(box: Box, size_wh: tuple[int, int], mirroring: Mirroring) -> Box:
    width, height = size_wh
    horizontal, vertical = mirroring
    x1, x2 = (width - box.x2, width - box.x1) if horizontal else (box.x1, box.x2)
    y1, y2 = (height - box.y2, height - box.y1) if vertical else (box.y1, box.y2)
    return Box(x1, y1, x2, y2)


def _recoloured(view: View, channels: Sequence[int]) -> View:
    """The view with its colour channels in another order."""
    return View(np.ascontiguousarray(view.image[..., channels]), view.original_wh)


def _exposure(rng: random.Random) -> Exposure:
    return Exposure(
        rng.uniform(0.92, 1.08), rng.uniform(-8.0, 8.0), rng.uniform(0.0, 3.0), rng.randrange(1 << 31)
    )


def _exposed(view: View, exposure: Exposure) -> View:
    image = cv2.convertScaleAbs(view.image, alpha=exposure.gain, beta=exposure.offset)
    noise = np.empty(image.shape, np.int16)
    cv2.setRNGSeed(exposure.seed)
    cv2.randn(noise, np.zeros(3), np.full(3, exposure.noise))
    return View(cv2.add(image, noise, dtype=cv2.CV_8U).astype(np.uint8, copy=False), view.original_wh)
