"""What the expert detectors reach on real and on made-up products, under both thresholds.

    python benchmarks/expert_results.py --out FOLDER [--data ../shared/data] [--parts cookies,bsdata,factory]
                                        [--models padim,patchcore,hgad]

Cookies: 16 good ones to train on, 15 good and 32 cracked ones to judge, with masks. bsdata: of each position
of the ball screw the earlier two thirds of the frames without wear to train on, the later third and all worn
frames to judge, with outlines. Factory: made-up products in four layouts. Prints a Markdown table for each;
the same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from mmrad.bench import Run
from mmrad.bench.pixel_figures import pixel_figures
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.corpus import Corpus, write_corpus
from mmrad.factory import factory_roots, make_factory
from mmrad.metrics import score
from mmrad.sample import Sample
from mmrad.sources import build_corpus

COOKIES_TO_TRAIN = 16

FIGURES = {
    "det. accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "loc. accuracy, IoU 0.1": "iou0.1_accuracy",
    "AUROC": "auroc",
}


def main() -> None:
    """Build the corpora, fit and judge, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="keeps corpora, experts and runs")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--parts", default="cookies,bsdata,factory")
    parser.add_argument("--models", default="padim,patchcore,hgad")
    arguments = parser.parse_args()
    makers: dict[str, Callable[[], Corpus]] = {
        "cookies": lambda: _cookies(arguments.data / "cookies", arguments.out / "cookies"),
        "bsdata": lambda: _bsdata(arguments.data / "bsdata", arguments.out / "bsdata"),
        "factory": lambda: _factory(arguments.out / "factory"),
    }
    for part in arguments.parts.split(","):
        corpus = makers[part]()
        _print(part, corpus, arguments.models.split(","), arguments.out / part / "runs")


def _print(part: str, corpus: Corpus, models: Sequence[str], out: Path) -> None:
    train, test = corpus.select(splits=["train"]), corpus.select(splits=["test"])
    bad = sum(sample.anomalous for sample in test)
    judged = f"{len(test) - bad} good and {bad} anomalous to judge"
    print(f"\n### {part}: {len(train)} good images to train on, {judged}\n")
    print("| expert | threshold |", " | ".join([*FIGURES, "pixel AUROC", "AUPRO", "minutes"]), "|")
    print("|---" * (len(FIGURES) + 5) + "|")
    for model in models:
        started = time.monotonic()
        recipe = BenchRecipe(runs=(Entry(model=model, references=0),))
        for outcome in Benchmark(corpus, recipe, out).run():
            if outcome.run is None:
                raise SystemExit(f"{outcome.name}: {outcome.problem}")
            minutes = (time.monotonic() - started) / 60
            print("|", " | ".join(_row(outcome.run, minutes)), "|", flush=True)


def _row(run: Run, minutes: float) -> Iterator[str]:
    overall = score(run.samples, run.verdicts).overall
    yield str(run.info.about["expert"])
    yield str(run.info.about["threshold"])
    yield from (str(overall.figures[name]) for name in FIGURES.values())
    pixels = pixel_figures(run)
    yield from (str(pixels.overall.figures[name]) if pixels else "" for name in ("pixel_auroc", "aupro"))
    yield f"{minutes:.1f}"


def _cookies(data: Path, out: Path) -> Corpus:
    root = out / "cookies"
    if not (root / "test").exists():
        good = _numbered(data / "training-images", "normal")
        bad = _numbered(data / "training-images", "anomaly")
        for folder, images in (
            ("train/good", good[:COOKIES_TO_TRAIN]),
            ("test/good", good[COOKIES_TO_TRAIN:]),
            ("test/crack", bad),
            ("ground_truth/crack", _numbered(data / "mask-images", "anomaly")),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            for image in images:
                (root / folder / image.name).symlink_to(image.resolve())
    return build_corpus({"cookies": ("folder", root)}, out / "corpus").corpus


def _numbered(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*"), key=lambda path: int(path.stem.rsplit("-", 1)[1]))


def _bsdata(data: Path, out: Path) -> Corpus:
    built = build_corpus({"bsdata": ("bsdata", data)}, out / "built").corpus
    samples = [sample for sample in built.samples if sample.anomalous]
    for category in sorted({sample.category for sample in built.samples}):
        good = [s for s in built.samples if s.category == category and not s.anomalous]
        good.sort(key=lambda sample: sample.image)  # the time is in the name
        kept = len(good) * 2 // 3
        samples += good[:kept] + [_judged(sample) for sample in good[kept:]]
    info = built.manifest.sources["bsdata"].model_copy(update={"root": str(data.resolve())})
    return write_corpus(out / "corpus", {"bsdata": info}, samples)


def _judged(sample: Sample) -> Sample:
    return replace(sample, split="test", id=sample.id.replace("/train/", "/test/"))


def _factory(out: Path) -> Corpus:
    if not (out / "raw").exists():
        make_factory(out / "raw", seed=11, train=30, good=10, per_anomaly=4)
    return build_corpus(factory_roots(out / "raw"), out / "corpus").corpus


if __name__ == "__main__":
    main()
