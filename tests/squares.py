"""A corpus of grey parts, every second with a bright square."""

from pathlib import Path

import numpy as np

from mmrad.box import Box
from mmrad.corpus import Corpus, Reference, SourceInfo, write_corpus
from mmrad.image import encode_png
from mmrad.sample import Region, Sample


def make_squares(tmp_path: Path) -> Corpus:
    """Twelve grey parts; every second has a bright square at one of three places."""
    raw = tmp_path / "raw"
    raw.mkdir()
    samples = []
    for number in range(12):
        pixels = np.full((112, 112, 3), 90, np.uint8)
        regions: tuple[Region, ...] = ()
        if number % 2:
            x = 28 * (number % 3)
            pixels[28:56, x : x + 28] = 230
            regions = (Region(Box(x, 28, x + 28, 56), "stain"),)
        (raw / f"{number}.png").write_bytes(encode_png(pixels))
        name = f"made/part/test/{number}"
        samples.append(Sample(name, "made", "part", "test", f"{number}.png", (112, 112), regions, "CC0-1.0"))
    info = SourceInfo(adapter="folder", root=str(raw), licence="CC0-1.0")
    corpus = write_corpus(tmp_path / "corpus", {"made": info}, samples)
    corpus.write_references([Reference(sample.id, 0, "0.png", "random", 0.0) for sample in samples])
    return corpus
