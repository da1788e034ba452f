from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmrad.cli.factory import build_arguments
from mmrad.errors import DataError, UsageError
from mmrad.factory import CATALOGUE, SOURCES, Rendered, factory_roots, make_factory, render
from mmrad.factory.plan import plan, plan_assorted
from mmrad.factory.products.assorted import assorted_name, assorted_number, assorted_product
from mmrad.sources import build_corpus

MANY = 200


def _hashes(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file())
    return {p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _pair(number: int, anomaly: str) -> tuple[Rendered, Rendered]:
    name = assorted_name(number)
    clean = render(name, np.random.default_rng(number), None)
    return clean, render(name, np.random.default_rng(number), anomaly)


@pytest.fixture(scope="module")
def good() -> dict[int, np.ndarray]:
    """A good image of each of many products, seen under the same light, 32 x 32 pixels."""
    images = (render(assorted_name(k), np.random.default_rng(0), None).image for k in range(MANY))
    return {k: cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) for k, image in enumerate(images)}


def test_many_products_are_drawn_and_no_two_look_alike(good: dict[int, np.ndarray]) -> None:
    pixels = np.stack([image.reshape(-1).astype(np.float32) for image in good.values()])
    for k in range(1, MANY):
        assert np.abs(pixels[:k] - pixels[k]).mean(1).min() > 4


def test_products_differ_in_what_can_be_wrong_with_them() -> None:
    products = [assorted_product(k) for k in range(60)]
    assert all(5 <= len(p.anomalies) <= 8 for p in products)
    assert all(224 <= side <= 320 for p in products for side in p.size_wh)
    labels = [label for p in products for label in p.anomalies]
    for start in ("missing", "extra", "misplaced", "swapped", "wrong colour", "bent", "turned", "undersized"):
        assert any(label.startswith(start) for label in labels), start
    assert len(set(labels)) > 80
    assert len({p.size_wh for p in products}) == 10
    assert {p.grey for p in products} == {True, False}
    assert "" in {p.background for p in products}


@pytest.mark.parametrize("first", range(4))
def test_masks_are_where_the_faulty_image_differs(first: int) -> None:
    lit = []
    for number in range(first, MANY, 4):
        product = assorted_product(number)
        labels = list(product.anomalies)
        label = labels[number // 4 % len(labels)]
        clean, faulty = _pair(number, label)
        w, h = product.size_wh
        assert clean.image.shape == faulty.image.shape == (h, w, 3)
        assert clean.instances == ()
        assert faulty.instances
        change = np.abs(clean.image.astype(int) - faulty.image).max(2)
        union = np.zeros((h, w), bool)
        for instance in faulty.instances:
            assert instance.label == label
            assert instance.mask.shape == (h, w)
            assert instance.mask.sum() >= 16
            lit.append(change[instance.mask].mean())
            union |= instance.mask
        near = cv2.dilate(union.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        assert (change[~near] > 24).sum() <= 20, (number, label)
    assert min(lit) > 9


@pytest.mark.parametrize("number", [2, 21, 34, 45])
def test_every_anomaly_of_a_product_shows(number: int) -> None:
    for label in assorted_product(number).anomalies:
        clean, faulty = _pair(number, label)
        assert faulty.instances
        assert not np.array_equal(clean.image, faulty.image)


def test_a_product_is_the_same_whenever_it_is_asked_for() -> None:
    one = render("assorted_0007", np.random.default_rng(3), None)
    assorted_product.cache_clear()
    for other in range(20):
        assorted_product(other)
    two = render("assorted_0007", np.random.default_rng(3), None)
    assert np.array_equal(one.image, two.image)


def test_the_seed_changes_images_and_not_products() -> None:
    counts = {"train": 1, "good": 0, "per_anomaly": 1}
    one, two = (plan_assorted(5, seed=seed, **counts) for seed in (0, 1))
    assert [j.image for j in one] == [j.image for j in two]
    assert all(a.seeds != b.seeds for a, b in zip(one, two, strict=True))
    assert plan_assorted(3, seed=0, **counts) == [j for j in one if j.category < assorted_name(3)]


def test_names() -> None:
    assert [assorted_name(k) for k in (0, 12345)] == ["assorted_0000", "assorted_12345"]
    assert assorted_number("assorted_0042") == 42
    assert assorted_number("assorted_12345") == 12345
    for name in ("assorted_42", "assorted_012345", "assorted_", "gear"):
        assert assorted_number(name) is None
    with pytest.raises(UsageError, match="no category 'assorted_42'"):
        render("assorted_42", np.random.default_rng(0), None)


def test_the_four_sources_stay_as_they_are(tmp_path: Path) -> None:
    assert "assorted" not in SOURCES
    assert not any(assorted_number(c) is not None for categories in CATALOGUE.values() for c in categories)
    for name, count in (("a", 0), ("b", 2)):
        make_factory(tmp_path / name, seed=5, train=1, good=0, per_anomaly=0, assorted=count)
    without, with_them = _hashes(tmp_path / "a"), _hashes(tmp_path / "b")
    assert without == {k: v for k, v in with_them.items() if not k.startswith("assorted/")}
    assert set(factory_roots(tmp_path / "a")) == set(SOURCES)
    # What the images are drawn from, as it was before there were assorted products.
    jobs = [j for s in SOURCES for j in plan(s, seed=5, train=3, good=2, per_anomaly=2)]
    text = "\n".join(f"{j.image} {j.anomaly} {j.seeds}" for j in jobs)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "dd7b89ef19488b79"


def test_made_with_counts_of_their_own_and_read_back(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    make_factory(raw, train=1, good=1, per_anomaly=0, sources=["visa"])
    steps: list[tuple[int, int]] = []
    made = make_factory(
        raw,
        train=2,
        good=1,
        per_anomaly=1,
        sources=(),
        assorted=6,
        progress=lambda d, n: steps.append((d, n)),
    )
    kinds = sum(len(assorted_product(k).anomalies) for k in range(6))
    assert made.sources == {"assorted": raw / "assorted"}
    assert made.normal == {"assorted": 18}
    assert made.anomalous == {"assorted": kinds}
    assert steps[-1] == (18 + kinds, 18 + kinds)
    adapter, folder = factory_roots(raw)["assorted"]
    assert adapter == "mvtec"
    assert build_arguments(raw)[-1] == f"assorted:mvtec={raw / 'assorted'}"
    built = build_corpus({"assorted": (adapter, folder)}, tmp_path / "corpus")
    assert built.rejections == ()
    samples = list(built.corpus.samples)
    assert len(samples) == made.images
    assert sum(bool(s.regions) for s in samples) == kinds
    assert {s.category for s in samples} == {assorted_name(k) for k in range(6)}
    assert {s.licence for s in samples} == {"CC0-1.0"}
    with pytest.raises(DataError, match="exists already"):
        make_factory(raw, sources=(), assorted=1)


def test_a_negative_number_of_products_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="assorted must be at least 0"):
        make_factory(tmp_path, assorted=-1)
