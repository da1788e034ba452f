"""How fast aligned references are found, in how much memory, and how much nearer than random ones they are.

    OMP_NUM_THREADS=1 python benchmarks/reference.py [--parts speed,memory,ablation] [--literal 20]
                                                     [--nano QUERIES] [--out FOLDER]

- speed: 1,000 queries among 1,000 normal images of one factory product, from the codes of their patches on,
  beside the loops of tests/reference/appendix_b.py for `--literal` of the queries; processor time
- memory: the resident memory of a whole retrieval among 1,000 normal images, for 1,000 and for 4,000 queries
- ablation: how far the pixels of unseen factory images are from those of their aligned reference and of a
  random one, outside the true boxes; with `--nano`, also how well the bundled nano inspects that many of them
  beside either
"""

from __future__ import annotations

import argparse
import os
import random
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.bench import Run, bench
from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.factory import CATALOGUE, render
from mmrad.features import FeatureMaps
from mmrad.image import RGB, encode_png, read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.make import BUNDLED, make_inspector
from mmrad.metrics import cluster_of, compare, score
from mmrad.metrics.intervals import percentile_interval, resampled_counts
from mmrad.metrics.scores import by_category
from mmrad.reference import Alignment, retrieve
from mmrad.reference.align import Integers, Normals, assign, codebook, histograms
from mmrad.reference.retrieve import GEOMETRY, STRIDE
from mmrad.sample import Pair, Region, Sample
from mmrad.train.examples.data import factory_corpus
from mmrad.train.recipe import FactoryData

NORMALS = 1000
QUERIES = 1000
MORE_QUERIES = 4000
TOP = 10
SOURCE, PRODUCT = "mvtec", "gear"
UNSEEN = FactoryData(seed=900, train=40, good=12, per_anomaly=2)
METHODS = ("aligned", "random")
FIGURES = ("accuracy", "recall", "precision", "iou0.1_accuracy", "iou0.5_accuracy")


def images(count: int, *, bad: bool, seed: int) -> Iterator[RGB]:
    """Images of the product: good ones, or one of every anomaly in turn."""
    rng = np.random.default_rng(seed)
    anomalies = CATALOGUE[SOURCE][PRODUCT] if bad else (None,)
    for anomaly in islice(cycle(anomalies), count):
        yield render(PRODUCT, rng, anomaly).image


def patch_codes(folder: Path) -> tuple[Integers, Integers]:
    """Codes of the patches of all normal images and of all queries, half of which are bad."""
    features, values = FeatureMaps("lite0", (STRIDE,), GEOMETRY), Alignment()
    groups = (
        images(NORMALS, bad=False, seed=0),
        images(QUERIES // 2, bad=False, seed=1),
        images(QUERIES - QUERIES // 2, bad=True, seed=2),
    )
    files = [folder / f"{number}.png" for number in range(64)]
    centres: NDArray[np.float32] | None = None
    codes = []
    for group in groups:
        while batch := list(islice(group, len(files))):
            for file, image in zip(files, batch, strict=False):
                file.write_bytes(encode_png(image))
            maps = features.of(files[: len(batch)])[0].permute(0, 2, 3, 1).numpy()
            if centres is None:
                centres = codebook(maps.reshape(-1, maps.shape[-1]), values.clusters, seed=0)
            codes.append(assign(maps, centres))
    everything = np.concatenate(codes)
    return everything[:NORMALS], everything[NORMALS:]


def speed(folder: Path, literal: int) -> None:
    """Print the ratio of speeds; the loops take so many of the queries, and must find the same for each."""
    values = Alignment()
    normals, queries = patch_codes(folder)
    spent = []
    for _ in range(3):
        begun = time.process_time()
        ready = Normals(histograms(normals, values.clusters, values.grid), values.ignored)
        found = list(ready.nearest(histograms(queries, values.clusters, values.grid), TOP))
        spent.append(time.process_time() - begun)
    mine = sorted(spent)[1]

    loops = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "reference" / "appendix_b.py"))

    def table(codes: Integers) -> list[list[float]]:
        made: list[list[float]] = loops["smoothed"](
            loops["block_histograms"](codes.tolist(), values.clusters, values.grid)
        )
        return made

    known = [table(codes) for codes in normals]
    picked = np.linspace(0, QUERIES - 1, literal).astype(int)
    begun = time.process_time()
    wanted = [loops["nearest"](known, table(queries[index]), values.ignored, TOP) for index in picked]
    sliced = time.process_time() - begun
    for index, best in zip(picked, wanted, strict=True):
        assert (found[index][0].tolist(), found[index][1].tolist()) == best, f"query {index} differs"
    other = sliced * QUERIES / literal
    extrapolated = f", extrapolated to {QUERIES} queries {other:.0f} s" if literal < QUERIES else ""
    print(
        f"speed: {NORMALS} normals x {QUERIES} queries in {mine:.2f} s; the loops, given the normals' "
        f"histograms, {NORMALS} x {literal} in {sliced:.2f} s{extrapolated}: {other / mine:.0f}x; "
        f"all {literal} queries have the same {TOP} references with the same misalignments"
    )


CHILD = """
import re, sys
from pathlib import Path
from mmrad.corpus import Corpus
from mmrad.reference import retrieve

resident = {}

def mebibytes(name):
    status = Path("/proc/self/status").read_text()
    return int(re.search(name + r":\\s+(\\d+) kB", status)[1]) / 1024

def note(done, total):
    resident[done] = mebibytes("VmRSS")

found = retrieve(Corpus(Path(sys.argv[1])), method="aligned", progress=note)
normals = min(done for done in resident if done >= int(sys.argv[2]))
print(len(found), resident[normals], resident[max(resident)], mebibytes("VmHWM"))
"""


def memory(folder: Path) -> None:
    """Print the resident memory of whole retrievals, each in a process of its own (Linux)."""
    pictures = {
        bad: [encode_png(image) for image in images(100, bad=bad, seed=int(bad))] for bad in (False, True)
    }
    for queries in (QUERIES, MORE_QUERIES):
        corpus = many(folder / str(queries), pictures, queries)
        begun = time.perf_counter()
        command = [sys.executable, "-c", CHILD, str(corpus.path), str(NORMALS)]
        child = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        spent = time.perf_counter() - begun
        found, before, after, most = map(float, child.stdout.split())
        assert found == TOP * (NORMALS + queries)
        print(
            f"memory: {NORMALS} normals and {queries} other queries, decoding and features included: "
            f"{before:.0f} MiB when the normals have been measured, {after:.0f} MiB after the last query, "
            f"at most {most:.0f} MiB; {spent:.0f} s"
        )


def many(folder: Path, pictures: dict[bool, list[bytes]], queries: int) -> Corpus:
    """A corpus of many samples on few pictures, each under many names."""
    (folder / "raw").mkdir(parents=True)
    samples = []
    for number in range(NORMALS + queries):
        bad = number >= NORMALS
        which = number % len(pictures[bad])
        original, name = folder / f"{int(bad)}-{which}.png", f"{number:05}.png"
        if not original.exists():
            original.write_bytes(pictures[bad][which])
        os.link(original, folder / "raw" / name)
        regions = (Region(Box(0, 0, 9, 9), "made"),) if bad else ()
        split = "test" if bad else "train"
        identifier = f"made/{PRODUCT}/{split}/{number:05}"
        samples.append(Sample(identifier, "made", PRODUCT, split, name, (240, 240), regions, "CC0-1.0"))
    return write_corpus(folder, {"made": SourceInfo(adapter="made", root="raw", licence="CC0-1.0")}, samples)


def ablation(folder: Path, nano_queries: int) -> None:
    """Print how near aligned and random references are, and what the nano finds beside them."""
    corpus = factory_corpus(UNSEEN, folder)
    samples = corpus.select(splits=["test"])
    drawn = random.Random(0).sample(samples, min(nano_queries, len(samples)))
    pixels: dict[str, dict[str, float]] = {}
    runs: dict[str, Run] = {}
    for method in METHODS:
        retrieve(corpus, method=method)
        pixels[method] = {pair.sample.id: difference(pair) for pair in corpus.pairs(samples)}
        if drawn:
            inspector = make_inspector(BUNDLED[0], InspectionSettings())
            runs[method] = bench(corpus, drawn, inspector, folder / "runs" / method)
    print("| source | queries | aligned | random | aligned / random | aligned is nearer |")
    print("|---|---|---|---|---|---|")
    for source in corpus.manifest.sources:
        print(pixel_row(source, [sample for sample in samples if sample.source == source], pixels))
    print(pixel_row("all", samples, pixels))
    if drawn:
        print(f"\n{BUNDLED[0]} beside one reference, {len(drawn)} queries")
        print("| reference | unanswered | accuracy | recall | precision | IoU 0.1 | IoU 0.5 |")
        print("|---|---|---|---|---|---|---|")
        for method, run in runs.items():
            overall = score(drawn, run.verdicts).overall
            figures = " | ".join(str(overall.figures[name]) for name in FIGURES)
            print(f"| {method} | {sum(overall.unanswered.values())} | {figures} |")
        gain = compare(drawn, *(runs[method].verdicts for method in METHODS))
        print(f"| aligned - random | - | {' | '.join(str(gain[name]) for name in FIGURES)} |")


def difference(pair: Pair) -> float:
    """Mean absolute difference of query and reference outside the true boxes, in levels of 255."""
    query, reference = read_image(pair.image), read_image(pair.references[0])
    height, width, _ = query.shape
    if reference.shape != query.shape:
        reference = cv2.resize(reference, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
    outside = np.ones((height, width), np.bool_)
    for region in pair.sample.regions:
        x1, y1, x2, y2 = region.box.rounded()
        outside[y1:y2, x1:x2] = False
    return float(cv2.absdiff(query, reference)[outside].mean())


def pixel_row(name: str, samples: Sequence[Sample], pixels: dict[str, dict[str, float]]) -> str:
    """Means over categories, and the interval of their ratio by bootstrap over base images."""
    rng = np.random.default_rng(0)
    values, draws, nearer = [], [], []
    for members in by_category(samples):
        both = np.array([[pixels[method][sample.id] for method in METHODS] for sample in members])
        counted = np.column_stack([both, np.ones(len(both))])
        resampled = resampled_counts(counted, [cluster_of(sample) for sample in members], 1000, rng)
        values.append(both.mean(axis=0))
        draws.append(resampled[:, :2] / resampled[:, 2:])
        nearer.append((both[:, 0] < both[:, 1]).mean())
    aligned, other = np.mean(values, axis=0)
    means = np.mean(draws, axis=0)
    low, high = percentile_interval(means[:, 0] / means[:, 1], 0.95) or (np.nan, np.nan)
    return (
        f"| {name} | {len(samples)} | {aligned:.1f} | {other:.1f} | "
        f"{aligned / other:.3f} ({low:.3f}-{high:.3f}) | {100 * np.mean(nearer):.0f} % |"
    )


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="speed,memory,ablation")
    parser.add_argument("--literal", type=int, default=20, help="queries of the loops, at most 1000")
    parser.add_argument("--nano", type=int, default=0, metavar="QUERIES", help="unseen images to inspect")
    parser.add_argument("--out", type=Path, default=None, help="keep the ablation's data and verdicts here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], None]] = {
            "speed": lambda: speed(folder, arguments.literal),
            "memory": lambda: memory(folder / "memory"),
            "ablation": lambda: ablation(arguments.out or folder / "ablation", arguments.nano),
        }
        for part in arguments.parts.split(","):
            parts[part]()


if __name__ == "__main__":
    main()
