"""What an expert's hints and fusing do to the bundled nano, on unseen factory images.

    python benchmarks/hints.py [--out FOLDER] [--queries 200]

The nano was trained without hints, on the short prompts alone; PatchCore is trained on the good images of
each product. Prints Markdown tables with 95 % intervals (bootstrap over base images), and how each run
differs from the nano alone. The same command with --out goes on where it stopped.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from nano import UNSEEN

from mmrad.bench import Run
from mmrad.bench.fuse import fuse
from mmrad.bench.protocol import Benchmark
from mmrad.bench.recipe import BenchRecipe, Entry
from mmrad.corpus import Corpus
from mmrad.inspectors.make import NANO
from mmrad.metrics import compare, score
from mmrad.sample import Sample
from mmrad.train.examples.data import factory_corpus
from mmrad.train.recipe import load_recipe

FIGURES = ("accuracy", "recall", "precision", "iou0.1_accuracy", "iou0.5_accuracy", "auroc")
EXPERT = "patchcore"


def main() -> None:
    """Make unseen data, run the expert and the models, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=None, help="keep data and runs here, to resume")
    parser.add_argument("--queries", type=int, default=200)
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="mmrad-hints-"))
    corpus = factory_corpus(UNSEEN, out)
    held_out = load_recipe(Path(__file__).parents[1] / "recipes" / "nano.toml").data.hold_out
    runs = list(_runs(corpus, out / f"runs-{arguments.queries}", arguments.queries))
    header = ("run", "queries", "unanswered", "det. accuracy", "recall", "precision",
              "loc. accuracy (IoU 0.1)", "(IoU 0.5)", "AUROC")  # fmt: skip
    for name, wanted in (("that the nano was trained on", False), ("held out of its training", True)):
        samples = [one for one in runs[0].samples if (one.source in held_out) == wanted]
        print(f"\n### sources {name}\n")
        print(f"| {' | '.join(header)} |\n|{'---|' * len(header)}")
        for run in runs:
            print(f"| {run.info.name} | {_row(run, samples)} |")
        print("\n| minus the nano alone | det. accuracy | loc. accuracy (IoU 0.1) |\n|---|---|---|")
        for run in runs[1:]:
            print(f"| {run.info.name} | {_difference(run, runs[0], samples)} |")


def _runs(corpus: Corpus, out: Path, queries: int) -> Iterator[Run]:
    """The nano alone, the expert, the nano with its hints, and both fused."""

    def run(*entries: Entry) -> list[Run]:
        outcomes = list(Benchmark(corpus, BenchRecipe(runs=entries, limit=queries), out).run())
        if problems := [f"{one.name}: {one.problem}" for one in outcomes if one.problem or one.run is None]:
            raise SystemExit("; ".join(problems))
        return [one.run for one in outcomes if one.run]

    expert, _ = run(Entry(model=EXPERT))  # the other one has the oracle threshold
    told = Entry(model=NANO, expert=expert.path, hints="text")
    nano, *hinted = run(Entry(model=NANO), told, told.model_copy(update={"hints": "crops"}))
    yield from (nano, expert, *hinted)
    yield fuse(nano, expert, out)


def _row(run: Run, samples: list[Sample]) -> str:
    overall = score(samples, run.verdicts).overall
    unanswered = str(sum(overall.unanswered.values()))
    return " | ".join([str(len(samples)), unanswered, *(str(overall.figures[name]) for name in FIGURES)])


def _difference(run: Run, alone: Run, samples: list[Sample]) -> str:
    differences = compare(samples, run.verdicts, alone.verdicts)
    return " | ".join(str(differences[name]) for name in ("accuracy", "iou0.1_accuracy"))


if __name__ == "__main__":
    main()
