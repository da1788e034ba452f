"""HGAD as a detector, on feature maps made by formula: no image is read, so that a training takes seconds."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmrad.errors import DataError, UsageError
from mmrad.features import Geometry
from mmrad.inspectors.experts.detector import Item
from mmrad.inspectors.experts.hgad import HgadDetector, detector, pyramid
from mmrad.inspectors.experts.settings import ExpertSettings
from mmrad.metrics.ranking import auroc

CHANNELS = 12
CATEGORIES = ("made/bolt", "made/cap", "made/nut")

SMALL = {
    "levels": 2, "blocks": 4, "condition": 8, "centres": 3, "batch_size": 6,
    "passes": 40, "first_passes": 4, "warmup_passes": 4, "learning_rate": 5e-3,
}  # fmt: skip


class MadeMaps:
    """Stands for `FeatureMaps`.

    The features of a category lie near a plane of its own; those of the anomaly, in the lower right quarter
    of images named `bad`, are as far from the plane's middle, but not on the plane.
    """

    asked = 0
    tag, sha256, channels = "made", "0" * 64, (CHANNELS,)

    def __init__(self, backbone: str, strides: Sequence[int], geometry: Geometry, **_: Any) -> None:
        assert strides == (16,)
        self.side = geometry.side // 16

    def at(self, geometry: Geometry) -> MadeMaps:
        return MadeMaps("", (16,), geometry)

    def of(self, images: Sequence[Path]) -> list[Tensor]:
        type(self).asked += len(images)
        return [torch.stack([self._map(image) for image in images]).half().float()]

    def _map(self, image: Path) -> Tensor:
        places = self.side**2
        own = np.random.default_rng(zlib.crc32(image.parent.name.encode()))
        middle, plane = own.normal(0, 1, CHANNELS), own.normal(0, 1, (2, CHANNELS))
        rng = np.random.default_rng(zlib.crc32(f"{image} {self.side}".encode()))
        values = middle + rng.normal(0, 1, (places, 2)) @ plane + rng.normal(0, 0.1, (places, CHANNELS))
        values = values.reshape(self.side, self.side, CHANNELS)
        if image.name.startswith("bad"):
            half = self.side // 2
            values[half:, half:] = middle + rng.normal(0, 1.4, (half, half, CHANNELS))
        return torch.from_numpy(values).float().permute(2, 0, 1)


@pytest.fixture(autouse=True)
def _made_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyramid, "FeatureMaps", MadeMaps)


def settings(*, seed: int = 0, memory_gib: float = 1.0, **own: Any) -> ExpertSettings:
    return ExpertSettings(
        detector="hgad", size=128, seed=seed, memory_gib=memory_gib, device="cpu", hgad=SMALL | own
    ).resolved()


def items(kind: str, categories: Sequence[str], count: int) -> list[Item]:
    return [
        Item(Path(f"{category}/{kind}{i}.png"), category) for category in categories for i in range(count)
    ]


def trained(tmp_path: Path, categories: Sequence[str] = CATEGORIES, **own: Any) -> HgadDetector:
    found = HgadDetector(settings(**own), None)
    found.fit(items("train", categories, 10), tmp_path / "state")
    return found


@pytest.fixture(scope="module")
def expert(tmp_path_factory: pytest.TempPathFactory) -> HgadDetector:
    """A detector of all categories; nothing may change it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyramid, "FeatureMaps", MadeMaps)
        return trained(tmp_path_factory.mktemp("expert"))


def found_by(expert: HgadDetector, category: str) -> tuple[float, float]:
    """AUROC of images and of pixels on one category."""
    good, bad = (expert.judge(items(kind, [category], 16)) for kind in ("good", "bad"))
    images = auroc([one.score for one in good + bad], [False] * 16 + [True] * 16)
    lower = [one.values[128:, 128:].mean() for one in bad]
    upper = [one.values[:128, :128].mean() for one in bad]
    pixels = auroc(upper + lower, [False] * 16 + [True] * 16)
    assert images is not None
    assert pixels is not None
    return images, pixels


def normal_of(category: str, count: int) -> tuple[list[Tensor], Tensor]:
    paths = [item.image for item in items("good", [category], count)]
    label = torch.full((count,), CATEGORIES.index(category))
    return pyramid.Pyramid(settings(), None, "cpu").of(paths), label


def test_it_finds_anomalies_better_than_untrained(tmp_path: Path, expert: HgadDetector) -> None:
    untrained = trained(tmp_path, passes=2, first_passes=1, warmup_passes=1, learning_rate=1e-9)
    before, after = (
        np.mean([found_by(one, category) for category in CATEGORIES], axis=0) for one in (untrained, expert)
    )
    assert after.min() > 0.95
    assert (after - before).min() > 0.2


def test_classes_are_separated(expert: HgadDetector) -> None:
    for category in CATEGORIES:
        maps, labels = normal_of(category, 8)
        for level, features in zip(expert._levels, maps, strict=True):
            with torch.inference_mode():
                nearest = level.prior.class_energies(level.flow(features)[0]).argmax(2)
            assert (nearest == labels[:, None]).float().mean() > 0.95


def test_the_asked_category_matters(expert: HgadDetector) -> None:
    [own] = expert.judge([Item(Path("made/bolt/good1.png"), "made/bolt")])
    [other] = expert.judge([Item(Path("made/bolt/good1.png"), "made/nut")])
    assert other.score > 1.5 * own.score


def test_maps_follow_from_their_own_image(expert: HgadDetector) -> None:
    asked = items("good", CATEGORIES, 3) + items("bad", CATEGORIES, 3)
    together = expert.judge(asked)
    shuffled = [asked[i] for i in (7, 2, 16, 11)]
    for item, found in zip(shuffled, expert.judge(shuffled), strict=True):
        [alone], same = expert.judge([item]), together[asked.index(item)]
        assert same.values.shape == (256, 256)
        assert same.values.dtype == np.float32
        assert same.score == same.values.max()
        for other in (found, alone):
            assert np.allclose(other.values, same.values, rtol=1e-3, atol=1e-4)


def test_what_is_kept_gives_the_same_maps(expert: HgadDetector) -> None:
    again = HgadDetector(settings(), None)
    again.restore(expert.tensors())
    asked = items("bad", CATEGORIES, 1)
    for one, other in zip(expert.judge(asked), again.judge(asked), strict=True):
        assert (one.values == other.values).all()
    assert again.backbone == {"tag": "made", "sha256": "0" * 64}
    kept = expert.tensors()
    assert {f"maxima/{category}" for category in CATEGORIES} < kept.keys()
    assert kept["maxima/made/cap"].shape == (2, 3)


SHORT = {"passes": 4, "first_passes": 2, "warmup_passes": 1}


def test_the_seed_decides(tmp_path: Path) -> None:
    one, same, other = (trained(tmp_path / str(i), **SHORT, seed=seed) for i, seed in enumerate((3, 3, 4)))
    tensors = [detector.tensors() for detector in (one, same, other)]
    assert all(value.equal(tensors[1][name]) for name, value in tensors[0].items())
    assert not any(tensors[0][name].equal(tensors[2][name]) for name in tensors[0] if "w_perm" in name)


def test_maps_that_do_not_fit_into_memory_are_taken_anew(tmp_path: Path) -> None:
    tensors = []
    asked = []
    for number, gib in enumerate((1.0, 1e-9)):
        MadeMaps.asked = 0
        tensors.append(trained(tmp_path / str(number), **SHORT, memory_gib=gib).tensors())
        asked.append(MadeMaps.asked)
    assert asked == [30 * 2, 30 * 2 * (4 + 1)]  # once; or in each of four passes, and for the maxima
    assert all(value.equal(tensors[1][name]) for name, value in tensors[0].items())


def test_a_killed_training_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trained(tmp_path / "whole", **SHORT).tensors()
    optimise = detector.optimise

    def saving(*given: Any, **named: Any) -> None:
        optimise(*given, **named | {"save_every": 0.0})

    def kill(done: int, steps: int) -> None:
        if done == 13:  # in the second phase
            raise KeyboardInterrupt

    monkeypatch.setattr(detector, "optimise", saving)
    killed = HgadDetector(settings(**SHORT), None)
    with pytest.raises(KeyboardInterrupt):
        killed.fit(items("train", CATEGORIES, 10), tmp_path / "state", kill)
    seen: list[tuple[int, int]] = []
    resumed = HgadDetector(settings(**SHORT), None)
    resumed.fit(items("train", CATEGORIES, 10), tmp_path / "state", lambda *done: seen.append(done))
    assert seen[0][0] in (13, 14)
    assert seen[-1] == (20, 20)
    assert all(value.equal(whole[name]) for name, value in resumed.tensors().items())


def test_the_first_phase_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offsets: list[Tensor] = []
    rates: list[float] = []
    fresh = HgadDetector(settings(**SHORT), None)
    optimise = detector.optimise

    def watched(*given: Any, **named: Any) -> None:
        def look(done: int, steps: int) -> None:
            offsets.append(fresh._levels[0].prior.offsets.detach().clone())
            groups = named["optimisers"]["0"].param_groups
            assert [group["weight_decay"] for group in groups] == [1e-4, 0.0]
            assert groups[0]["lr"] == groups[1]["lr"]
            rates.append(groups[0]["lr"])

        optimise(*given, **named | {"progress": look})

    monkeypatch.setattr(detector, "optimise", watched)
    fresh.fit(items("train", CATEGORIES, 10), tmp_path / "state")
    changes = [not after.equal(before) for before, after in pairwise(offsets)]
    assert changes == [False] * 9 + [True] * 10  # five updates a pass, two passes
    assert np.argmax(rates) == 5  # after one pass of warm-up


def test_one_class_alone_is_judged_by_likelihood(tmp_path: Path) -> None:
    alone = trained(tmp_path, CATEGORIES[:1], passes=80)
    images, pixels = found_by(alone, CATEGORIES[0])
    assert images > 0.9
    assert pixels > 0.9
    for fusion in ("likelihood", "entropy"):
        other = HgadDetector(settings(fusion=fusion), None)
        other.restore(alone.tensors())
        asked = items("bad", CATEGORIES[:1], 1)
        assert (other.judge(asked)[0].values == alone.judge(asked)[0].values).all()


def test_more_classes_than_channels_are_refused(tmp_path: Path) -> None:
    many = [f"made/part{i}" for i in range(CHANNELS + 1)]
    with pytest.raises(UsageError, match="13 categories apart in the 12 channels"):
        trained(tmp_path, many)


def test_a_category_it_did_not_learn_is_refused(expert: HgadDetector) -> None:
    known, unknown = Item(Path("good1.png"), "made/cap"), Item(Path("gear.png"), "made/gear")
    with pytest.raises(DataError, match=r"gear\.png: HGAD did not learn .*made/gear; it learned made/bolt"):
        expert.judge([known, unknown])


def test_the_crop_shrinks_with_the_image() -> None:
    cropped = settings().model_copy(update={"size": 160, "crop": 128})
    levels = pyramid.Pyramid(cropped, None, "cpu")
    assert levels.grids == [(8, 8), (4, 4)]
    assert [level.side for level in levels._levels] == [8, 4]
    assert HgadDetector(cropped, None).geometry == replace(Geometry(160), crop=128)
