"""The pairs that the report shows: which ones, their thumbnails, and what each run said of them."""

from __future__ import annotations

import base64
import hashlib
import io
import random
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from math import isfinite
from pathlib import Path
from typing import Any

from PIL import Image

from mmrad.bench import Run
from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.image import read_image
from mmrad.report.outcome import OUTCOMES, judge
from mmrad.sample import Region, Sample, Verdict

_JPEG_QUALITY = 76
_WORST_FIRST = [kind.key for kind in reversed(OUTCOMES)]


class Thumbnails:
    """JPEG thumbnails as data URIs; equal pictures are kept once.

    Args:
        side: Longest side in pixels.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.uris: dict[str, str] = {}
        self._keys: dict[Path, str] = {}

    def add(self, path: Path) -> str:
        """Read an image and keep its thumbnail.

        Returns:
            Its key in `uris`.

        Raises:
            DataError: When the file is no readable image.
        """
        if path not in self._keys:
            picture = Image.fromarray(read_image(path))
            picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
            buffer = io.BytesIO()
            picture.save(buffer, format="JPEG", quality=_JPEG_QUALITY, optimize=True)
            key = hashlib.sha256(buffer.getvalue()).hexdigest()[:16]
            uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
            self._keys[path] = self.uris.setdefault(key, uri) and key
        return self._keys[path]


def choose(runs: Sequence[Run], limit: int) -> list[tuple[Sample, Corpus]]:
    """Queries for the gallery, drawn so that outcomes have equal shares, and categories within an outcome.

    Args:
        runs: The runs; a query judged by several appears once, under its worst outcome.
        limit: Largest number of queries.

    Returns:
        The chosen queries, outcomes alternating, each with the corpus it belongs to; the same on every call.
    """
    queries = {sample.id: (sample, run.corpus) for run in runs for sample in run.samples}
    asked = _asked(runs)
    groups: dict[str, dict[tuple[str, str], list[str]]] = {}
    for key in random.Random(0).sample(sorted(queries), len(queries)):
        sample = queries[key][0]
        said = [judge(sample, runs[run].verdicts.get(key))[0] for run in asked[key]]
        worst = groups.setdefault(min(said, key=_WORST_FIRST.index), {})
        worst.setdefault((sample.source, sample.category), []).append(key)
    chosen = _in_turn([_in_turn(categories.values()) for categories in groups.values()])[:limit]
    return [queries[key] for key in chosen]


def _in_turn(groups: Iterable[Sequence[str]]) -> list[str]:
    """The first of each group, then the second of each, and so on."""
    return [key for turn in zip_longest(*groups) for key in turn if key is not None]


def items(runs: Sequence[Run], limit: int, thumbnails: Thumbnails) -> list[dict[str, Any]]:
    """The gallery as plain JSON values; images are added to `thumbnails`."""
    asked = _asked(runs)
    return [
        _item(sample, corpus, thumbnails)
        | {"answers": [_answer(run, sample, runs[run].verdicts.get(sample.id)) for run in asked[sample.id]]}
        for sample, corpus in choose(runs, limit)
    ]


def _asked(runs: Sequence[Run]) -> dict[str, list[int]]:
    """Which runs, by number, have each query."""
    asked: dict[str, list[int]] = {}
    for number, run in enumerate(runs):
        for sample in run.samples:
            asked.setdefault(sample.id, []).append(number)
    return asked


def _item(sample: Sample, corpus: Corpus, thumbnails: Thumbnails) -> dict[str, Any]:
    pair = corpus.pairs([sample], references=int(sample.id in corpus.references))[0]
    return {
        "id": sample.id,
        "source": sample.source,
        "category": sample.category,
        "size_wh": sample.size_wh,
        "truth": [_region(region) for region in sample.regions],
        "query": _picture(pair.image, thumbnails),
        "reference": _picture(pair.references[0], thumbnails) if pair.references else None,
    }


def _picture(path: Path, thumbnails: Thumbnails) -> dict[str, str]:
    """A picture that cannot be read must not cost the report; the page says why it is missing."""
    try:
        return {"image": thumbnails.add(path), "file": path.name}
    except DataError as error:
        return {"problem": str(error), "file": path.name}


def _answer(run: int, sample: Sample, verdict: Verdict | None) -> dict[str, Any]:
    outcome, hits, found = judge(sample, verdict)
    if verdict is None:
        return {"run": run, "outcome": outcome, "status": "missing", "detail": "not asked yet", "regions": []}
    return {
        "run": run,
        "outcome": outcome,
        "status": verdict.status,
        "detail": verdict.detail,
        "anomalous": verdict.anomalous,
        "score": verdict.score if verdict.score is not None and isfinite(verdict.score) else None,
        "seconds": verdict.usage.seconds,
        "think": verdict.think,
        "raw": "" if verdict.status == "ok" else verdict.raw_text,
        "regions": [_region(region) | {"hit": i in hits} for i, region in enumerate(verdict.regions)],
        "found": sorted(found),
    }


def _region(region: Region) -> dict[str, Any]:
    return {"box": region.box.xyxy, "label": region.label}
