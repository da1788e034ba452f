"""What the nano learns of real circuit boards: trained on DeepPCB's trainval pairs, tested on its test pairs.

    python benchmarks/deeppcb.py --data ../shared/data/deeppcb --out FOLDER [--start MODEL] [--steps 600]

Cuts every board and its template into crops of 160 x 160 pixels, near the size that the nano sees, keeps all
defective crops and as many good ones, goes on training the bundled nano on those of the trainval boards, and
prints a Markdown table for the crops of the test boards with 95 % intervals (bootstrap over base images), and
how many of each kind are judged right. The same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmrad.bench import Run, bench
from mmrad.corpus import Corpus, write_corpus
from mmrad.image import encode_png, read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import NANO, make_inspector
from mmrad.metrics import score
from mmrad.reference import retrieve
from mmrad.sample import Region, Sample
from mmrad.sources import build_corpus
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.pretraining.pretrain import pretrain
from mmrad.train.recipe import Stage, load_recipe, settings_from

CROP = 160
"""Side of a crop in pixels; the boards are 640 x 640."""

WHOLE = 0.6
"""A crop is left out when it shows less than this share of a defect: nobody could say which side is right."""

FIGURES = ("accuracy", "recall", "precision", "iou0.1_accuracy", "iou0.5_accuracy")


def main() -> None:
    """Cut the crops, train, inspect the test crops, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/deeppcb"))
    parser.add_argument("--out", type=Path, required=True, help="keeps crops, checkpoints and verdicts")
    parser.add_argument("--start", default=NANO, help="model to go on from (the bundled nano)")
    parser.add_argument("--steps", type=int, default=600, help="steps of each of the two stages")
    arguments = parser.parse_args()
    corpus = _crops_corpus(arguments.data, arguments.out)
    recipe = load_recipe(Path(__file__).parents[1] / "recipes" / "nano.toml")
    stages = (
        Stage(objective="pairs", steps=arguments.steps, batch_size=32, learning_rate=4e-3),
        Stage(objective="texts", steps=arguments.steps, batch_size=16, learning_rate=4e-3),
    )
    assert recipe.pretraining
    training = recipe.pretraining.model_copy(update={"stages": stages})
    recipe = recipe.model_copy(update={"name": "nano-deeppcb", "pretraining": training})
    pairs = corpus.pairs(corpus.select(splits=["train"]))
    examples = ScriptedExamples(pairs, settings_from(recipe.asking), seed=training.seed)
    model = pretrain(recipe, examples, arguments.out / "training", start=arguments.start)
    tested = corpus.select(splits=["test"])
    print(f"trained on {len(pairs)} crops, {arguments.steps} steps a stage; tested on {len(tested)} crops")
    print("| model | crops | unanswered | accuracy | recall | precision | IoU 0.1 | IoU 0.5 |")
    print("|---|---|---|---|---|---|---|---|")
    right = []
    for name, folder in (("before", arguments.start), ("after", model)):
        inspector = make_inspector(str(folder), InspectionSettings())
        run = bench(corpus, tested, inspector, arguments.out / "runs" / name)
        print(f"| {name} | {_row(run, tested)} |")
        right.append(f"{name}: {_right(run, tested)}")
    print("\nright by what is shown beside the template", *right, sep="\n")


def _crops_corpus(data: Path, out: Path) -> Corpus:
    if (out / "crops" / "references.parquet").exists():
        return Corpus(out / "crops")
    boards = build_corpus({"deeppcb": ("deeppcb", data)}, out / "boards").corpus
    crops = [
        crop for board in boards.samples if board.anomalous for crop in _cut(boards, board, out / "crops")
    ]
    bad = [crop for crop in crops if crop.anomalous]
    good = [crop for crop in crops if not crop.anomalous]
    kept = {crop.id for crop in [*bad, *random.Random(0).sample(good, min(len(bad), len(good)))]}
    info = boards.manifest.sources["deeppcb"].model_copy(update={"root": "."})
    samples = [crop for crop in crops if crop.id in kept]
    corpus = write_corpus(out / "crops", {"deeppcb": info}, samples)
    retrieve(corpus, method="given")
    return corpus


def _cut(boards: Corpus, board: Sample, out: Path) -> Iterator[Sample]:
    """The crops of a tested board, each beside the same crop of its template, which is also a good query."""
    tested, template = (
        read_image(boards.resolve(board.source, path)) for path in (board.image, board.given_references[0])
    )
    for y in range(0, board.size_wh[1] - CROP + 1, CROP):
        for x in range(0, board.size_wh[0] - CROP + 1, CROP):
            regions = _regions(board, x, y)
            if regions is None:
                continue
            stem = f"{board.id.rsplit('/', 1)[1]}-{x}-{y}"
            names = [f"images/{board.category}/{stem}{end}.png" for end in ("", "-template")]
            for name, image in zip(names, (tested, template), strict=True):
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(encode_png(image[y : y + CROP, x : x + CROP]))
            crop = replace(
                board, id=f"deeppcb/{board.category}/{board.split}/{stem}", image=names[0],
                size_wh=(CROP, CROP), regions=regions, given_references=(names[1],),
            )  # fmt: skip
            yield crop
            yield replace(crop, id=f"{crop.id}-template", image=names[1], regions=())


def _regions(board: Sample, x: int, y: int) -> tuple[Region, ...] | None:
    """The defects in a crop in its own pixels, or None when one is mostly cut off."""
    found = []
    for region in board.regions:
        box = region.box.shifted(-x, -y).clipped((CROP, CROP))
        if box is None:
            continue
        if box.area < WHOLE * region.box.area:
            return None
        found.append(Region(box, region.label))
    return tuple(found)


def _row(run: Run, samples: list[Sample]) -> str:
    overall = score(samples, run.verdicts).overall
    unanswered = str(sum(overall.unanswered.values()))
    return " | ".join([str(len(samples)), unanswered, *(str(overall.figures[name]) for name in FIGURES)])


def _right(run: Run, samples: list[Sample]) -> str:
    """How many are judged right of each kind: a template beside itself is the easy one."""
    kinds: dict[str, list[bool]] = {"defects": [], "no defects": [], "the template itself": []}
    for sample in samples:
        itself = sample.image == sample.given_references[0]
        kind = "defects" if sample.anomalous else "the template itself" if itself else "no defects"
        kinds[kind].append(run.verdicts[sample.id].anomalous is sample.anomalous)
    return ", ".join(f"{kind} {sum(found)} of {len(found)}" for kind, found in kinds.items())


if __name__ == "__main__":
    main()
