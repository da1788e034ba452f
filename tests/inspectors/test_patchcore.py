"""PatchCore: anomalib's scores and maps, our coreset, bounded memory."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from mmrad.errors import MissingExtraError, UsageError
from mmrad.inspectors.experts.anomalib_models import from_anomalib, without_backbone
from mmrad.inspectors.experts.detector import Item
from mmrad.inspectors.experts.maps import placed
from mmrad.inspectors.experts.patchcore import PatchcoreDetector
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.metrics.pixels import PixelCurve
from mmrad.metrics.ranking import auroc
from textured import COOKIES, STRANGE, Given, alike, cookie_mask, cookies, good, same, strange

SIZE = 64
CELLS = SIZE // 8
STATE = Path("unused")


def detector(**given: object) -> PatchcoreDetector:
    values = {"detector": "patchcore", "size": SIZE, "device": "cpu", **given}
    return PatchcoreDetector(ExpertSettings.model_validate(values).resolved(), None)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Item], list[Item], list[Item]]:
    folder = tmp_path_factory.mktemp("images")
    return good(folder, 12), good(folder, 9, seed=2), strange(folder, 9)


@pytest.fixture(scope="module")
def fitted(images: tuple[list[Item], ...]) -> PatchcoreDetector:
    made = detector()
    made.fit(images[0], STATE)
    return made


@pytest.mark.parametrize("neighbours", [1, 9, 1000])
def test_scores_and_maps_are_those_of_anomalib(
    fitted: PatchcoreDetector, images: tuple[list[Item], ...], neighbours: int
) -> None:
    ours = detector(patchcore={"neighbours": neighbours})
    ours.restore(fitted.tensors())
    judged = images[1][:3] + images[2][:3]
    theirs = from_anomalib("models.image.patchcore.torch_model").PatchcoreModel(
        **without_backbone(2), num_neighbors=neighbours
    )
    theirs.memory_bank = fitted.tensors()["bank"]
    theirs.feature_extractor = Given(ours.maps.of([item.image for item in judged]))
    expected = theirs.eval()(torch.zeros(len(judged), 3, SIZE, SIZE))
    found = ours.judge(judged)
    # Distances are roots of small differences of large squared norms: float32 leaves them 3 digits after
    # the point, of images that are scored 5 (normal) to 58.
    np.testing.assert_allclose([one.score for one in found], expected.pred_score, rtol=1e-6, atol=1e-3)
    for one, values in zip(found, expected.anomaly_map[:, 0].numpy(), strict=True):
        assert (one.values.shape, one.values.dtype) == ((SIZE, SIZE), np.float32)
        np.testing.assert_allclose(one.values, values, rtol=1e-6, atol=1e-3)


def test_finds_the_strange_patch(fitted: PatchcoreDetector, images: tuple[list[Item], ...]) -> None:
    normal, anomalous = fitted.judge(images[1]), fitted.judge(images[2])
    assert min(one.score for one in anomalous) > max(one.score for one in normal)
    for one in anomalous:
        on_image = placed(one.values, fitted.geometry, (120, 80))
        y, x = np.unravel_index(on_image.argmax(), on_image.shape)
        assert STRANGE.x1 <= x < STRANGE.x2
        assert STRANGE.y1 <= y < STRANGE.y2


def test_an_image_is_judged_alike_in_every_batch(
    fitted: PatchcoreDetector, images: tuple[list[Item], ...]
) -> None:
    together = fitted.judge(images[2])
    assert alike(together, [fitted.judge([item])[0] for item in images[2]])
    assert alike(together, fitted.judge(images[2][::-1])[::-1])


def test_the_bank_is_a_share_of_the_patches(fitted: PatchcoreDetector) -> None:
    tensors = fitted.tensors()
    assert tensors["bank"].shape == (int(12 * CELLS**2 * 0.1), 40 + 112)
    assert (int(tensors["patches_kept"]), int(tensors["patches_seen"])) == (CELLS**2, CELLS**2)


def test_the_seed_decides(fitted: PatchcoreDetector, images: tuple[list[Item], ...]) -> None:
    torch.manual_seed(5)
    again, other = detector(), detector(seed=1)
    again.fit(images[0], STATE)
    other.fit(images[0], STATE)
    bank = fitted.tensors()["bank"]
    assert torch.equal(bank, again.tensors()["bank"])
    assert not torch.equal(bank, other.tensors()["bank"])


def test_little_memory_keeps_some_patches_of_every_image(images: tuple[list[Item], ...]) -> None:
    thin = detector(memory_gib=0.0002, patchcore={"coreset": 1})
    thin.fit(images[0], STATE)
    tensors = thin.tensors()
    kept = int(tensors["patches_kept"])
    assert 0 < kept < CELLS**2
    assert tensors["bank"].shape[0] == 12 * kept
    assert 0.5 < tensors["bank"].numel() * 4 * 2 / (0.0002 * 2**30) <= 1
    everything = detector(patchcore={"coreset": 1})
    everything.fit(images[0], STATE)
    rows = {row.numpy().tobytes() for row in everything.tensors()["bank"]}
    assert {row.numpy().tobytes() for row in tensors["bank"]} <= rows
    assert len(rows) == 12 * CELLS**2
    assert not same(thin.judge(images[0]), everything.judge(images[0]))


def test_memory_for_no_patch_of_each_image_is_said(images: tuple[list[Item], ...]) -> None:
    with pytest.raises(UsageError, match="memory_gib"):
        detector(memory_gib=1e-6).fit(images[0], STATE)


def test_what_is_kept_judges_alike(fitted: PatchcoreDetector, images: tuple[list[Item], ...]) -> None:
    again = detector()
    again.restore(load(save(fitted.tensors())))
    assert same(fitted.judge(images[2]), again.judge(images[2]))
    assert {name: value.tolist() for name, value in again.tensors().items()} == {
        name: value.tolist() for name, value in fitted.tensors().items()
    }


def test_several_categories_only_where_all_are_learned(images: tuple[list[Item], ...]) -> None:
    several = [Item(item.image, f"made/{number % 2}") for number, item in enumerate(images[0])]
    with pytest.raises(UsageError, match="classes = all"):
        detector().fit(several, STATE)
    of_all = detector(classes="all")
    told: list[tuple[int, int]] = []
    of_all.fit(several, STATE, lambda done, total: told.append((done, total)))
    assert told[-1] == (12, 12)
    assert len(of_all.tensors()["bank"]) == int(12 * CELLS**2 * 0.1)


@pytest.mark.skipif(not COOKIES.is_dir(), reason="the cookie images are not on this machine")
def test_finds_cracks_in_real_cookies() -> None:
    made = PatchcoreDetector(ExpertSettings(detector="patchcore", device="cpu").resolved(), None)
    normal, anomalous = cookies("normal"), cookies("anomaly")
    made.fit(normal[:16], STATE)
    judged = normal[16:] + anomalous
    found = made.judge(judged)
    truth = [item in anomalous for item in judged]
    area = auroc([one.score for one in found], truth)
    assert area is not None
    assert area > 0.9
    pixels = PixelCurve()
    for item, one in zip(anomalous, found[len(normal) - 16 :], strict=True):
        mask = cookie_mask(item)
        pixels.add(placed(one.values, made.geometry, mask.shape[::-1]), mask)
    pixel_area = pixels.auroc()
    assert pixel_area is not None
    assert pixel_area > 0.9


def test_without_anomalib_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "anomalib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtraError, match="experts"):
        from_anomalib("models")


def test_another_module_that_is_missing_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        from_anomalib("not_there")
