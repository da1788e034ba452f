"""What a network sees of an image."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmrad.errors import UsageError
from mmrad.features import FeatureMaps, Geometry, network_input
from mmrad.image import encode_png, read_image


@pytest.fixture
def pixels():
    """A picture of 96 x 64 pixels that differs from its mirror images."""
    rows, columns = np.mgrid[:64, :96]
    return np.stack([columns * 2, rows * 3, (rows + columns) % 256], axis=2).astype(np.uint8)


def test_the_whole_image_is_squeezed_into_a_square(pixels):
    seen = network_input(pixels, Geometry(32))
    assert seen.shape == (32, 32, 3)
    # Areas of 3 x 2 pixels: the first and last hold columns 0 to 2 and 93 to 95, rows 0 to 1 and 62 to 63.
    assert seen[0, 0].tolist() == pytest.approx([2, 1.5, 1.5], abs=0.51)
    assert seen[-1, -1].tolist() == pytest.approx([188, 187.5, 156.5], abs=0.51)


@pytest.mark.parametrize(("crop", "margin"), [(24, 4), (23, 4), (32, 0)])
def test_the_crop_is_the_middle(pixels, crop, margin):
    whole, seen = network_input(pixels, Geometry(32)), network_input(pixels, Geometry(32, crop))
    np.testing.assert_array_equal(seen, whole[margin : margin + crop, margin : margin + crop])


@pytest.mark.parametrize("crop", [0, 33, -1])
def test_a_crop_that_does_not_fit_is_refused(crop):
    with pytest.raises(UsageError, match=f"crop of {crop} pixels"):
        Geometry(32, crop)


def test_maps_of_a_crop_are_those_of_its_pixels(tmp_path, pixels):
    whole, middle = tmp_path / "whole.png", tmp_path / "middle.png"
    whole.write_bytes(encode_png(pixels))
    middle.write_bytes(encode_png(network_input(pixels, Geometry(64, 48))))
    cropped = FeatureMaps("lite0", (4, 16), Geometry(64, 48)).of([whole])
    for found, wanted in zip(cropped, FeatureMaps("lite0", (4, 16), Geometry(48)).of([middle]), strict=True):
        assert found.shape[2:] == wanted.shape[2:]
        assert torch.equal(found, wanted)


def test_maps_are_of_the_upright_image(tmp_path, pixels):
    turned, upright = tmp_path / "turned.tiff", tmp_path / "upright.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(pixels).save(turned, exif=exif)
    upright.write_bytes(encode_png(np.rot90(pixels, -1).copy()))
    assert read_image(turned).shape == (96, 64, 3)
    features = FeatureMaps("lite0", (4,), Geometry(64))
    assert torch.equal(*features.of([turned, upright])[0])
    as_stored = tmp_path / "stored.png"
    as_stored.write_bytes(encode_png(pixels))
    assert not torch.equal(*features.of([turned, as_stored])[0])


def test_a_part_of_an_image_is_an_image(tmp_path, pixels):
    (tmp_path / "strip.png").write_bytes(encode_png(pixels))
    (tmp_path / "part.png").write_bytes(encode_png(pixels[8:56, 16:80].copy()))
    features = FeatureMaps("lite0", (4,), Geometry(64), cache=tmp_path / "cache")
    part, other = tmp_path / "strip.png#xywh=16,8,64,48", tmp_path / "strip.png#xywh=0,0,64,48"
    first, second, third = features.of([part, tmp_path / "part.png", other])[0]
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
