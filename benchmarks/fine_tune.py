"""What fine-tuning the bundled nano on a few dozen photographs of one's own gives: cookies, whole and broken.

    python benchmarks/fine_tune.py --out FOLDER [--data ../shared/data/cookies] [--recipe RECIPE]

Sorts the photographs into those to learn from and those to judge by (no cookie is in both), builds the
corpus, chooses references, trains by the recipe's [sft] and, where there is one, [grpo], and prints Markdown
tables with 95 % intervals (bootstrap over images). The same command again goes on where it stopped.

Most whole cookies were photographed with a bright edge of the tray in sight, broken ones without. "Edge
covered" are the judged ones with that edge painted over: who has learned it in place of the cookie fails.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from mmrad.bench import Run, bench
from mmrad.corpus import Corpus
from mmrad.image import encode_png, read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import make_inspector
from mmrad.metrics import score
from mmrad.metrics.paired import compare
from mmrad.reference import retrieve
from mmrad.sample import Sample
from mmrad.sources import build_corpus
from mmrad.train.examples.data import training_examples
from mmrad.train.recipe import Recipe, load_recipe
from mmrad.train.reinforcement.grpo import grpo
from mmrad.train.sft import sft

ROOT = Path(__file__).parents[1]
SORT = ROOT / "examples" / "fine_tune" / "cookies.py"

FIGURES = {
    "detection accuracy": "accuracy",
    "recall": "recall",
    "precision": "precision",
    "localization (IoU 0.1)": "iou0.1_accuracy",
    "(IoU 0.5)": "iou0.5_accuracy",
    "AUROC": "auroc",
}
EDGE = 48
"""Rows of pixels at the top that show the edge of the tray, of 768."""

COMPARED = ("detection accuracy", "localization (IoU 0.1)", "(IoU 0.5)")


def main() -> None:
    """Sort, build, train, judge, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="keeps corpus, trainings and verdicts")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/cookies"))
    parser.add_argument("--recipe", type=Path, default=ROOT / "recipes" / "own-data-nano.toml")
    arguments = parser.parse_args()
    out: Path = arguments.out
    corpus, covered = _corpora(arguments.data, out)
    recipe = load_recipe(arguments.recipe)
    data = recipe.data.model_copy(update={"corpus": corpus.path})
    recipe = recipe.model_copy(update={"data": data})
    taught, judged = (corpus.select(sources=[name]) for name in ("taught", "judged"))
    print(f"taught: {_counts(taught)}; judged: {_counts(judged)}\n")
    print("|", " | ".join(["model", "judged on", "images", "unanswered", *FIGURES]), "|")
    print("|---" * (len(FIGURES) + 4) + "|")
    runs: list[Run] = []
    for name, model in _models(recipe, out):
        inspector = make_inspector(model, InspectionSettings(), name=name)
        run = bench(corpus, [*judged, *taught], inspector, out / "runs")
        on_covered = bench(covered, covered.samples, inspector, out / "covered" / "runs")
        print("|", " | ".join([name, "judged", *_row(run, judged)]), "|", flush=True)
        print("|", " | ".join([name, "judged, edge covered", *_row(on_covered, covered.samples)]), "|")
        print("|", " | ".join([name, "taught", *_row(run, taught)]), "|")
        runs.append(run)
    before, *after = runs
    print("\n| on the judged, minus before |", " | ".join(COMPARED), "|")
    print("|---" * (len(COMPARED) + 1) + "|")
    for run in after:
        found = compare(judged, run.verdicts, before.verdicts)
        print("|", " | ".join([run.info.name, *(str(found[FIGURES[title]]) for title in COMPARED)]), "|")


def _corpora(data: Path, out: Path) -> tuple[Corpus, Corpus]:
    """Both folders as one corpus, and the judged ones with the edge covered as another; with references."""
    parts, covered = out / "parts", out / "covered" / "parts"
    if not parts.exists():
        subprocess.run([sys.executable, str(SORT), str(data), str(parts)], check=True)
    if not covered.exists():
        _cover(parts / "judged", covered.with_name("begun"))
        covered.with_name("begun").rename(covered)
    roots = {name: ("folder", parts / name / "cookie") for name in ("taught", "judged")}
    corpora = (
        build_corpus(roots, out / "corpus").corpus,
        build_corpus({"covered": ("folder", covered / "cookie")}, out / "covered" / "corpus").corpus,
    )
    for corpus in corpora:
        if not corpus.references:
            retrieve(corpus)
    return corpora


def _cover(source: Path, target: Path) -> None:
    """Copy the photographs and masks; at the top of photographs stands what lies below it, mirrored."""
    shutil.rmtree(target, ignore_errors=True)
    for path in source.rglob("*.*"):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jpg":
            image = read_image(path).copy()
            image[:EDGE] = image[EDGE : 2 * EDGE][::-1]
            copy.with_suffix(".png").write_bytes(encode_png(image))
        else:
            shutil.copyfile(path, copy)


def _models(recipe: Recipe, out: Path) -> Iterator[tuple[str, str]]:
    """Names and folders: before, and after each training of the recipe."""
    if recipe.base is None:
        raise SystemExit(f"the recipe {recipe.name!r} has no [base] to fine-tune")
    yield "before", recipe.base.path
    examples = training_examples(recipe, out / "data", negatives=recipe.grpo is not None)
    model = recipe.base.path
    for name, part, train in (("sft", recipe.sft, sft), ("grpo", recipe.grpo, grpo)):
        if part is not None:
            started = time.monotonic()
            model = str(train(recipe, examples, out / name, start=model))
            print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
            yield f"after {name}", model


def _counts(samples: list[Sample]) -> str:
    bad = sum(sample.anomalous for sample in samples)
    return f"{len(samples) - bad} good, {bad} anomalous"


def _row(run: Run, samples: list[Sample]) -> Iterator[str]:
    overall = score(samples, run.verdicts).overall
    yield str(len(samples))
    yield str(sum(overall.unanswered.values()))
    yield from (str(overall.figures[name]) for name in FIGURES.values())


if __name__ == "__main__":
    main()
