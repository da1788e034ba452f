"""A corpus with all that a format may get wrong, and what its boxes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import is_upright, part_of, read_image
from mmrad.journal import Journal
from mmrad.sample import Region, Sample

TEXT = "<think>The pin at [10, 5, 20, 12] is bent.</think><answer>Yes</answer>"
MARKED = 10 + 20 - 1
"""Pixels of the mask inside its box."""

Boxes = list[tuple[str, tuple[float, float, float, float]]]


def annotated_corpus(folder: Path) -> Corpus:
    """Five samples whose images are not square, in three splits; images lie under `folder/raw`.

    Normal; two regions, one of them the whole image; a JPEG that EXIF turns, with a mask; a part of a file;
    and one whose id equals another's but for characters that file names avoid.
    """
    raw = folder / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)

    def picture(width: int, height: int) -> Image.Image:
        return Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8))

    picture(84, 56).save(raw / "good.png")
    picture(84, 56).save(raw / "bad.png")
    picture(84, 56).save(raw / "twin.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(60, 80).save(raw / "turned.jpg", exif=exif)
    picture(300, 100).save(raw / "strip.png")
    mask = np.zeros((60, 80), np.uint8)
    mask[10:20, 30] = 255
    mask[19, 30:70] = 1
    mask[0:5, 0:5] = 255
    Image.fromarray(mask).save(raw / "mask.png")

    def sample(place: str, image: str, size_wh: tuple[int, int], *regions: Region) -> Sample:
        split = place.partition("/")[0]
        return Sample(
            f"own/nut & bolt/{place}", "own", "nut & bolt", split, image, size_wh, regions, "CC BY 4.0"
        )

    samples = [
        sample("train/good", "good.png", (84, 56)),
        sample("test/bad", "bad.png", (84, 56), _region(11, 20, 40, 51), _region(0, 0, 84, 56, "bent <pin>")),
        sample("test/turned", "turned.jpg", (80, 60), _region(30, 10, 50, 20, "bent <pin>", "mask.png")),
        sample("validation/a: b", part_of("strip.png", (97, 13, 127, 71)), (127, 71), _region(7, 3, 127, 70)),
        sample("validation/a_b", "twin.png", (84, 56), _region(1, 2, 3, 5)),
    ]
    info = SourceInfo(adapter="made", root="raw", licence="CC BY 4.0")
    corpus = write_corpus(folder, {"own": info}, samples)
    corpus.write_references(
        Reference(item.id, rank, name, "random", 0.0)
        for item in samples[1:]
        for rank, name in enumerate(("good.png", "twin.png"))
    )
    with Journal(folder / "texts" / "someone.jsonl") as journal:
        journal.append(
            {
                "sample_id": samples[2].id, "key": "k", "text": TEXT, "view_wh": [84, 56],
                "teacher": "someone", "verified": True, "checks": {},
            }
        )  # fmt: skip
    return corpus


def _region(x1: int, y1: int, x2: int, y2: int, label: str = "scratch", mask: str | None = None) -> Region:
    return Region(Box(x1, y1, x2, y2), label, mask)


def same_image(corpus: Corpus, sample: Sample, file: Path) -> bool:
    """Whether a file shows a sample's image to readers that know neither parts nor EXIF."""
    expected = read_image(corpus.resolve(sample.source, sample.image))
    return is_upright(file) and np.array_equal(read_image(file), expected)


def boxes_of(sample: Sample) -> Boxes:
    """The label and corners of each region."""
    return [(region.label, region.box.xyxy) for region in sample.regions]
