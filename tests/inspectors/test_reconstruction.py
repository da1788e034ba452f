"""Dinomaly and INP-Former on a tiny vision transformer with random weights."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from mmrad.errors import DataError, UsageError
from mmrad.features import BACKBONES, Backbone, Geometry
from mmrad.image import RGB, encode_png
from mmrad.inspectors.experts import reconstruction
from mmrad.inspectors.experts.anomalib_models import from_anomalib
from mmrad.inspectors.experts.detector import Detector, Item
from mmrad.inspectors.experts.make import make_detector
from mmrad.inspectors.experts.settings import DetectorName, ExpertSettings, ReconstructionSettings
from mmrad.inspectors.experts.vit import shape_of

pytest.importorskip("anomalib")

BOTH: tuple[DetectorName, ...] = ("dinomaly", "inp-former")
SIDE, STEPS = 80, 16
STRANGE = (slice(32, 64), slice(48, 80))
"""Rows and columns, in the square that the network sees, of what is strange in the strange image."""

each = pytest.mark.parametrize("name", BOTH)


@pytest.fixture(scope="module", autouse=True)
def vit_tiny() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BACKBONES, "vit_tiny", Backbone("vit_tiny", "vit", "vit_tiny_patch16_224", None))
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight normal images of two categories to learn from, a normal and a strange one, and the weights."""
    folder = tmp_path_factory.mktemp("reconstruction")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("vit_tiny_patch16_224").state_dict(), folder / "vit.safetensors")
    generator = np.random.default_rng(0)
    for number in range(8):
        (folder / f"{number}.png").write_bytes(encode_png(picture(generator)))
    (folder / "normal.png").write_bytes(encode_png(picture(generator)))
    strange = picture(generator)
    rows, columns = (
        slice(part.start * scale, part.stop * scale) for part, scale in zip(STRANGE, (1, 2), strict=True)
    )
    strange[rows, columns] = generator.integers(0, 256, strange[rows, columns].shape)
    (folder / "strange.png").write_bytes(encode_png(strange))
    return folder


def picture(generator: np.random.Generator) -> RGB:
    """Waves with noise, twice as wide as high."""
    y, x = np.mgrid[:SIDE, : 2 * SIDE]
    waves = np.stack([128 + 60 * np.sin(x / 9), 128 + 60 * np.sin(y / 7), 90 + 0 * x], axis=-1)
    return (waves + generator.normal(0, 4, waves.shape)).clip(0, 255).astype(np.uint8)


def normal_images(folder: Path) -> list[Item]:
    return [Item(folder / f"{number}.png", f"made/{'ab'[number % 2]}") for number in range(8)]


def queries(folder: Path) -> list[Item]:
    """A normal and a strange one."""
    return [Item(folder / "normal.png", "made/a"), Item(folder / "strange.png", "made/a")]


def settings(folder: Path, name: DetectorName, steps: int = STEPS, **own: Any) -> ExpertSettings:
    values = {
        "backbone": "vit_tiny",
        "weights": folder / "vit.safetensors",
        "size": SIDE,
        "reconstruction": ReconstructionSettings(steps=steps, batch_size=4),
    }
    return ExpertSettings(detector=name, device="cpu", **(values | own)).resolved()


def fitted(folder: Path, name: DetectorName, steps: int = STEPS, **own: Any) -> Detector:
    detector = make_detector(settings(folder, name, steps, **own))
    detector.fit(normal_images(folder), folder / f"never-{name}-{steps}.state")
    return detector


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Detector]:
    return {name: fitted(folder, name) for name in BOTH}


@each
def test_training_rebuilds_what_is_normal_and_not_what_is_strange(
    folder: Path, trained: dict[str, Detector], name: DetectorName
) -> None:
    training = ReconstructionSettings(steps=1, learning_rate=1e-9)
    detector = make_detector(settings(folder, name, reconstruction=training))
    detector.fit(normal_images(folder), folder / "never-untrained.state")
    before = [found.score for found in detector.judge(queries(folder))]
    assert before[1] == pytest.approx(before[0], rel=0.1)
    normal, strange = trained[name].judge(queries(folder))
    assert normal.score < 0.5 * before[0]
    assert strange.score > 1.5 * normal.score
    elsewhere = np.delete(strange.values, np.r_[STRANGE[0]], axis=0).mean()
    assert strange.values[STRANGE].mean() > 1.5 * normal.values[STRANGE].mean()
    assert strange.values[STRANGE].mean() > 1.5 * elsewhere
    assert normal.values.shape == (SIDE, SIDE)
    assert normal.values.dtype == np.float32


@each
def test_maps_are_those_of_the_model_as_anomalib_makes_it(
    folder: Path, trained: dict[str, Detector], name: DetectorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, architectures, options = {
        "dinomaly": ("dinomaly", "DINO_ARCHITECTURES", {}),
        "inp-former": ("inp_former", "DINOV2_ARCHITECTURES", {"remove_class_token": True}),
    }[name]
    module = from_anomalib(f"models.image.{package}.torch_model")
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda *args, **rest: create(*args, **rest | {"pretrained": False})
    )
    shape = {"embed_dim": 192, "num_heads": 3, "target_layers": list(range(2, 10))}
    monkeypatch.setitem(getattr(module, architectures), "tiny", shape)
    model = getattr(module, "DinomalyModel" if name == "dinomaly" else "InpFormerModel")(
        encoder_name="vit_tiny_patch16_224", **options
    )
    model.encoder.feature_extractor.load_state_dict(load_file(folder / "vit.safetensors"))
    left = model.load_state_dict(trained[name].tensors(), strict=False)
    assert all(key.startswith(("encoder.", "gaussian_blur.")) for key in left.missing_keys)
    assert left.unexpected_keys == []

    for item, found in zip(queries(folder), trained[name].judge(queries(folder)), strict=True):
        pixels = reconstruction.network_input(reconstruction.read_image(item.image), Geometry(SIDE))
        mean, deviation = (torch.tensor(value) for value in BACKBONES["vit_tiny"].statistics)
        values = ((torch.from_numpy(pixels) / 255 - mean) / deviation).permute(2, 0, 1)[None]
        with torch.inference_mode():
            wanted = model.eval()(values)
        assert found.score == pytest.approx(wanted.pred_score.item(), rel=1e-5)
        assert found.values == pytest.approx(wanted.anomaly_map[0, 0].numpy(), rel=1e-4, abs=1e-5)


def test_shapes_are_those_that_anomalib_knows() -> None:
    known = from_anomalib("models.image.dinomaly.torch_model").DINO_ARCHITECTURES
    for size in ("small", "base", "large"):
        with torch.device("meta"):
            network = timm.create_model(BACKBONES[f"dinov2_{size}"].timm)
        assert shape_of(network) == known[size]


@each
def test_nothing_is_asked_of_the_network(
    folder: Path, trained: dict[str, Detector], name: DetectorName, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def refuse(*address: object, **_: object) -> None:
        asked.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    make_detector(settings(folder, name)).restore(trained[name].tensors())
    assert asked == []


@each
def test_what_was_learned_can_be_kept(folder: Path, trained: dict[str, Detector], name: DetectorName) -> None:
    save_file(trained[name].tensors(), folder / f"{name}.safetensors")
    again = make_detector(settings(folder, name))
    again.restore(load_file(folder / f"{name}.safetensors"))
    for one, other in zip(trained[name].judge(queries(folder)), again.judge(queries(folder)), strict=True):
        assert one.score == other.score
        assert np.array_equal(one.values, other.values)
    assert again.backbone == trained[name].backbone
    assert again.backbone["tag"] == "file"


@each
def test_only_the_decoder_is_learned(folder: Path, trained: dict[str, Detector], name: DetectorName) -> None:
    assert not any("encoder" in key for key in trained[name].tensors())
    network = trained[name]._network  # type: ignore[attr-defined]
    weights = load_file(folder / "vit.safetensors")
    assert all(torch.equal(value, weights[key]) for key, value in network.state_dict().items())


@each
def test_the_seed_settles_everything(folder: Path, name: DetectorName) -> None:
    one = fitted(folder, name, steps=3)
    torch.rand(7)
    other = fitted(folder, name, steps=3, seed=1)
    first, second = one.tensors(), other.tensors()
    assert any(not torch.equal(first[key], second[key]) for key in first)
    one.fit(normal_images(folder), folder / "never-again.state")  # begins anew
    again = one.tensors()
    assert all(torch.equal(first[key], again[key]) for key in first)


@each
def test_a_training_that_was_stopped_goes_on(
    folder: Path, name: DetectorName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconstruction, "optimise", functools.partial(reconstruction.optimise, save_every=0))
    told: list[int] = []

    def stop(done: int, steps: int) -> None:
        told.append(done)
        if told == [1, 2]:
            raise KeyboardInterrupt

    state = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        make_detector(settings(folder, name, 4)).fit(normal_images(folder), state, stop)
    stopped = make_detector(settings(folder, name, 4))
    stopped.fit(normal_images(folder), state, stop)
    assert told == [1, 2, 3, 4]

    whole = make_detector(settings(folder, name, 4))
    whole.fit(normal_images(folder), tmp_path / "other")
    wanted, found = whole.tensors(), stopped.tensors()
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)


@each
def test_images_of_a_batch_are_independent(
    folder: Path, trained: dict[str, Detector], name: DetectorName
) -> None:
    together = trained[name].judge(queries(folder))
    for item, found in zip(queries(folder), together, strict=True):
        (alone,) = trained[name].judge([item])
        assert alone.score == pytest.approx(found.score, rel=1e-4)
        assert alone.values == pytest.approx(found.values, rel=1e-3, abs=1e-5)


@each
def test_only_the_crop_is_seen(folder: Path, trained: dict[str, Detector], name: DetectorName) -> None:
    detector = make_detector(settings(folder, name, size=SIDE + 17, crop=SIDE))
    detector.restore(trained[name].tensors())
    assert detector.geometry == Geometry(SIDE + 17, SIDE)
    (found,) = detector.judge(queries(folder)[:1])
    assert found.values.shape == (SIDE, SIDE)


@each
def test_an_image_that_cannot_be_read_is_named(
    folder: Path, trained: dict[str, Detector], name: DetectorName
) -> None:
    with pytest.raises(DataError, match=r"missing\.png"):
        trained[name].judge([*queries(folder), Item(folder / "missing.png", "made/a")])


@each
def test_a_side_that_the_patches_do_not_divide_is_refused(folder: Path, name: DetectorName) -> None:
    with pytest.raises(UsageError, match=r"90 pixels a side, which its patches of 16 .* give 80 or 96"):
        make_detector(settings(folder, name, size=90))


@each
def test_a_backbone_without_tokens_is_refused(folder: Path, name: DetectorName) -> None:
    with pytest.raises(UsageError, match=r"needs a vision transformer, which lite0 is not; .* dinov2_base"):
        make_detector(settings(folder, name, backbone="lite0", weights=None))


def test_anomalib_still_trains_by_the_published_values() -> None:
    for package, rates in (("dinomaly", (2e-3, 2e-4)), ("inp_former", (1e-3, 1e-4))):
        config = from_anomalib(f"models.image.{package}.lightning_model").TRAINING_CONFIG
        schedule = config["scheduler"]
        assert (schedule["base_value"], schedule["final_value"]) == rates
        assert schedule["warmup_iters"] == 100
        assert config["optimizer"]["lr"] == rates[0]
        assert config["optimizer"]["amsgrad"]
        assert config["trainer"]["gradient_clip_val"] == 0.1


def test_the_learning_rate_rises_and_goes_down_by_a_cosine() -> None:
    config = from_anomalib("models.image.dinomaly.lightning_model").TRAINING_CONFIG
    _, rates = reconstruction._optimiser(torch.nn.Linear(2, 2), 1_000, None, config)
    assert len(rates) == 1_000
    assert rates[0] == 0
    assert rates[50] == pytest.approx(1e-3, rel=0.02)
    assert rates[100] == pytest.approx(2e-3)
    assert rates[550] == pytest.approx(1.1e-3)
    assert rates[-1] == pytest.approx(2e-4, rel=0.01)
    _, higher = reconstruction._optimiser(torch.nn.Linear(2, 2), 10, 2e-2, config)
    assert max(higher) == pytest.approx(2e-2)


@pytest.mark.parametrize(
    ("name", "classes", "steps"),
    [("dinomaly", "one", 5_000), ("dinomaly", "all", 10_000), ("inp-former", "all", 200 * 2)],
)
def test_the_published_schedule_is_the_default(
    folder: Path, name: DetectorName, classes: str, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[int] = []
    monkeypatch.setattr(reconstruction, "optimise", lambda step, steps, **_: planned.append(steps))
    training = ReconstructionSettings(batch_size=4)
    detector = make_detector(settings(folder, name, classes=classes, reconstruction=training))
    detector.fit(normal_images(folder), folder / "never-planned.state")
    assert planned == [steps]


def test_other_random_numbers_go_on_as_if_none_had_been_drawn(
    folder: Path, trained: dict[str, Detector]
) -> None:
    detector = make_detector(settings(folder, "dinomaly"))
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    detector.restore(trained["dinomaly"].tensors())
    assert torch.equal(torch.rand(3), wanted)
