"""What is wrong with an image as an image: measured once when it is read, judged later for all together.

cleanvision measures and judges darkness, glare, lack of information, odd shapes and odd sizes; imagehash
gives the hash by which near duplicates are found. Blur is measured here: cleanvision reduces images to 64
pixels before, where a blur of a thirtieth of the image's width no longer shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.image import RGB

MEASURED = 128
"""Longest side, in pixels, of the reduced image that is measured; a whole one would take too long."""

FOCUSED = 256
"""The same for its sharpness, of which a smaller image shows too little."""

SMALL = 112
"""An image whose shorter side has fewer pixels is small: half of what most networks see."""

SHARPNESS = 5.0
"""Below this variance of the Laplacian of its grey, reduced to `FOCUSED`, an image is blurry.

Sharp photographs of cookies and of a ball screw have 270 to 1800; the same, blurred by a Gaussian whose
deviation is a fortieth of their longer side, have 1.5 to 2.
"""

HASH_BITS = 256

_JUDGED = ("dark", "light", "low_information", "odd_aspect_ratio")
"""What cleanvision judges image by image."""

FINDINGS = (*_JUDGED, "blurry", "odd_size", "small")
"""All that may be wrong with an image by itself or beside those of its category."""


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of an image.

    Attributes:
        raw: cleanvision's measures by name, and `sharpness`, the variance of the Laplacian (Pech-Pacheco et
            al., 2000).
        hash: Perceptual hash of `HASH_BITS` bits, as hexadecimal digits.
    """

    raw: dict[str, float]
    hash: str


def measure(image: RGB) -> Measures:
    """Measure one image.

    Args:
        image: Shape `(height, width, 3)`.
    """
    import imagehash
    from PIL import Image

    larger = _reduced(image, FOCUSED)
    picture = Image.fromarray(_reduced(larger, MEASURED))
    calculated: dict[str, float] = {}
    for name, prop in _properties().items():
        if name != "light":  # the same measures as "dark"
            calculated.update(prop.calculate(picture))
    # The reduced image has lost a part of a pixel of each side.
    calculated["aspect_ratio"] = min(image.shape[:2]) / max(image.shape[:2])
    raw = {name: float(calculated[name]) for prop in _properties().values() for name in prop.score_columns}
    grey = cv2.cvtColor(larger, cv2.COLOR_RGB2GRAY)
    raw["sharpness"] = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return Measures(raw, str(imagehash.phash(picture, hash_size=round(HASH_BITS**0.5))))


def _reduced(image: RGB, longest: int) -> RGB:
    """The image halved until no side is longer than `longest`: many times as fast as any other factor."""
    while max(image.shape[:2]) > longest and min(image.shape[:2]) > 1:
        height, width = (side // 2 for side in image.shape[:2])
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return image


def findings(
    measures: Mapping[str, NDArray[np.float64]], sizes_wh: NDArray[np.integer], categories: Sequence[str]
) -> dict[str, NDArray[np.bool_]]:
    """Which images have which finding.

    Args:
        measures: For each name in `Measures.raw` the values of N images.
        sizes_wh: Width and height of each, shape `(N, 2)`.
        categories: Source and category of each; sizes are compared within one.

    Returns:
        For each of `FINDINGS` an array of shape `(N,)`.
    """
    import pandas as pd

    raw = pd.DataFrame(dict(measures))
    found: dict[str, NDArray[np.bool_]] = {}
    for name in _JUDGED:
        prop, options = _properties()[name], dict(_options()[name])
        threshold = options.pop("threshold")
        scores = prop.get_scores(raw_scores=raw, issue_type=name, **options)
        found[name] = prop.mark_issue(scores, name, threshold)[f"is_{name}_issue"].to_numpy(bool)
    found["blurry"] = measures["sharpness"] < SHARPNESS
    found["odd_size"] = _odd_sizes(sizes_wh, categories)
    found["small"] = sizes_wh.min(axis=1) < SMALL
    return found


def _odd_sizes(sizes_wh: NDArray[np.integer], categories: Sequence[str]) -> NDArray[np.bool_]:
    """Images far larger or smaller than the others of their category."""
    import pandas as pd
    from cleanvision.issue_managers.image_property import SizeProperty

    frame = pd.DataFrame({"size": np.sqrt(sizes_wh.prod(axis=1, dtype=float)), "category": list(categories)})
    odd = np.zeros(len(frame), bool)
    for _, group in frame.groupby("category", sort=False):
        prop = SizeProperty()
        scores = prop.get_scores(raw_scores=group, issue_type="odd_size")
        odd[group.index] = prop.mark_issue(scores, "odd_size")["is_odd_size_issue"]
    return odd


@cache
def _manager() -> Any:
    from cleanvision.issue_managers.image_property_issue_manager import ImagePropertyIssueManager

    return ImagePropertyIssueManager()


def _properties() -> dict[str, Any]:
    return {name: _manager().image_properties[name] for name in _JUDGED}


def _options() -> dict[str, dict[str, float]]:
    """The thresholds that cleanvision sets."""
    return dict(_manager().params)
