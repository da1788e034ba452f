"""Features of a trained network for each patch, kept in a file."""

import numpy as np
import pytest
import torch

from mmrad.image import encode_png
from mmrad.train.pretraining.features import CHANNELS, patch_features

SIZES = [(140, 140), (140, 112), (140, 140)]


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for number, (width, height) in enumerate(SIZES):
        pixels = np.full((height, width, 3), 120, np.uint8)
        pixels[28:42, 14 * number : 14 * number + 14] = rng.integers(0, 255, (14, 14, 3))
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(encode_png(pixels))
    return paths


def test_each_patch_has_its_features_and_the_odd_one_stands_out(images, tmp_path):
    told = []
    found = patch_features(images, SIZES, tmp_path / "f.safetensors", progress=lambda *n: told.append(n))
    assert [tuple(map_.shape) for map_ in found] == [
        (10, 10, CHANNELS),
        (8, 10, CHANNELS),
        (10, 10, CHANNELS),
    ]
    assert told[-1] == (3, 3)
    values = torch.cat([map_.reshape(-1, CHANNELS) for map_ in found]).float()
    assert values.abs().max() <= 6
    assert values.mean(dim=0).abs().max() < 0.2
    for number, map_ in enumerate(found):
        strength = map_.float().norm(dim=-1)
        assert divmod(int(strength.argmax()), strength.shape[1]) == (2, number)


def test_they_are_computed_once(images, tmp_path):
    first = patch_features(images, SIZES, tmp_path / "f.safetensors")
    for path in images:
        path.unlink()
    again = patch_features(images, SIZES, tmp_path / "f.safetensors")
    for one, other in zip(first, again, strict=True):
        assert torch.equal(one, other)
