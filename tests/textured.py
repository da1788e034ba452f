"""Small made-up images of a texture, good and with a strange patch, and the real cookies, for detectors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmrad.box import Box
from mmrad.image import encode_png, read_mask
from mmrad.inspectors.experts.detector import Item, RawMap

WIDTH, HEIGHT = 120, 80
STRANGE = Box(70, 20, 100, 50)

COOKIES = Path(__file__).parents[2] / "shared" / "data" / "cookies"


def good(folder: Path, count: int, seed: int = 0) -> list[Item]:
    """Images of waves along one diagonal with some noise."""
    return _written(folder, count, seed, "good")


def strange(folder: Path, count: int, seed: int = 1) -> list[Item]:
    """The same, with the waves along the other diagonal inside `STRANGE`."""
    return _written(folder, count, seed, "strange")


class Given(torch.nn.Module):
    """A feature extractor that gives maps made before."""

    def __init__(self, maps: Sequence[torch.Tensor] = ()) -> None:
        super().__init__()
        self.maps = maps

    def forward(self, _: torch.Tensor) -> dict[str, torch.Tensor]:
        return {str(stage): values for stage, values in enumerate(self.maps)}


def same(some: Sequence[RawMap], others: Sequence[RawMap]) -> bool:
    """Whether maps and scores are the very same."""
    return all(
        one.score == other.score and np.array_equal(one.values, other.values)
        for one, other in zip(some, others, strict=True)
    )


def alike(some: Sequence[RawMap], others: Sequence[RawMap]) -> bool:
    """The same but for the last digits: with several threads the network's depend on the batch."""
    return all(
        np.isclose(one.score, other.score, rtol=1e-4) and np.allclose(one.values, other.values, rtol=1e-4)
        for one, other in zip(some, others, strict=True)
    )


def cookies(kind: str) -> list[Item]:
    """Photographs of one cookie each, `normal` or `anomaly`."""
    paths = sorted((COOKIES / "training-images").glob(f"{kind}-*.jpg"), key=_number)
    return [Item(path, "real/cookie") for path in paths]


def cookie_mask(item: Item) -> np.ndarray:
    """The cracked pixels of an anomalous cookie, shape `(height, width)`."""
    (path,) = (COOKIES / "mask-images").glob(f"{item.image.stem}.*")
    return np.asarray(read_mask(path) > 0)


def _number(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def _written(folder: Path, count: int, seed: int, kind: str) -> list[Item]:
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    x1, y1, x2, y2 = STRANGE.rounded()
    items = []
    for number in range(count):
        phase = rng.uniform(0, 2 * np.pi)
        waves = np.sin((x + y) / 3 + phase)
        if kind == "strange":
            waves[y1:y2, x1:x2] = np.sin((x - y) / 3 + phase)[y1:y2, x1:x2]
        grey = 128 + 60 * waves + rng.normal(0, 5, waves.shape)
        path = folder / f"{kind}-{seed}-{number}.png"
        path.write_bytes(encode_png(np.repeat(grey.clip(0, 255).astype(np.uint8)[:, :, None], 3, axis=2)))
        items.append(Item(path, "made/texture"))
    return items
