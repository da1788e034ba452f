"""Small corpora for tests, written to disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import encode_png
from mmrad.sample import Region, Sample

SIZE_WH = (84, 56)


def make_corpus(folder: Path, count: int) -> Corpus:
    """`count` queries, every second anomalous, beside one normal reference; images lie under `folder/raw`."""
    raw = folder / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "good.png").write_bytes(_picture(255))
    samples = []
    for number in range(count):
        name = f"{number:03}.png"
        (raw / name).write_bytes(_picture(number))
        regions = (Region(Box(10, 20, 40, 50), "scratch"),) if number % 2 else ()
        samples.append(
            Sample(f"made/part/test/{number:03}", "made", "part", "test", name, SIZE_WH, regions, "CC0-1.0")
        )
    info = SourceInfo(adapter="made", root="raw", licence="CC0-1.0")
    corpus = write_corpus(folder, {"made": info}, samples)
    corpus.write_references(Reference(sample.id, 0, "good.png", "random", 0.0) for sample in samples)
    return corpus


def _picture(grey: int) -> bytes:
    return encode_png(np.full((SIZE_WH[1], SIZE_WH[0], 3), grey, np.uint8))
