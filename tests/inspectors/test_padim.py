"""PaDiM: anomalib's maps, from covariances summed up batch by batch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from mmrad.errors import DataError, UsageError
from mmrad.inspectors.experts import padim as module
from mmrad.inspectors.experts.anomalib_models import from_anomalib, without_backbone
from mmrad.inspectors.experts.detector import Item
from mmrad.inspectors.experts.maps import placed
from mmrad.inspectors.experts.padim import PadimDetector
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.metrics.pixels import PixelCurve
from mmrad.metrics.ranking import auroc
from textured import COOKIES, STRANGE, Given, alike, cookie_mask, cookies, good, same, strange

SIZE = 64
CELLS = SIZE // 4
STATE = Path("unused")


def detector(**given: object) -> PadimDetector:
    values = {"detector": "padim", "size": SIZE, "device": "cpu", **given}
    return PadimDetector(ExpertSettings.model_validate(values).resolved(), None)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Item], list[Item], list[Item]]:
    folder = tmp_path_factory.mktemp("images")
    return good(folder, 20), good(folder, 9, seed=2), strange(folder, 9)


@pytest.fixture(scope="module")
def fitted(images: tuple[list[Item], ...]) -> PadimDetector:
    made = detector()
    made.fit(images[0], STATE)
    return made


@pytest.mark.parametrize(("features", "count", "rtol"), [(10, 20, 1e-4), (100, 20, 1e-4), (176, 2, 3e-4)])
def test_scores_and_maps_are_those_of_anomalib(
    images: tuple[list[Item], ...], features: int, count: int, rtol: float
) -> None:
    ours = detector(padim={"features": features})
    ours.fit(images[0][:count], STATE)
    judged = images[1] + images[2]
    found = ours.judge(judged)
    with in_double_precision():
        expected = of_anomalib(ours, images[0][:count], judged)
    np.testing.assert_allclose([one.score for one in found], expected.pred_score[:, 0], rtol=rtol)
    for one, values in zip(found, expected.anomaly_map[:, 0].numpy(), strict=True):
        assert (one.values.shape, one.values.dtype) == ((SIZE, SIZE), np.float32)
        np.testing.assert_allclose(one.values, values, rtol=rtol)


@contextmanager
def in_double_precision() -> Iterator[None]:
    """With very few images anomalib is off by more in single precision than what is allowed here."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def of_anomalib(ours: PadimDetector, learned: list[Item], judged: list[Item]) -> Any:
    """What anomalib's model, trained on the same maps, says of images."""
    model = from_anomalib("models.image.padim.torch_model").PadimModel(**without_backbone(3), n_features=1)
    model.idx = ours.tensors()["channels"]
    model.feature_extractor = Given()

    def run(items: list[Item]) -> Any:
        model.feature_extractor.maps = [one.double() for one in ours.maps.of([item.image for item in items])]
        return model(torch.zeros(len(items), 3, SIZE, SIZE))

    model.train()
    for begin in range(0, len(learned), 8):  # the batches in which ours learns: the backbone's digits vary
        run(learned[begin : begin + 8])
    model.fit()
    model.eval()
    return run(judged)


def test_moments_far_from_zero_lose_no_digits() -> None:
    values = torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0)) + 1000
    moments = module._Moments(3, 4, "cpu")
    for batch in values.split([1, 20, 29], dim=2):
        moments.add(batch)
    exactly = torch.stack([torch.cov(place.double()) for place in values])
    expected = torch.linalg.inv(exactly + (0.01 + 1e-5) * torch.eye(4, dtype=torch.float64))
    np.testing.assert_allclose(moments.mean, values.mean(dim=2), rtol=1e-6)
    np.testing.assert_allclose(moments.inverse_covariances(), expected, rtol=2e-3, atol=1e-4)


def test_what_is_inverted_at_once_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, fitted: PadimDetector, images: tuple[list[Item], ...]
) -> None:
    monkeypatch.setattr(module, "_CELLS", 1)
    again = detector()
    again.fit(images[0], STATE)
    np.testing.assert_allclose(again.tensors()["inverse"], fitted.tensors()["inverse"], rtol=1e-5, atol=1e-5)


def test_finds_the_strange_patch(fitted: PadimDetector, images: tuple[list[Item], ...]) -> None:
    normal, anomalous = fitted.judge(images[1]), fitted.judge(images[2])
    area = auroc([one.score for one in normal + anomalous], [False] * 9 + [True] * 9)
    assert area is not None
    assert area > 0.95
    for one in anomalous:
        assert one.score == one.values.max()
        on_image = placed(one.values, fitted.geometry, (120, 80))
        y, x = np.unravel_index(on_image.argmax(), on_image.shape)
        assert STRANGE.x1 <= x < STRANGE.x2
        assert STRANGE.y1 <= y < STRANGE.y2


def test_an_image_is_judged_alike_in_every_batch(
    fitted: PadimDetector, images: tuple[list[Item], ...]
) -> None:
    together = fitted.judge(images[2])  # nine, one more than are computed together
    assert alike(together, [fitted.judge([item])[0] for item in images[2]])
    assert alike(together, fitted.judge(images[2][::-1])[::-1])


def test_the_seed_decides(fitted: PadimDetector, images: tuple[list[Item], ...]) -> None:
    torch.manual_seed(5)
    again, other = detector(), detector(seed=1)
    again.fit(images[0], STATE)
    other.fit(images[0], STATE)
    assert same(fitted.judge(images[2]), again.judge(images[2]))
    assert set(fitted.tensors()["channels"].tolist()) != set(other.tensors()["channels"].tolist())


def test_what_is_kept_judges_alike(fitted: PadimDetector, images: tuple[list[Item], ...]) -> None:
    again = detector(seed=1)  # the channels are those that were learned, not those of the seed
    again.restore(load(save(fitted.tensors())))
    assert same(fitted.judge(images[2]), again.judge(images[2]))
    assert {name: value.shape for name, value in fitted.tensors().items()} == {
        "channels": (100,),
        "mean": (100, CELLS**2),
        "inverse": (CELLS**2, 100, 100),
    }


def test_covariances_that_do_not_fit_are_refused_at_once(images: tuple[list[Item], ...]) -> None:
    size = CELLS**2 * 100**2 * 4 / 2**30
    detector(memory_gib=size * 1.01).fit(images[0], STATE)
    with pytest.raises(UsageError, match="memory_gib"):
        detector(memory_gib=size * 0.99).fit([Item(Path("not there"), "a/b")] * 2, STATE)


def test_one_image_has_no_covariance(images: tuple[list[Item], ...]) -> None:
    with pytest.raises(DataError, match="two images"):
        detector().fit(images[0][:1], STATE)


def test_several_categories_only_where_all_are_learned(images: tuple[list[Item], ...]) -> None:
    several = [Item(item.image, f"made/{number % 2}") for number, item in enumerate(images[0])]
    with pytest.raises(UsageError, match="classes = all"):
        detector().fit(several, STATE)
    of_all = detector(classes="all")
    told: list[tuple[int, int]] = []
    of_all.fit(several, STATE, lambda done, total: told.append((done, total)))
    assert told == [(8, 20), (16, 20), (20, 20)]


@pytest.mark.skipif(not COOKIES.is_dir(), reason="the cookie images are not on this machine")
def test_finds_cracks_in_real_cookies() -> None:
    made = PadimDetector(ExpertSettings(detector="padim", device="cpu").resolved(), None)
    normal, anomalous = cookies("normal"), cookies("anomaly")
    made.fit(normal[:16], STATE)
    found = made.judge(normal[16:] + anomalous)
    area = auroc([one.score for one in found], [False] * 15 + [True] * 32)
    assert area is not None
    assert area > 0.9
    pixels = PixelCurve()
    for item, one in zip(anomalous, found[15:], strict=True):
        mask = cookie_mask(item)
        pixels.add(placed(one.values, made.geometry, mask.shape[::-1]), mask)
    pixel_area = pixels.auroc()
    assert pixel_area is not None
    assert pixel_area > 0.85
