"""HGAD on images: two factory products at once, and photographs of cookies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmrad.factory import make_factory
from mmrad.image import read_image, read_mask
from mmrad.inspectors.experts.detector import Item
from mmrad.inspectors.experts.hgad import HgadDetector
from mmrad.inspectors.experts.settings import ExpertSettings, HgadSettings
from mmrad.metrics.pixels import PixelCurve
from mmrad.metrics.ranking import auroc

COOKIES = Path(__file__).parents[3] / "shared" / "data" / "cookies"

SMALL = HgadSettings(blocks=4, condition=16, passes=60, first_passes=5, warmup_passes=5, learning_rate=5e-3)
"""Far from the published settings: a few seconds of training."""


def found(
    expert: HgadDetector, category: str, good: Sequence[Path], bad: Mapping[Path, NDArray[np.bool_]]
) -> tuple[float, float]:
    """AUROC of images and of pixels of the images of a category, the bad ones with their masks."""
    images = [*good, *bad]
    maps = expert.judge([Item(image, category) for image in images])
    curve = PixelCurve()
    for image, one in zip(images, maps, strict=True):
        height, width = read_image(image).shape[:2]
        true = bad.get(image, np.zeros((height, width), bool))
        curve.add(cv2.resize(one.values, (width, height)), true)
    of_images = auroc([one.score for one in maps], [image in bad for image in images])
    of_pixels = curve.auroc()
    assert of_images is not None
    assert of_pixels is not None
    return of_images, of_pixels


def trained(images: Sequence[Item], size: int, state: Path) -> HgadDetector:
    expert = HgadDetector(
        ExpertSettings(detector="hgad", size=size, device="cpu", hgad=SMALL).resolved(), None
    )
    expert.fit(images, state)
    return expert


def masks(folder: Path, images: Sequence[Path], name: Callable[[Path], str]) -> dict[Path, NDArray[np.bool_]]:
    return {image: read_mask(folder / name(image)) > 0 for image in images}


def test_factory_products(tmp_path: Path) -> None:
    make_factory(tmp_path, train=14, good=8, per_anomaly=3, sources=("mvtec",))
    root = tmp_path / "mvtec"
    products = ("weave", "bottle_cap")
    train = [
        Item(path, name) for name in products for path in sorted((root / name / "train/good").glob("*.png"))
    ]
    expert = trained(train, 192, tmp_path / "state")
    figures = {}
    for name in products:
        good = sorted((root / name / "test/good").glob("*.png"))
        bad = sorted(set((root / name / "test").glob("*/*.png")) - set(good))
        true = masks(
            root / name / "ground_truth", bad, lambda path: f"{path.parent.name}/{path.stem}_mask.png"
        )
        figures[name] = found(expert, name, good, true)
    # Measured: weave 0.89 and 0.89, bottle_cap 0.59 and 0.68, whose training is far from its end.
    assert figures["weave"][0] > 0.75
    assert figures["weave"][1] > 0.8
    assert figures["bottle_cap"][1] > 0.58


@pytest.mark.skipif(not COOKIES.is_dir(), reason="the cookie images are not on this machine")
def test_cookies(tmp_path: Path) -> None:
    good = sorted(COOKIES.glob("training-images/normal-*.jpg"))
    bad = sorted(COOKIES.glob("training-images/anomaly-*.jpg"))[::2]
    expert = trained([Item(path, "cookies") for path in good[:16]], 192, tmp_path / "state")
    true = {path: _opaque(COOKIES / "mask-images" / f"{path.stem}.png") for path in bad}
    images, pixels = found(expert, "cookies", good[16:], true)
    # Measured: 0.98 and 0.92.
    assert images > 0.85
    assert pixels > 0.85


def _opaque(path: Path) -> NDArray[np.bool_]:
    """A cookie's mask: what is painted, in files with and without a palette."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))[:, :, 3] > 127
