"""A small corpus with references, for the tests of teaching."""

from pathlib import Path

import numpy as np
import pytest

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import encode_png
from mmrad.sample import Region, Sample

SIZE_WH = (130, 70)
BOXES = [Box(10, 5, 60, 20), Box(100, 40, 130, 70)]


def write_small_corpus(folder: Path) -> Corpus:
    """Two normal samples and two anomalous ones, of one and of two regions, all with a reference."""
    rng = np.random.default_rng(0)
    good = rng.integers(90, 110, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    samples = []
    for stem, boxes in {"good": [], "fine": [], "one": BOXES[:1], "two": BOXES}.items():
        image = good.copy()
        for box in boxes:
            x1, y1, x2, y2 = box.rounded()
            image[y1:y2, x1:x2] = [200, 30, 30]
        path = folder / "raw" / f"{stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(image))
        regions = tuple(Region(box, "red stain") for box in boxes)
        samples.append(
            Sample(f"made/nut/test/{stem}", "made", "nut", "test", f"{stem}.png", SIZE_WH, regions, "CC0-1.0")
        )
    corpus = write_corpus(
        folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples
    )
    corpus.write_references([Reference(sample.id, 0, "good.png", "random", 0.0) for sample in samples])
    return corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return write_small_corpus(tmp_path)
