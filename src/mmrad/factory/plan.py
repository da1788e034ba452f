"""What images a factory makes and where they go: known in full before the first one is drawn."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmrad.factory.products.assorted import assorted_name
from mmrad.factory.render import PRODUCTS, PRODUCTS_BY_SOURCE, Seeds, product_of

MaskForm = Literal["binary", "class", "folder"]


@dataclass(frozen=True, slots=True)
class Job:
    """One image to make.

    Attributes:
        source, category: where it belongs.
        anomaly: label, or None for a good image.
        split: "train", "validation" or "test".
        image: path relative to the source's root, "/" between folders.
        mask: path of the mask (a folder for `folder` masks), or "" when there is none.
        form: how the mask is written: 0/255, one class id, or a folder with one file a region.
        value: pixel value of the mask.
        seeds: what the image is drawn from.
        view: 0 for the top view, 1 to 4 for oblique ones.
    """

    source: str
    category: str
    anomaly: str | None
    split: str
    image: str
    mask: str
    form: MaskForm
    value: int
    seeds: Seeds
    view: int = 0


def snake(label: str) -> str:
    """Folder name of a label: "bent pin" becomes "bent_pin"."""
    return re.sub(r"\W+", "_", label.lower()).strip("_")


def _seeds(seed: int, *key: str) -> Seeds:
    """Seeds of one image: from the factory's seed and the image's own name alone."""
    words = [zlib.crc32(k.encode()) for k in key]
    scene, defect, shot = np.random.default_rng([seed, *words]).integers(1 << 62, size=3)
    return Seeds(int(scene), int(defect), int(shot))


def plan(source: str, *, seed: int, train: int, good: int, per_anomaly: int) -> list[Job]:
    """List the images of one source."""
    make = {"mvtec": _mvtec, "visa": _visa, "loco": _loco, "realiad": _realiad}[source]
    return [
        job
        for category in PRODUCTS_BY_SOURCE[source]
        for job in make(category, seed, train, good, per_anomaly)
    ]


def plan_assorted(count: int, *, seed: int, train: int, good: int, per_anomaly: int) -> list[Job]:
    """List the images of the first `count` assorted products, which have MVTec AD's layout."""
    names = (assorted_name(number) for number in range(count))
    return [job for name in names for job in _mvtec(name, seed, train, good, per_anomaly, "assorted")]


def _mvtec(
    category: str, seed: int, train: int, good: int, per_anomaly: int, source: str = "mvtec"
) -> list[Job]:
    def job(split: str, folder: str, k: int, label: str | None) -> Job:
        image = f"{category}/{split}/{folder}/{k:03d}.png"
        mask = f"{category}/ground_truth/{folder}/{k:03d}_mask.png" if label else ""
        return Job(source, category, label, split, image, mask, "binary", 255, _seeds(seed, image))

    jobs = [job("train", "good", k, None) for k in range(train)]
    jobs += [job("test", "good", k, None) for k in range(good)]
    return jobs + [
        job("test", snake(a), k, a) for a in product_of(category).anomalies for k in range(per_anomaly)
    ]


def _visa(category: str, seed: int, train: int, good: int, per_anomaly: int) -> list[Job]:
    jobs = []
    for k in range(train + good):
        image = f"{category}/Data/Images/Normal/{k:04d}.JPG"
        split = "train" if k < train else "test"
        jobs.append(Job("visa", category, None, split, image, "", "class", 0, _seeds(seed, image)))
    for value, label in enumerate(PRODUCTS[category].anomalies, 1):
        for k in range((value - 1) * per_anomaly, value * per_anomaly):
            image = f"{category}/Data/Images/Anomaly/{k:03d}.JPG"
            mask = f"{category}/Data/Masks/Anomaly/{k:03d}.png"
            jobs.append(
                Job("visa", category, label, "test", image, mask, "class", value, _seeds(seed, image))
            )
    return jobs


def loco_values(category: str) -> dict[str, int]:
    """Mask value of each anomaly of a LOCO category, counting down from 255 as in the original."""
    return {label: 255 - k for k, label in enumerate(PRODUCTS[category].anomalies)}


def _loco(category: str, seed: int, train: int, good: int, per_anomaly: int) -> list[Job]:
    jobs = []
    # The original keeps about one normal image in seven of its training part apart for validation.
    held = train // 7
    for split, count in (("train", train - held), ("validation", held), ("test", good)):
        for k in range(count):
            image = f"{category}/{split}/good/{k:03d}.png"
            jobs.append(Job("loco", category, None, split, image, "", "folder", 0, _seeds(seed, image)))
    numbers = {"logical": 0, "structural": 0}
    values = loco_values(category)
    for label, anomaly in PRODUCTS[category].anomalies.items():
        for _ in range(per_anomaly):
            k = numbers[anomaly.kind]
            numbers[anomaly.kind] += 1
            tail = f"{anomaly.kind}_anomalies/{k:03d}"
            image, mask = f"{category}/test/{tail}.png", f"{category}/ground_truth/{tail}"
            jobs.append(
                Job(
                    "loco", category, label, "test", image, mask, "folder", values[label], _seeds(seed, image)
                )
            )
    return jobs


def _realiad(category: str, seed: int, train: int, good: int, per_anomaly: int) -> list[Job]:
    jobs = []
    base = f"realiad_1024/{category}"
    for k in range(train + good):
        # No object has views on both sides of the split.
        number, view = divmod(k, 5) if k < train else divmod(k - train + 5 * -(-train // 5), 5)
        tag = f"{number + 1:04d}_OK_C{view + 1}_{_stamp(number, view)}"
        image = f"{base}/OK/S{number + 1:04d}/{category}_{tag}.jpg"
        split = "train" if k < train else "test"
        seeds = _views(seed, category, "OK", number, view)
        jobs.append(Job("realiad", category, None, split, image, "", "binary", 0, seeds, view))
    numbers: dict[str, int] = {}
    for label, anomaly in PRODUCTS[category].anomalies.items():
        code = anomaly.code
        first = numbers.get(code, 0)
        numbers[code] = first + -(-per_anomaly // 5)
        for k in range(per_anomaly):
            number, view = first + k // 5, k % 5
            tag = f"{number + 1:04d}_NG_{code}_C{view + 1}_{_stamp(number, view)}"
            stem = f"{base}/NG/{code}/S{number + 1:04d}/{category}_{tag}"
            seeds = _views(seed, category, code, number, view)
            hidden = view > 0 and seeds.shot % 6 == 0
            mask = "" if hidden else f"{stem}.png"
            shown = None if hidden else label
            jobs.append(
                Job("realiad", category, shown, "test", f"{stem}.jpg", mask, "binary", 255, seeds, view)
            )
    return jobs


def _views(seed: int, category: str, code: str, number: int, view: int) -> Seeds:
    """The views of a sample show one object with one defect, each in its own photograph."""
    thing = _seeds(seed, "realiad", category, code, str(number))
    return Seeds(
        thing.scene, thing.defect, _seeds(seed, "realiad", category, code, str(number), str(view)).shot
    )


def _stamp(number: int, view: int) -> str:
    return f"20240115{8 + number // 3600 % 12:02d}{number // 60 % 60:02d}{(number + view) % 60:02d}"
