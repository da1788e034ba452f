"""From a category and an anomaly to an image with exact masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from mmrad.errors import MmradError, UsageError
from mmrad.factory.camera import Shot, expose, light_up, take_shot
from mmrad.factory.canvas import Canvas, Image, Rng
from mmrad.factory.products import loco, mvtec, realiad, visa
from mmrad.factory.products.assorted import assorted_number, assorted_product
from mmrad.factory.scene import Product, Scene, paint

Mask = NDArray[np.bool_]

PRODUCTS_BY_SOURCE: Mapping[str, Mapping[str, Product]] = MappingProxyType(
    {
        "mvtec": mvtec.PRODUCTS,
        "visa": visa.PRODUCTS,
        "loco": loco.PRODUCTS,
        "realiad": realiad.PRODUCTS,
    }
)
SOURCES: tuple[str, ...] = tuple(PRODUCTS_BY_SOURCE)
PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {name: product for products in PRODUCTS_BY_SOURCE.values() for name, product in products.items()}
)
CATALOGUE: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        source: MappingProxyType({name: tuple(product.anomalies) for name, product in products.items()})
        for source, products in PRODUCTS_BY_SOURCE.items()
    }
)
"""Source to category to anomaly labels."""

_VISIBLE = 12
"""A pixel belongs to a mask when a channel changes by more than this many levels."""
_MIN_CONTRAST = 21.0
"""Least mean change inside a mask, in levels; below it the defect is drawn anew."""
_MAX_SHARE = 0.42
"""Largest side of a mask's box as a share of the image's longer side."""
_TRIES = 12


@dataclass(frozen=True, slots=True)
class Instance:
    """One anomalous area: `bool[h, w]` mask and its label in plain words."""

    mask: Mask
    label: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """An image, `uint8[h, w, 3]` RGB, with its anomalous areas; none for a good product."""

    image: Image
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class Seeds:
    """What an image is drawn from: the object, its defect and the photograph, each its own stream.

    Keeping them apart means that a good and a faulty image of one seed differ in the defect only.
    """

    scene: int
    defect: int
    shot: int


def render(category: str, rng: Rng, anomaly: str | None) -> Rendered:
    """Make one image of a product.

    Args:
        category: a category name of `CATALOGUE`, or of an assorted product.
        rng: source of all variation; one state gives one object, pose and light, with and without anomaly.
        anomaly: a label of the category, or None for a good product.

    Returns:
        The image and one instance for each separate anomalous area, all with the label `anomaly`.

    Raises:
        UsageError: the category or the label does not exist.
    """
    scene, defect, shot = (int(s) for s in rng.integers(1 << 62, size=3))
    return render_seeds(category, Seeds(scene, defect, shot), anomaly)


def render_seeds(category: str, seeds: Seeds, anomaly: str | None, view: int = 0) -> Rendered:
    """As `render`, from explicit seeds; `view` 1 to 4 are oblique views of the same object."""
    product = product_of(category)
    if anomaly is not None and anomaly not in product.anomalies:
        raise UsageError(f"{category} has no anomaly {anomaly!r}: take one of {', '.join(product.anomalies)}")
    scene = Scene(tuple(product.layout(np.random.default_rng(seeds.scene))))
    shot = take_shot(product, np.random.default_rng(seeds.shot), view)
    canvas = paint(scene, product.size_wh)
    lit = light_up(canvas, shot, product.grey)
    instances: list[Instance] = []
    if anomaly is not None:
        rng = np.random.default_rng(seeds.defect)
        step = _Step(scene, canvas, lit)
        count = _how_many(rng)
        for _ in range(count):
            if len(instances) >= count:  # one edit may already have made several, as a swap does
                break
            step, found = _add(step, product, anomaly, shot, rng, not instances)
            instances = [*_not_covered(instances, found), *found]
        lit = step.lit
    image = expose(lit, shot)
    if product.grey:
        image = cv2.cvtColor(image[:, :, 0], cv2.COLOR_GRAY2RGB)  # type: ignore[assignment]
    return Rendered(image, tuple(instances))


@dataclass(frozen=True, slots=True)
class _Step:
    scene: Scene
    canvas: Canvas
    lit: Image


def product_of(category: str) -> Product:
    """The product of a category of `CATALOGUE`, or an assorted one (`assorted_0000` and on).

    Raises:
        UsageError: there is no such category.
    """
    number = assorted_number(category)
    if number is not None:
        return assorted_product(number)
    if category not in PRODUCTS:
        raise UsageError(f"no category {category!r} in the factory: take one of {', '.join(PRODUCTS)}")
    return PRODUCTS[category]


def _how_many(rng: Rng) -> int:
    draw = rng.random()
    return 3 if draw < 0.05 else 2 if draw < 0.15 else 1


def _add(
    step: _Step, product: Product, label: str, shot: Shot, rng: Rng, must: bool
) -> tuple[_Step, list[Instance]]:
    """Add one defect to the product; draw it anew until it can be seen and is not too large."""
    best: tuple[float, _Step, list[Instance]] | None = None
    for _ in range(_TRIES if must else 3):
        after = _apply(step, product, label, shot, rng)
        if after is None:
            continue
        masks, quality = _areas(step.lit, after.lit)
        found = [Instance(mask, label) for mask in masks]
        if found and quality >= 1.0:
            return after, found
        if found and (best is None or quality > best[0]):
            best = (quality, after, found)
    if best is not None and must:
        return best[1], best[2]
    if must:
        raise MmradError(f"the factory could not draw a visible {label!r} in {_TRIES} tries")
    return step, []


def _apply(step: _Step, product: Product, label: str, shot: Shot, rng: Rng) -> _Step | None:
    scene = product.anomalies[label].edit(step.scene, rng)
    if scene is step.scene:
        return None
    if scene.parts is step.scene.parts:
        canvas = step.canvas.copy()
        for mark, seed in scene.marks[len(step.scene.marks) :]:
            mark(canvas, np.random.default_rng(seed))
    else:
        canvas = paint(scene, step.canvas.size_wh)
    return _Step(scene, canvas, light_up(canvas, shot, product.grey))


def _areas(before: Image, after: Image) -> tuple[list[Mask], float]:
    """Masks of what changed, one for each group of near pixels, and a quality: 1 or more will do."""
    difference: Image = cv2.absdiff(before, after)  # type: ignore[assignment]
    change = _largest_channel(difference)
    changed = cv2.threshold(change, _VISIBLE, 1, cv2.THRESH_BINARY)[1]
    if not changed.any():
        return [], 0.0
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    closed = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, kernel)
    grouped = cv2.dilate(closed, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13)))
    count, groups, stats, _ = cv2.connectedComponentsWithStats(grouped)
    h, w = changed.shape
    masks: list[Mask] = []
    quality = 2.0
    for k in range(1, count):
        mask = (groups == k) & (closed > 0)
        if int(mask.sum()) < 16:
            continue
        masks.append(mask)
        contrast = float(change[mask].mean())
        size = max(int(stats[k, cv2.CC_STAT_WIDTH]), int(stats[k, cv2.CC_STAT_HEIGHT])) - 12
        quality = min(quality, contrast / _MIN_CONTRAST, size / (0.045 * min(h, w)))
        if size > _MAX_SHARE * max(h, w):
            quality = min(quality, 0.5)
    return masks, quality if masks else 0.0


def _largest_channel(image: Image) -> Image:
    r, g, b = cv2.split(image)
    out: Image = cv2.max(cv2.max(r, g), b)  # type: ignore[assignment]
    return out


def _not_covered(old: list[Instance], new: list[Instance]) -> list[Instance]:
    """Older instances without those that a newer one covers for the most part."""
    out = []
    for instance in old:
        area = int(instance.mask.sum())
        if all(int((instance.mask & n.mask).sum()) < 0.7 * area for n in new):
            out.append(instance)
    return out
