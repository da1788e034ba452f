"""A tiny corpus with two runs on disk, as the report reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mmrad.bench import Run, bench
from mmrad.box import Box
from mmrad.corpus import Reference, SourceInfo, write_corpus
from mmrad.sample import Pair, Region, Sample, Usage, Verdict

HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> & 'q'"
)
DENT = Box(4, 4, 14, 12)


@dataclass(frozen=True)
class Given:
    """An inspector whose verdicts are given, by the end of the sample's id."""

    name: str
    verdicts: dict[str, Verdict]

    def about(self) -> dict[str, Any]:
        return {}

    def key(self) -> dict[str, Any]:
        return {"model": HOSTILE}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        for index, pair in enumerate(pairs):
            yield index, self.verdicts[pair.sample.id.rpartition("/")[2]]


def says(anomalous: bool | None, *boxes: Box, **more: Any) -> Verdict:
    regions = tuple(Region(box, HOSTILE) for box in boxes)
    status = more.pop("status", "ok")
    return Verdict(anomalous, regions, more.pop("think", HOSTILE), HOSTILE, None, status, **more)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    root = tmp_path / "raw"
    (root / "bolt").mkdir(parents=True)
    for shade, name in enumerate(("reference", "bad1", "bad2", "bad3", "good1", "good2")):
        Image.new("RGB", (40, 30), (40 * shade, 90, 120)).save(root / "bolt" / f"{name}.png")
    (root / "bolt" / "bad3.png").write_bytes(b"no image")
    samples = [
        Sample(
            f"plant/bolt/test/{name}", "plant", "bolt", "test", f"bolt/{name}.png", (40, 30),
            (Region(DENT, HOSTILE),) if name.startswith("bad") else (), "CC0-1.0",
        )
        for name in ("bad1", "bad2", "bad3", "good1", "good2")
    ]  # fmt: skip
    corpus = write_corpus(
        tmp_path / "corpus",
        {"plant": SourceInfo(adapter="mvtec", root=str(root), licence="CC BY-NC-SA 4.0")},
        samples,
    )
    corpus.write_references([Reference(s.id, 0, "bolt/reference.png", "given", 0.0) for s in samples])
    far = Box(30, 20, 38, 28)
    careful = {
        "bad1": says(True, DENT, usage=Usage(seconds=1.5)),
        "bad2": says(True, DENT, far),
        "bad3": says(True, far),
        "good1": says(False),
        "good2": says(None, status="truncated", detail="the text ends inside the reasoning"),
    }
    hasty = dict.fromkeys(careful, says(False)) | {"good1": says(True, far)}
    return [
        bench(corpus, samples, Given(name, verdicts), tmp_path / "runs")
        for name, verdicts in ((f"careful {HOSTILE}", careful), ("hasty", hasty))
    ]
