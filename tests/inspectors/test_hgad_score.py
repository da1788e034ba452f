"""From normality to maps of anomaly: the published steps, with maxima of the training images."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from mmrad.inspectors.experts.hgad.score import SIDE, anomaly, fused, highest, summed

GRIDS = ((4, 4), (2, 2))


def levels(count: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(count, *grid, generator=generator) for grid in GRIDS]


def enlarged(values: np.ndarray) -> np.ndarray:
    """Bilinear, the outermost places being the corners; by its formula, one axis after the other."""
    for axis in range(2):
        places = np.linspace(0, values.shape[axis] - 1, SIDE)
        known = np.arange(values.shape[axis])
        values = np.apply_along_axis(lambda row: np.interp(places, known, row), axis, values)  # noqa: B023
    return values


def test_the_steps_of_one_map() -> None:
    train, labels = levels(5), torch.zeros(5, dtype=torch.long)
    maxima = highest(train, labels, 1)
    tops = [float(level.max()) for level in train]
    sums = [
        sum(enlarged(np.exp(level[i].numpy() - top)) for level, top in zip(train, tops, strict=True))
        for i in range(5)
    ]
    assert maxima[0].tolist() == pytest.approx([*tops, np.max(sums)], rel=1e-5)
    [found] = anomaly([level[2:3] for level in train], maxima)
    assert found.shape == (SIDE, SIDE)
    assert found.dtype == np.float32
    assert np.allclose(found, gaussian_filter(np.max(sums) - sums[2], 4.0), atol=1e-5)


def test_classes_have_their_own_maxima() -> None:
    train, labels = levels(6), torch.tensor([0, 1, 0, 1, 1, 0])
    both = highest(train, labels, 2)
    for label in (0, 1):
        alone = highest([level[labels == label] for level in train], torch.zeros(3, dtype=torch.long), 1)
        assert both[label].equal(alone[0])
    assert not both[0].allclose(both[1])


def test_what_is_more_normal_than_all_training_images_is_simply_normal() -> None:
    maxima = highest(levels(5), torch.zeros(5, dtype=torch.long), 1)
    best = [level + 100 for level in levels(2, seed=1)]
    assert summed(best, maxima[:, :-1]).equal(torch.full((2, SIDE, SIDE), 2.0))
    assert (anomaly(best, maxima.expand(2, -1)) == 0).all()


def test_what_is_less_normal_is_more_anomalous() -> None:
    maxima = highest(levels(5), torch.zeros(5, dtype=torch.long), 1)
    some = levels(1, seed=1)
    worse = [level.clone() for level in some]
    worse[0][0, 3, 0] -= 2
    before, after = anomaly(some, maxima)[0], anomaly(worse, maxima)[0]
    assert (after >= before - 1e-6).all()
    row, column = np.unravel_index((after - before).argmax(), after.shape)
    assert row > 0.8 * SIDE
    assert column < 0.2 * SIDE


def test_an_image_does_not_depend_on_those_beside_it() -> None:
    maxima = highest(levels(5), torch.zeros(5, dtype=torch.long), 1)
    test = levels(4, seed=1)
    together = anomaly(test, maxima.expand(4, -1))
    [alone] = anomaly([level[1:2] for level in test], maxima)
    assert np.allclose(together[1], alone, atol=1e-6)


def test_fusion() -> None:
    likelihood, entropy = np.float32([[1, 2]]), np.float32([[3, 0]])
    assert fused(likelihood, entropy, "product").tolist() == [[3, 0]]
    assert fused(likelihood, entropy, "likelihood").tolist() == [[1, 2]]
    assert fused(likelihood, entropy, "entropy").tolist() == [[3, 0]]
