"""A small corpus with texts, written to disk: no image is square, one is turned by EXIF, one is a part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from mmrad.answer import Instance, render
from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import part_of
from mmrad.journal import Journal
from mmrad.sample import Region, Sample
from mmrad.teach.texts import text_path
from mmrad.view import Budget, rescale, view_size

BUDGET = Budget(max_pixels=20 * 28 * 28)

WIDE = "made/nut/train/wide"
"""400x150 pixels, seen as 196x56 with `BUDGET`; two boxes."""
TALL = "made/nut/train/tall"
"""Stored lying, upright 100x170 pixels, seen as 84x140; one box."""
PLAIN = "made/nut/train/plain"
"""Normal; it comes before the anomalous ones of its split."""
GOOD = "made/nut/test/good"
"""90x60 pixels, seen as 84x56; normal, and alone in its split."""

BOXES = {
    WIDE: [[20, 11, 98, 26], [127, 37, 147, 49]],
    TALL: [[8, 82, 50, 124]],
    PLAIN: [],
    GOOD: [],
}
"""The true boxes in whole pixels of the views."""


def taught_corpus(folder: Path, budget: Budget = BUDGET, *, scale: int = 1) -> Corpus:
    """Four samples with a verified text, one with a text that is not verified, and one with none.

    Args:
        folder: Gets the corpus, and the images under `raw`.
        budget: The one that the texts are written for.
        scale: How many times larger all images are.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, width, height in (
        ("wide.png", 400, 150), ("strip.png", 800, 150), ("good.png", 90, 60), ("same.png", 90, 60),
    ):  # fmt: skip
        _noise(rng, width * scale, height * scale).save(raw / name)
    exif = Image.Exif()
    exif[0x0112] = 6
    _noise(rng, 170 * scale, 100 * scale).save(raw / "tall.jpg", exif=exif)
    wide = _sample(
        WIDE, "wide.png", (400, 150), ((40, 30, 200, 70), "bent pin"), ((260, 100, 300, 130), "crack")
    )
    tall = _sample(TALL, "tall.jpg", (100, 170), ((10, 100, 60, 150), "dirt"))
    good = _sample(GOOD, "good.png", (90, 60))
    plain = replace(good, id=PLAIN, split="train", image="same.png")
    failed = replace(plain, id="made/nut/test/failed", split="test")
    silent = replace(good, id="made/nut/train/silent", split="train")
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    samples = [_scaled(sample, scale) for sample in (good, plain, wide, tall, failed, silent)]
    corpus = write_corpus(folder, {"made": info}, samples)
    strip = part_of("strip.png", (400 * scale, 0, 400 * scale, 150 * scale))
    corpus.write_references(
        [
            Reference(WIDE, 0, strip, "aligned", 0.1),
            Reference(WIDE, 1, "good.png", "aligned", 0.2),
            *(
                Reference(sample.id, 0, "good.png", "aligned", 0.1)
                for sample in (plain, tall, failed, silent)
            ),
            Reference(GOOD, 0, "same.png", "aligned", 0.1),
        ]
    )
    with Journal(text_path(corpus, "somebody")) as journal:
        for sample in samples[:5]:
            journal.append(_text(sample, budget) | {"verified": sample.id != failed.id})
    return corpus


def _noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8))


def _sample(
    name: str, image: str, size_wh: tuple[int, int], *regions: tuple[tuple[int, int, int, int], str]
) -> Sample:
    source, category, split, _ = name.split("/")
    found = tuple(Region(Box(*box), label) for box, label in regions)
    return Sample(name, source, category, split, image, size_wh, found, "CC0-1.0")


def _scaled(sample: Sample, scale: int) -> Sample:
    width, height = sample.size_wh
    regions = tuple(Region(region.box.scaled(scale, scale), region.label) for region in sample.regions)
    return replace(sample, size_wh=(width * scale, height * scale), regions=regions)


def _text(sample: Sample, budget: Budget) -> dict[str, object]:
    view_wh = view_size(sample.size_wh, budget)
    truth = [
        Instance(rescale(region.box, sample.size_wh, view_wh), region.label) for region in sample.regions
    ]
    seen = "; ".join(f"a {place.label} at {list(place.box.rounded())}" for place in truth) or "nothing"
    return {
        "sample_id": sample.id,
        "text": render(f"I see {seen}.", truth),
        "view_wh": view_wh,
        "teacher": "somebody",
        "checks": {"parses": True},
    }
