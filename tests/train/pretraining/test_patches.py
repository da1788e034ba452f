"""Images as the patches of the tower, and the forms in which an album shows them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mmrad.train.examples.scripted import MIRRORINGS, Exposure
from mmrad.train.pretraining.nano import NanoSize, build_nano, train_tokenizer
from mmrad.train.pretraining.patches import Album, cut, looks, places
from mmrad.view import View

SIZES = [(84, 140), (112, 112), (56, 28)]
PLAIN = Exposure(gain=1.0, offset=0.0, noise=0.0, seed=3)


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (height, width, 3)).astype(np.uint8) for height, width in SIZES]


@pytest.fixture
def album(images):
    views = {Path(f"{number}.png"): View(image, image.shape[1::-1]) for number, image in enumerate(images)}
    return Album(views, "cpu")


def test_patches_are_those_of_the_processor_in_their_order(images):
    size = NanoSize(
        text_width=32, text_layers=1, text_heads=2, vision_width=32, vision_layers=1, vision_heads=2
    )
    _, processor = build_nano(train_tokenizer(["Yes. No."], size), size, seed=0)
    own = processor.image_processor(
        images, do_resize=False, input_data_format="channels_last", return_tensors="pt",
        do_normalize=False, do_rescale=False,
    )  # fmt: skip
    found = cut(images)
    counts = found["grids"].prod(dim=1).tolist()
    frames = own["pixel_values"].reshape(-1, 3, 2, 14, 14)  # a video of two equal frames
    for pixels, count, expected in zip(found["pixels"], counts, frames.split(counts), strict=True):
        assert torch.equal(pixels[:count].float(), expected[:, :, 0])
        assert not pixels[count:].any()
    assert torch.equal(found["grids"], own["image_grid_thw"][:, 1:])


def test_places_are_rows_and_columns_of_the_patches():
    at, inside = places(torch.tensor([[4, 6], [2, 2], [0, 0]]), 24)
    assert inside.sum(dim=1).tolist() == [24, 4, 0]
    assert at[0, :6].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3]]
    assert sorted(map(tuple, at[0].tolist())) == [(row, column) for row in range(4) for column in range(6)]
    assert at[1, :4].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("mirroring", MIRRORINGS)
def test_an_album_mirrors_and_recolours_as_images_are(images, album, mirroring):
    horizontal, vertical = mirroring
    channels = [(0, 1, 2), (2, 0, 1), (1, 0, 2)]
    shown = album.show(looks([0, 1, 2], [mirroring] * 3, channels, [PLAIN] * 3))
    turned = [
        np.ascontiguousarray(image[:: -1 if vertical else 1, :: -1 if horizontal else 1][..., list(order)])
        for image, order in zip(images, channels, strict=True)
    ]
    expected = cut(turned)
    assert torch.equal(shown["grids"], expected["grids"])
    for pixels, right, count in zip(
        shown["pixels"], expected["pixels"], expected["grids"].prod(dim=1).tolist(), strict=True
    ):
        assert torch.equal(pixels[:count], right[:count].float())


def test_an_exposure_changes_gain_offset_and_noise_by_its_seed(album):
    def pixels(exposure):
        return album.show(looks([1], [(False, False)], [(0, 1, 2)], [exposure]))["pixels"]

    plain = pixels(PLAIN)
    brighter = pixels(replace(PLAIN, gain=1.05, offset=4.0))
    assert torch.equal(brighter, (plain * 1.05 + 4.0).clamp(0, 255).round())
    noisy = replace(PLAIN, noise=2.0)
    middle = (plain > 20) & (plain < 235)
    assert (pixels(noisy) - plain)[middle].std().item() == pytest.approx(2.0, rel=0.1)
    assert torch.equal(pixels(noisy), pixels(noisy))
    assert not torch.equal(pixels(noisy), pixels(replace(noisy, seed=4)))


def test_an_image_that_is_not_there_has_no_patch(album):
    shown = album.show(looks([None, 1], [(True, False)] * 2, [(0, 1, 2)] * 2, [PLAIN] * 2))
    assert shown["grids"].tolist() == [[0, 0], [8, 8]]
