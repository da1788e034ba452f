"""How fast PatchCore and PaDiM learn and judge, in how much memory, beside anomalib's own Engine.

    python benchmarks/experts.py [--data ../shared/data] [--models patchcore,padim]

Both have EfficientNet-Lite0 with the same weights at 240 x 240, the same stages, 10 % of the patches in the
bank or the same channels drawn, and read the same files: real cookies, where they are, and made-up products,
16 images to learn from. Each runs in a process of its own, the two in turn; mmrad's cache of feature maps is
empty before. Seconds are those of the wall clock, from files to what was learned, and from files to scores
and maps; in brackets the ratio of processor time. Memory is the most that was resident, in brackets what of
it came on top of imported packages and loaded weights.

Both run with MALLOC_MMAP_THRESHOLD_=262144, with which glibc gives freed blocks back at once: without it
anomalib's coreset takes 10 to 20 GB of so few images, and is slower.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.factory import CATALOGUE, render
from mmrad.image import encode_png, read_mask
from mmrad.inspectors.experts.settings import DetectorName, ExpertSettings
from mmrad.metrics.pixels import PixelCurve
from mmrad.metrics.ranking import auroc

LIBRARIES = ("mmrad", "anomalib")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "262144"}
FACTORY = (("mvtec", "bottle_cap"), ("visa", "connector"))
TRAIN, GOOD, BAD = 16, 40, 56
SIZE = 240
BATCH = 8
LAYERS = {4: "blocks.1", 8: "blocks.2", 16: "blocks.4"}

Judged = list[tuple[float, NDArray[np.float32]]]
"""Score and map, `(SIZE, SIZE)`, of each image."""


@dataclass(frozen=True)
class Figures:
    """What a library needed for one product, and what it found; seconds are of wall clock and processor."""

    fit: tuple[float, float]
    predict: tuple[float, float]
    before_mib: float
    most_mib: float
    image_auroc: float
    pixel_auroc: float


def cookies(data: Path, folder: Path) -> None:
    """Link the cookies into `train`, `test` and `masks`."""
    for kind, begin, part in (("normal", 0, "train"), ("normal", TRAIN, "test"), ("anomaly", 0, "test")):
        (folder / part).mkdir(parents=True, exist_ok=True)
        found = sorted(
            (data / "training-images").glob(f"{kind}-*.jpg"), key=lambda path: (len(path.stem), path)
        )
        for path in found[begin : TRAIN if part == "train" else None]:
            (folder / part / path.name).symlink_to(path.resolve())
    (folder / "masks").symlink_to((data / "mask-images").resolve())


def factory(source: str, product: str, folder: Path) -> None:
    """Draw a made-up product into `train`, `test` and `masks`."""
    for part in ("train", "test", "masks"):
        (folder / part).mkdir(parents=True)
    for part, seed, anomalies in (
        ("train", 0, [None] * TRAIN),
        ("test", 1, [None] * GOOD),
        ("test", 2, list(islice(cycle(CATALOGUE[source][product]), BAD))),
    ):
        rng = np.random.default_rng(seed)
        for number, anomaly in enumerate(anomalies):
            made = render(product, rng, anomaly)
            name = f"{'bad' if anomaly else 'good'}-{number:02}.png"
            (folder / part / name).write_bytes(encode_png(made.image))
            if anomaly:
                mask = np.any([one.mask for one in made.instances], axis=0)
                cv2.imwrite(str(folder / "masks" / name), mask.astype(np.uint8) * 255)


def images(folder: Path) -> list[Path]:
    """The images of a folder, in anomalib's order."""
    return sorted(path.absolute() for path in folder.iterdir())


def timed(call: Callable[[], Any]) -> tuple[tuple[float, float], Any]:
    """Seconds of wall clock and processor that a call took, and what it gave."""
    begun = time.perf_counter(), time.process_time()
    given = call()
    return (time.perf_counter() - begun[0], time.process_time() - begun[1]), given


def resident_mib() -> float:
    """The most memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(library: str, model: DetectorName, folder: Path) -> Figures:
    """Let a library learn a product and judge its test images, in this process."""
    with tempfile.TemporaryDirectory() as name:
        fit, judge = (mmrad_expert if library == "mmrad" else anomalib_expert)(model, Path(name))
        before = resident_mib()
        to_fit, _ = timed(lambda: fit(folder / "train"))
        to_predict, judged = timed(lambda: judge(folder / "test"))
        return Figures(to_fit, to_predict, before, resident_mib(), *quality(folder, judged))


def mmrad_expert(
    model: DetectorName, scratch: Path
) -> tuple[Callable[[Path], None], Callable[[Path], Judged]]:
    """Functions that learn from a folder and judge one."""
    from mmrad.inspectors.experts.detector import Item
    from mmrad.inspectors.experts.make import make_detector

    settings = ExpertSettings(detector=model, size=SIZE, device="cpu").resolved()
    detector = make_detector(settings, scratch / "features")

    def items(folder: Path) -> list[Item]:
        return [Item(path, "a/b") for path in images(folder)]

    def judge(folder: Path) -> Judged:
        asked = items(folder)
        found = [detector.judge(asked[begin : begin + BATCH]) for begin in range(0, len(asked), BATCH)]
        return [(one.score, one.values) for batch in found for one in batch]

    return lambda folder: detector.fit(items(folder), scratch / "state"), judge


def anomalib_expert(
    model: DetectorName, scratch: Path
) -> tuple[Callable[[Path], None], Callable[[Path], Judged]]:
    """The same by anomalib's Engine, with its defaults but for the backbone and what is left out."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision.transforms.v2 import Normalize, Resize  # type: ignore[import-untyped]

    from mmrad.features import load_backbone
    from mmrad.inspectors.experts.anomalib_models import from_anomalib

    data, engines, models = (from_anomalib(name) for name in ("data", "engine", "models"))
    preprocess = from_anomalib("pre_processing").PreProcessor(Normalize([0.5] * 3, [0.5] * 3))
    settings = ExpertSettings(detector=model)
    common = {
        "backbone": "tf_efficientnet_lite0",
        "pre_trained": False,
        "pre_processor": preprocess,
        "post_processor": False,
        "evaluator": False,
        "visualizer": False,
    }
    torch.manual_seed(0)
    if model == "patchcore":
        own = settings.patchcore
        theirs = models.Patchcore(
            layers=[LAYERS[stride] for stride in own.stages],
            coreset_sampling_ratio=own.coreset,
            num_neighbors=own.neighbours,
            **common,
        )
    else:
        layers = [LAYERS[stride] for stride in settings.padim.stages]
        theirs = models.Padim(layers=layers, n_features=settings.padim.features, **common)
        # The same channels: with others the results differ by chance.
        drawn = torch.randperm(theirs.model.n_features_original, generator=torch.Generator().manual_seed(0))
        theirs.model.idx = drawn[: settings.padim.features]
    extractor = theirs.model.feature_extractor.feature_extractor
    extractor.load_state_dict(load_backbone("lite0")[0].state_dict(), strict=False)
    engine = engines.Engine(
        default_root_dir=scratch, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False
    )

    def loader(folder: Path) -> Any:
        dataset = data.PredictDataset(folder, transform=Resize((SIZE, SIZE), antialias=True))
        return DataLoader(dataset, batch_size=BATCH, collate_fn=dataset.collate_fn)

    def judge(folder: Path) -> Judged:
        found = engine.predict(theirs, dataloaders=loader(folder))
        return [
            (float(score), values.squeeze().numpy())
            for batch in found
            for score, values in zip(batch.pred_score, batch.anomaly_map, strict=True)
        ]

    return lambda folder: engine.fit(theirs, train_dataloaders=loader(folder)), judge


def quality(folder: Path, judged: Judged) -> tuple[float, float]:
    """Image AUROC, and pixel AUROC at the size of the maps."""
    pixels, truth = PixelCurve(), []
    for path, (_, values) in zip(images(folder / "test"), judged, strict=True):
        mask = folder / "masks" / f"{path.stem}.png"
        truth.append(mask.exists())
        whole = read_mask(mask) > 0 if mask.exists() else np.zeros((SIZE, SIZE), np.bool_)
        marked = cv2.resize(whole.astype(np.uint8), (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
        pixels.add(values, marked > 0)
    of_images, of_pixels = auroc([score for score, _ in judged], truth), pixels.auroc()
    assert of_images is not None
    assert of_pixels is not None
    return of_images, of_pixels


def compare(folders: Sequence[Path], model: DetectorName) -> None:
    """Print the figures of both libraries for each product, and their means."""
    found: dict[str, list[Figures]] = {library: [] for library in LIBRARIES}
    for folder in folders:
        for library in LIBRARIES:
            command = [sys.executable, __file__, "--child", library, model, str(folder)]
            child = subprocess.run(command, capture_output=True, text=True, env=os.environ | MALLOC)
            if child.returncode:
                sys.exit(child.stderr)
            figures = Figures(**json.loads(child.stdout.splitlines()[-1]))
            found[library].append(figures)
            print(
                f"{model} {folder.name} {library}: fit {figures.fit[0]:.2f} s, predict "
                f"{1000 * figures.predict[0] / len(images(folder / 'test')):.1f} ms an image, "
                f"{figures.most_mib:.0f} MiB ({figures.most_mib - figures.before_mib:.0f}), "
                f"AUROC {figures.image_auroc:.4f} of images, {figures.pixel_auroc:.4f} of pixels",
                flush=True,
            )
        ours, theirs = (found[library][-1] for library in LIBRARIES)
        print(
            f"{model} {folder.name}: fit {ratio(theirs.fit, ours.fit)}, "
            f"predict {ratio(theirs.predict, ours.predict)}, "
            f"memory {theirs.most_mib / ours.most_mib:.1f}x "
            f"({(theirs.most_mib - theirs.before_mib) / (ours.most_mib - ours.before_mib):.0f}x)",
            flush=True,
        )
    for name in ("image_auroc", "pixel_auroc"):
        means = [float(np.mean([getattr(one, name) for one in found[library]])) for library in LIBRARIES]
        difference = f"{means[0] - means[1]:+.4f}"
        print(f"{model} mean {name}: mmrad {means[0]:.4f}, anomalib {means[1]:.4f}, {difference}")


def ratio(theirs: tuple[float, float], ours: tuple[float, float]) -> str:
    """How many times faster."""
    return f"{theirs[0] / ours[0]:.1f}x ({theirs[1] / ours[1]:.1f}x)"


def main() -> None:
    """Make the products and compare on them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--models", default="patchcore,padim")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        library, model, folder = asked.child
        print(json.dumps(asdict(run(library, model, Path(folder)))))
        return
    print(f"load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as name:
        made = []
        if (asked.data / "cookies").is_dir():
            cookies(asked.data / "cookies", Path(name) / "cookies")
            made.append(Path(name) / "cookies")
        else:
            print(f"no cookies in {asked.data}: made-up products alone")
        for source, product in FACTORY:
            factory(source, product, Path(name) / product)
            made.append(Path(name) / product)
        for model in asked.models.split(","):
            compare(made, model)


if __name__ == "__main__":
    main()
