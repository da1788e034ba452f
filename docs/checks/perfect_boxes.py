"""What masks are worth when every box is right: the true boxes of the cookie photographs as verdicts.

    PYTHONPATH=src .venv/bin/python docs/checks/perfect_boxes.py --data ../shared/data/cookies --out FOLDER

Builds a corpus of the 31 good and 32 cracked cookies, makes a run whose verdicts are the true boxes, and
measures filled boxes against the true masks; `--sam MODEL` measures the masks of a SAM model as well. The
pictures lie under the run's folder. The figures of filled boxes say what there is to gain from masks.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmrad.bench import bench
from mmrad.bench.segment import FilledBoxes, segment_run
from mmrad.corpus import Corpus
from mmrad.metrics.pixels import PixelScores
from mmrad.sample import Pair, Verdict
from mmrad.sources import build_corpus


class Truth:
    """An inspector that knows the true boxes."""

    name = "true-boxes"

    def key(self) -> dict[str, Any]:
        """Nothing can change the truth."""
        return {"inspector": self.name}

    def about(self) -> dict[str, Any]:
        """Nothing to tell."""
        return {}

    def inspect(self, pairs: Sequence[Pair]) -> Iterator[tuple[int, Verdict]]:
        """The truth of each pair."""
        for index, pair in enumerate(pairs):
            yield index, Verdict(pair.sample.anomalous, pair.sample.regions, "", "", None, "ok")


def cookies(data: Path, out: Path) -> Corpus:
    """The photographs as a corpus; the layout `folder` wants them sorted."""
    root = out / "sorted"
    for kind, folder in (("normal", "good"), ("anomaly", "crack")):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((data / "training-images").glob(f"{kind}-*.jpg")):
            link = root / folder / path.name
            link.unlink(missing_ok=True)
            link.symlink_to(path.resolve())
    masks = root / "masks"
    masks.unlink(missing_ok=True)
    masks.symlink_to((data / "mask-images").resolve())
    return build_corpus({"cookies": ("folder", root)}, out / "corpus").corpus


def show(name: str, scores: PixelScores | None) -> None:
    """One line of figures."""
    if scores:
        figures = scores.overall.figures.items()
        print(f"{name}: {scores.overall.samples} images;", ", ".join(f"{n} {f}" for n, f in figures))


def main() -> None:
    """Build, judge, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cookies"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sam", default=None, help="folder or hub name of a SAM model")
    arguments = parser.parse_args()
    corpus = cookies(arguments.data, arguments.out)
    run = bench(corpus, corpus.samples, Truth(), arguments.out / "runs", references=0)
    found = segment_run(run, FilledBoxes(), pictures=True)
    print(f"{found.folder}: {found.written} masks written, {found.kept} kept, {found.left_out} left out")
    show("filled boxes", found.scores)
    if arguments.sam:
        from mmrad.inspectors.sam import Sam

        found = segment_run(run, Sam(arguments.sam), pictures=True)
        show(found.segmenter, found.scores)


if __name__ == "__main__":
    main()
