"""How fast and how large the curation of a corpus is, beside what it cannot do without.

python benchmarks/curation.py [--rows 200000] [--parts pipeline,boxes,open,memory]

- pipeline: reading, hashing, boxing and judging 1-megapixel images, beside only decoding the
  same files, all cores busy
- boxes: boxes from masks, beside scikit-image's label and regionprops, with equal results
- open: opening a corpus of 127137 samples and choosing one category
- memory: the largest memory of the processes that build a corpus of `--rows` images, each by itself
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmrad.box import Box
from mmrad.corpus import Corpus, SourceInfo, write_corpus
from mmrad.curate.masks import regions_from_mask
from mmrad.image import read_image, read_mask
from mmrad.sample import Region, Sample
from mmrad.sources import build_corpus
from mmrad.sources.pipeline import keep_freed_memory

IMAGES = 600
LINKS = 4
"""Names of each image, so that there are enough for the processes to be worth their start."""

SAMPLES = 127_137

Boxes = list[tuple[float, ...]]


def scene(rng: np.random.Generator, side: int) -> NDArray[np.uint8]:
    """Blocks and grain, which compress about as photographs of parts do."""
    blocks = cv2.resize(
        rng.integers(0, 255, (16, 16, 3), np.uint8), (side, side), interpolation=cv2.INTER_CUBIC
    )
    return np.asarray(cv2.add(blocks, rng.integers(0, 9, blocks.shape, np.uint8)), np.uint8)


def make_tree(root: Path, images: int, side: int) -> None:
    """Half of the images anomalous, with a mask of three blots each."""
    rng = np.random.default_rng(0)
    for folder in ("train/good", "test/blot", "ground_truth/blot"):
        (root / "part" / folder).mkdir(parents=True)
    for number in range(images // 2):
        Image.fromarray(scene(rng, side)).save(root / f"part/train/good/{number:05}.jpg", quality=90)
        Image.fromarray(scene(rng, side)).save(root / f"part/test/blot/{number:05}.jpg", quality=90)
        mask = blots(rng, side, 3)
        Image.fromarray(mask).save(root / f"part/ground_truth/blot/{number:05}.png")
    for path in list(root.rglob("*.*")):
        for link in range(1, LINKS):
            os.link(path, path.with_stem(f"{path.stem}-{link}"))


def blots(rng: np.random.Generator, side: int, count: int) -> NDArray[np.uint8]:
    """A mask of filled circles."""
    mask = np.zeros((side, side), np.uint8)
    for _ in range(count):
        x, y, radius = (int(value) for value in (*rng.integers(0, side, 2), rng.integers(4, side // 12)))
        cv2.circle(mask, (x, y), radius, 255, -1)
    return mask


def seconds(*works: Callable[[], object], repeats: int = 3) -> list[float]:
    """The shortest time of each of some works, which take turns: this machine's speed comes and goes."""
    best = [float("inf")] * len(works)
    for _ in range(repeats):
        for index, work in enumerate(works):
            start = time.perf_counter()
            work()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


def _read(reader: Callable[[Path], NDArray[np.integer]], path: Path) -> int:
    return reader(path).size


def pipeline(folder: Path) -> None:
    """Print the rate of the pipeline as a share of the rate of decoding."""
    make_tree(folder / "raw", IMAGES, 1000)
    files = sorted((folder / "raw").rglob("*.jpg")), sorted((folder / "raw").rglob("*.png"))

    def decode() -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for reader, paths in zip((read_image, read_mask), files, strict=True):
                for _ in pool.map(partial(_read, reader), paths):
                    pass

    def build() -> None:
        shutil.rmtree(folder / "corpus", ignore_errors=True)
        build_corpus({"m": ("mvtec", folder / "raw")}, folder / "corpus")

    build()  # Daft and cleanvision load once
    plain, whole = seconds(decode, build)
    keep_freed_memory()
    (kept,) = seconds(decode)
    rate = len(files[0]) / whole
    print(
        f"pipeline: {rate:.0f} images/s (1 megapixel, {os.cpu_count()} cores); decoding alone "
        f"{len(files[0]) / plain:.0f} images/s: {plain / whole:.2f} of it; decoding with the C library told "
        f"to keep freed memory, as the pipeline does, {len(files[0]) / kept:.0f} images/s: "
        f"{kept / whole:.2f} of it"
    )


def boxes(folder: Path) -> None:
    """Print how much faster boxes come than from scikit-image, and that they are equal."""
    from skimage import measure

    rng = np.random.default_rng(1)
    masks = [blots(rng, 1000, 5) for _ in range(40)]

    def ours() -> list[Boxes]:
        return [
            sorted(box.xyxy for box, _ in regions_from_mask(mask, "x", merge_within=0, min_area=1))
            for mask in masks
        ]

    def theirs() -> list[Boxes]:
        found: list[Boxes] = []
        for mask in masks:
            regions = measure.regionprops(measure.label(mask > 0, connectivity=2))
            found.append(sorted((x1, y1, x2, y2) for y1, x1, y2, x2 in (region.bbox for region in regions)))
        return found

    assert ours() == theirs()
    mine, other = seconds(ours, theirs)
    print(
        f"boxes: {1000 * mine / len(masks):.2f} ms a mask of 1 megapixel, scikit-image "
        f"{1000 * other / len(masks):.2f} ms: {other / mine:.1f}x, equal boxes"
    )


def opening(folder: Path) -> None:
    """Print how long opening a corpus and choosing a category takes."""

    def samples() -> Iterator[Sample]:
        for number in range(SAMPLES):
            category, region = f"category-{number % 188:03}", Region(Box(10, 20, 60, 90), "scratch")
            yield Sample(
                f"made/{category}/test/{number}", "made", category, "test", f"{category}/{number}.png",
                (1024, 1024), (region,) * (number % 3), "CC0-1.0", f"{category}/{number}_mask.png",
            )  # fmt: skip

    write_corpus(
        folder / "big", {"made": SourceInfo(adapter="mvtec", root="raw", licence="CC0-1.0")}, samples()
    )
    count = len(Corpus(folder / "big").select(categories=["category-007"]))
    (spent,) = seconds(lambda: Corpus(folder / "big").select(categories=["category-007"]))
    print(f"open: {SAMPLES} samples opened and {count} of one category chosen in {spent:.2f} s")


def memory(folder: Path, rows: int) -> None:
    """Print the largest memory of a build of many small images, in a process of its own."""
    good = folder / "many" / "part" / "train" / "good"
    good.mkdir(parents=True)
    originals = []
    rng = np.random.default_rng(2)
    for number in range(200):
        path = folder / "many" / f"{number}.png"
        Image.fromarray(scene(rng, 32)).save(path)
        originals.append(path)
    for number in range(rows):
        os.link(originals[number % len(originals)], good / f"{number:07}.png")
    code = (
        "import sys; from pathlib import Path; from mmrad.sources import build_corpus; "
        "build_corpus({'m': ('mvtec', Path(sys.argv[1]))}, Path(sys.argv[2]))"
    )
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, str(folder / "many"), str(folder / "many-corpus")], check=True
    )
    spent = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
    print(f"memory: {rows} images built in {spent:.0f} s, at most {peak:.2f} GiB of memory in each process")


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--parts", default="pipeline,boxes,open,memory")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts: dict[str, Callable[[], None]] = {
            "pipeline": lambda: pipeline(folder),
            "boxes": lambda: boxes(folder),
            "open": lambda: opening(folder),
            "memory": lambda: memory(folder, arguments.rows),
        }
        for part in arguments.parts.split(","):
            parts[part]()


if __name__ == "__main__":
    main()
