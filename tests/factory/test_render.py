from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmrad.errors import UsageError
from mmrad.factory import CATALOGUE, SOURCES, Rendered, render
from mmrad.factory.render import PRODUCTS

EVERY = [(c, a) for source in CATALOGUE.values() for c, labels in source.items() for a in labels]


def _pair(category: str, anomaly: str, seed: int) -> tuple[Rendered, Rendered]:
    clean = render(category, np.random.default_rng(seed), None)
    faulty = render(category, np.random.default_rng(seed), anomaly)
    return clean, faulty


def test_the_catalogue_is_as_promised() -> None:
    assert tuple(CATALOGUE) == SOURCES == ("mvtec", "visa", "loco", "realiad")
    categories = [c for source in CATALOGUE.values() for c in source]
    assert len(categories) == len(set(categories)) == 16
    assert all(len(labels) >= 6 for source in CATALOGUE.values() for labels in source.values())
    sizes = [PRODUCTS[c].size_wh for c in categories]
    assert sum(w != h for w, h in sizes) >= 6
    assert all(224 <= side <= 320 for size in sizes for side in size)


@pytest.mark.parametrize(("category", "anomaly"), EVERY)
def test_masks_are_exactly_where_the_faulty_image_differs(category: str, anomaly: str) -> None:
    seed = EVERY.index((category, anomaly))
    clean, faulty = _pair(category, anomaly, seed)
    w, h = PRODUCTS[category].size_wh
    assert clean.image.shape == faulty.image.shape == (h, w, 3)
    assert clean.image.dtype == np.uint8
    assert clean.instances == ()
    assert faulty.instances
    change = np.abs(clean.image.astype(int) - faulty.image).max(2)
    union = np.zeros((h, w), bool)
    for instance in faulty.instances:
        assert instance.label == anomaly
        assert instance.mask.shape == (h, w)
        assert instance.mask.dtype == np.bool_
        assert instance.mask.sum() >= 16
        # The sensor noise is the same in both images, so any difference is the defect's.
        assert change[instance.mask].mean() > 9
        union |= instance.mask
    # Lens blur spreads a change by two pixels, closing by two; what stays below the threshold is soft shadow.
    near = cv2.dilate(union.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    assert np.percentile(change[~near], 99.9) <= 14
    assert (change[~near] > 24).sum() <= 20


def test_the_defect_is_the_only_cue() -> None:
    # Border pixels, sensor noise and light are those of the good image wherever the defect does not reach.
    for category, anomaly in (
        ("weave", "hole"),
        ("relay_board", "missing component"),
        ("gear", "missing tooth"),
    ):
        clean, faulty = _pair(category, anomaly, 5)
        same = (clean.image == faulty.image).all(2)
        assert same.mean() > 0.8


def test_one_generator_state_gives_one_image() -> None:
    for category, anomaly in EVERY[::9]:
        one, two = (render(category, np.random.default_rng(11), anomaly) for _ in range(2))
        assert np.array_equal(one.image, two.image)
        assert len(one.instances) == len(two.instances)
        assert all(np.array_equal(p.mask, q.mask) for p, q in zip(one.instances, two.instances, strict=True))


def test_good_images_vary_in_pose_and_light() -> None:
    rng = np.random.default_rng(0)
    images = [render("plug", rng, None).image for _ in range(8)]
    assert np.std([i.mean() for i in images]) > 3
    assert all(np.abs(images[0].astype(int) - i).mean() > 5 for i in images[1:])


def test_defects_have_the_sizes_asked_for() -> None:
    shares, counts = [], []
    for k, (category, anomaly) in enumerate(EVERY):
        out = render(category, np.random.default_rng([2, k]), anomaly)
        counts.append(len(out.instances))
        for instance in out.instances:
            ys, xs = np.nonzero(instance.mask)
            shares.append(max(np.ptp(xs), np.ptp(ys)) / min(PRODUCTS[category].size_wh))
    assert 0.08 < np.median(shares) < 0.25
    assert np.mean([0.04 <= s <= 0.45 for s in shares]) > 0.95
    assert np.mean([c == 1 for c in counts]) > 0.65
    assert max(counts) > 1


def test_grey_products_are_grey() -> None:
    image = render("gear", np.random.default_rng(0), "stain").image
    assert np.array_equal(image[:, :, 0], image[:, :, 1])
    assert np.array_equal(image[:, :, 0], image[:, :, 2])


def test_unknown_names_are_explained() -> None:
    with pytest.raises(UsageError, match="no category 'car'"):
        render("car", np.random.default_rng(0), None)
    with pytest.raises(UsageError, match=r"gear has no anomaly 'rust': take one of missing tooth"):
        render("gear", np.random.default_rng(0), "rust")
