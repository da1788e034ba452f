"""A small corpus of made-up parts for expert detectors, and a detector that learns their mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.features import Geometry, network_input
from mmrad.image import read_image
from mmrad.inspectors.experts import make
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.sample import Region, Sample

SIZE_WH = (84, 56)
FLAW = Box(48, 8, 68, 24)
"""Where every anomalous part has a bright spot, in pixels of the upright image."""


def write_part(
    path: Path, *, look: int = 0, seed: int = 0, flawed: bool = False, turned: bool = False
) -> None:
    """Write a noisy part of a certain look as JPEG; a turned one is stored on its side, by EXIF."""
    rng = np.random.default_rng(seed)
    width, height = SIZE_WH
    pixels = np.full((height, width, 3), 60 + 30 * look, np.float32)
    pixels[10:46, 12:40] += 60  # nothing symmetric, or a wrong turn would not be seen
    pixels += rng.normal(0, 3, pixels.shape)
    if flawed:
        x1, y1, x2, y2 = FLAW.rounded()
        pixels[y1:y2, x1:x2] = 240
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    if turned:
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6
    image.save(path, quality=95, exif=exif)


def make_parts(
    folder: Path, categories: Sequence[str] = ("bolt", "nut"), *, train: int = 14, good: int = 3, bad: int = 3
) -> Corpus:
    """A corpus `made` with normal train images and both in test; every second image is turned by EXIF."""
    samples = []
    for look, category in enumerate(categories):
        for split, kind, count in (("train", "good", train), ("test", "good", good), ("test", "bad", bad)):
            for number in range(count):
                name = f"{category}/{split}/{kind}/{number:03}.jpg"
                seed = 10_000 * look + 1_000 * (split == "test") + 500 * (kind == "bad") + number
                flawed = kind == "bad"
                write_part(folder / "raw" / name, look=look, seed=seed, flawed=flawed, turned=number % 2 == 1)
                regions = (Region(FLAW, "spot"),) if flawed else ()
                identity = f"made/{category}/{split}/{kind}/{number:03}"
                samples.append(Sample(identity, "made", category, split, name, SIZE_WH, regions, "CC0-1.0"))
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(folder, {"made": info}, samples)
    corpus.write_references(
        Reference(sample.id, 0, f"{sample.category}/train/good/000.jpg", "random", 0.0) for sample in samples
    )
    return corpus


class MeanDetector:
    """Learns the mean image of each category; its map is the difference from it."""

    learned: ClassVar[list[tuple[str, ...]]] = []
    """The names of the images of every `fit`, of all of these detectors."""

    def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
        self.geometry = Geometry(settings.size or 32, settings.crop)
        self.backbone = {"tag": "none", "sha256": "0" * 64}
        self._means: dict[str, torch.Tensor] = {}

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        MeanDetector.learned.append(tuple(item.image.name for item in images))
        for done, category in enumerate(categories := sorted({item.category for item in images}), 1):
            own = [self._seen(item) for item in images if item.category == category]
            self._means[category] = torch.from_numpy(np.mean(own, axis=0))
            if progress:
                progress(done, len(categories))

    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        return [self._judged(item) for item in images]

    def tensors(self) -> dict[str, torch.Tensor]:
        return self._means

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        self._means = tensors

    def _judged(self, item: Item) -> RawMap:
        values = np.abs(self._seen(item) - self._means[item.category].numpy()).mean(axis=2)
        return RawMap(float(values.max()), values.astype(np.float32))

    def _seen(self, item: Item) -> np.ndarray:
        return network_input(read_image(item.image), self.geometry).astype(np.float32)


@pytest.fixture
def mean_detector(monkeypatch: pytest.MonkeyPatch) -> type[MeanDetector]:
    """Every detector is one that learns the mean."""
    MeanDetector.learned = []
    monkeypatch.setattr(make, "_class_of", lambda settings: MeanDetector)
    return MeanDetector
