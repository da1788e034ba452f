"""How well the bundled nano inspects unseen factory images, of trained-on sources and of the one held out.

    python benchmarks/nano.py [--out FOLDER] [--queries 400] [--seed 900]

Prints a Markdown table with 95 % intervals (bootstrap over base images). The factory seed is not training's.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from pathlib import Path

from mmrad.bench import Run, bench
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import BUNDLED, make_inspector
from mmrad.metrics import score
from mmrad.sample import Sample
from mmrad.train.examples.data import factory_corpus
from mmrad.train.recipe import FactoryData, load_recipe

UNSEEN = FactoryData(seed=900, train=40, good=12, per_anomaly=2)
FIGURES = ("accuracy", "iou0.1_accuracy", "iou0.5_accuracy", "auroc")


def main() -> None:
    """Make unseen data, run the bundled models, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=None, help="keep data and verdicts here, to resume")
    parser.add_argument("--queries", type=int, default=400)
    parser.add_argument("--seed", type=int, default=UNSEEN.seed, help="of the images; 1 is training's")
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="mmrad-nano-"))
    corpus = factory_corpus(UNSEEN.model_copy(update={"seed": arguments.seed}), out)
    recipe = load_recipe(Path(__file__).parents[1] / "recipes" / "nano.toml")
    samples = corpus.select(splits=["test"])
    drawn = random.Random(0).sample(samples, min(arguments.queries, len(samples)))
    header = ("model", "sources", "queries", "unanswered", "detection accuracy", "localization (IoU 0.1)",
              "(IoU 0.5)", "AUROC")  # fmt: skip
    print(f"| {' | '.join(header)} |")
    print("|---|---|---|---|---|---|---|---|")
    for model in BUNDLED:
        run = bench(corpus, drawn, make_inspector(model, InspectionSettings()), out / "runs")
        for name, held_out in (("trained on", False), ("held out", True)):
            chosen = [sample for sample in run.samples if (sample.source in recipe.data.hold_out) == held_out]
            print(f"| {model} | {name} | {_row(run, chosen)} |")


def _row(run: Run, samples: list[Sample]) -> str:
    overall = score(samples, run.verdicts).overall
    unanswered = str(sum(overall.unanswered.values()))
    return " | ".join([str(len(samples)), unanswered, *(str(overall.figures[name]) for name in FIGURES)])


if __name__ == "__main__":
    main()
