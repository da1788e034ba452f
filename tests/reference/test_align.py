"""Alignment against Appendix B as loops: not only near, but the same to the last bit."""

import math

import appendix_b
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmrad.factory import CATALOGUE, render
from mmrad.features import FeatureMaps
from mmrad.image import encode_png
from mmrad.reference.align import EPSILON, Alignment, Normals, assign, codebook, histograms
from mmrad.reference.retrieve import GEOMETRY, STRIDE

PAPER = Alignment()


def fast(normals, queries, entries, values, top):
    """What mmrad finds, from codes of shape (N, H, W) and (Q, H, W)."""
    ready = Normals(histograms(normals, entries, values.grid), values.ignored)
    found = ready.nearest(histograms(queries, entries, values.grid), top)
    return [(rows.tolist(), distances.tolist()) for rows, distances in found]


def literal(normals, queries, entries, values, top):
    """What the loops find."""

    def tables(images):
        return [
            appendix_b.smoothed(appendix_b.block_histograms(codes, entries, values.grid))
            for codes in images.tolist()
        ]

    known = tables(normals)
    return [appendix_b.nearest(known, query, values.ignored, top) for query in tables(queries)]


@st.composite
def cases(draw):
    """Codes with many equal and permuted blocks, so that ties and all but ties are common."""
    grid = draw(st.integers(1, 5))
    values = Alignment(grid, draw(st.integers(1, 12)), draw(st.integers(0, grid**2 - 1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = grid * draw(st.integers(1, 3)), grid * draw(st.integers(1, 3))
    normals, queries = (rng.integers(0, values.clusters, (n, *shape)) for n in (draw(st.integers(1, 30)), 3))
    for row in range(0, len(normals), 2):
        source = normals[rng.integers(len(normals))]
        change = draw(st.sampled_from(["repeat", "turn", "rename"]))
        if change == "turn":
            source = source[::-1, ::-1]
        elif change == "rename":
            source = rng.permutation(values.clusters)[source]
        normals[row] = source
    queries[0] = normals[-1]
    return normals, queries, values, draw(st.integers(1, 35))


@settings(max_examples=300)
@given(cases())
def test_ranking_and_misalignments_are_those_of_the_loops(case):
    normals, queries, values, top = case
    assert fast(normals, queries, values.clusters, values, top) == literal(
        normals, queries, values.clusters, values, top
    )


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), spread=st.sampled_from([0.05, 0.3, 3.0]))
@example(seed=0, spread=0.05)
def test_with_the_papers_values_too(seed, spread):
    """Blocks of 144 patches, from nearly uniform ones to a mixture of all entries."""
    rng = np.random.default_rng(seed)
    blocks = rng.dirichlet(np.full(PAPER.clusters, spread), size=(42, 25))
    codes = np.stack(
        [
            np.block([[rng.choice(12, (12, 12), p=blocks[i, 5 * u + v]) for v in range(5)] for u in range(5)])
            for i in range(42)
        ]
    )
    codes[20] = codes[3]
    arguments = (codes[:40], codes[40:], PAPER.clusters, PAPER, 10)
    assert fast(*arguments) == literal(*arguments)


@pytest.fixture(scope="module")
def factory_codes(tmp_path_factory):
    """Codes of 24 good and 8 bad images of each of two products, by category, the first good one repeated."""
    features, codes, folder = FeatureMaps("lite0", (STRIDE,), GEOMETRY), {}, tmp_path_factory.mktemp("images")
    files = [folder / f"{number}.png" for number in range(32)]
    for category, anomalies in (("gear", CATALOGUE["mvtec"]["gear"]), ("plug", CATALOGUE["realiad"]["plug"])):
        rng = np.random.default_rng(5)
        images = [render(category, rng, None).image for _ in range(23)]
        images.append(images[0])
        images += [render(category, rng, anomalies[i % len(anomalies)]).image for i in range(8)]
        for file, image in zip(files, images, strict=True):
            file.write_bytes(encode_png(image))
        maps = features.of(files)[0].permute(0, 2, 3, 1).numpy()
        centres = codebook(maps[:24].reshape(-1, maps.shape[-1]), PAPER.clusters, seed=0)
        codes[category] = assign(maps, centres)
    return codes


@pytest.mark.parametrize("category", ["gear", "plug"])
def test_factory_images_are_ranked_as_by_the_loops(factory_codes, category):
    codes = factory_codes[category]
    assert codes.shape[1:] == (60, 60)
    assert len(np.unique(codes)) == PAPER.clusters
    for queries in (codes[24:], codes[:24]):
        arguments = (codes[:24], queries, PAPER.clusters, PAPER, 10)
        assert fast(*arguments) == literal(*arguments)
    (rows, distances), *_ = fast(codes[:24], codes[:1], PAPER.clusters, PAPER, 3)
    assert rows[:2] == [0, 23]
    assert distances[:2] == [0, 0] < distances[2:]


def test_the_smoothing_is_the_same_on_both_sides():
    assert appendix_b.EPSILON == EPSILON


def test_equal_images_come_in_their_order_and_images_equal_but_for_the_order_of_blocks_too():
    codes = np.array([[[0, 1], [0, 0]], [[1, 0], [0, 0]], [[1, 1], [1, 1]], [[1, 0], [0, 0]]])
    values = Alignment(grid=2, clusters=2, ignored=0)
    ((rows, distances),) = fast(codes, np.zeros((1, 2, 2), int), 2, values, 4)
    assert rows == [0, 1, 3, 2]
    assert len(set(distances)) == 2


def test_ties_that_only_rounding_breaks_are_broken_as_by_the_loops():
    """Two entries renamed: the same terms in another order, so their sums may differ in the last bit."""
    rng = np.random.default_rng(3)
    first = rng.integers(0, 12, (200, 12, 12))
    renamed = np.where(first == 0, 7, np.where(first == 7, 0, first))
    normals = np.stack([first, renamed], axis=1).reshape(-1, 12, 12)
    query = np.full((1, 12, 12), 3)
    values = Alignment(grid=1, clusters=12, ignored=0)
    arguments = (normals, query, 12, values, 400)
    ((rows, distances),) = fast(*arguments)
    assert [(rows, distances)] == literal(*arguments)
    gaps = np.diff(distances)
    assert (gaps == 0).any()
    assert ((gaps > 0) & (gaps < 1e-12)).any()


def test_the_divergence_is_of_the_normal_from_the_query_and_not_symmetric():
    one_entry, both = np.zeros((1, 2, 2), int), np.array([[[0, 1], [1, 0]]])
    values = Alignment(grid=1, clusters=2, ignored=0)
    ((_, forward),) = fast(one_entry, both, 2, values, 1)
    ((_, backward),) = fast(both, one_entry, 2, values, 1)
    assert forward[0] == pytest.approx(math.log(2), rel=0.02)
    assert backward[0] > 2


def test_the_worst_cells_are_ignored():
    even = np.tile([[0, 1], [1, 0]], (1, 5, 5))
    spoilt = even.copy()
    spoilt[0, :2] = 0
    ((_, five),) = fast(spoilt, even, 2, Alignment(5, 2, 5), 1)
    ((_, four),) = fast(spoilt, even, 2, Alignment(5, 2, 4), 1)
    assert five == [0]
    assert four[0] > 0.01


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 12, (9, 10, 10))
    whole = fast(codes[:4], codes, 12, PAPER, 4)
    monkeypatch.setattr("mmrad.reference.align._CHUNK_BYTES", 1)
    assert fast(codes[:4], codes, 12, PAPER, 4) == whole
    assert [rows[0] for rows, _ in whole[:4]] == [0, 1, 2, 3]


def test_a_patch_has_the_entry_that_is_nearest_to_it():
    rng = np.random.default_rng(4)
    features, centres = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 6, 4, 5), (12, 5)))
    codes = assign(features, centres)
    assert codes.shape == (2, 6, 4)
    for place in np.ndindex(codes.shape):
        distances = [float(((features[place].astype(float) - centre) ** 2).sum()) for centre in centres]
        assert codes[place] == distances.index(min(distances))
    assert assign(features, np.concatenate([centres, centres])).max() < 12


def test_sides_that_the_grid_does_not_divide_keep_every_patch_and_every_cell():
    codes = np.random.default_rng(2).integers(0, 4, (2, 7, 11))
    measured = histograms(codes, 4, 5)
    assert measured.shape == (2, 25, 4)
    np.testing.assert_allclose(measured.sum(axis=-1), 1)
    rows, columns = np.array([2, 1, 2, 1, 1]), np.array([3, 2, 2, 2, 2])
    patches = (rows[:, None] * columns).ravel()
    np.testing.assert_allclose(
        (measured * patches[None, :, None]).sum(axis=1), [np.bincount(image.ravel()) for image in codes]
    )


def test_blank_images_have_a_codebook_and_codebooks_repeat():
    assert codebook(np.zeros((200, 3), np.float32), 12, seed=0).shape == (12, 3)
    patches = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    np.testing.assert_array_equal(codebook(patches, 12, seed=3), codebook(patches, 12, seed=3))


@pytest.mark.parametrize("values", [{"grid": 0}, {"clusters": 0}, {"ignored": 25}, {"ignored": -1}])
def test_impossible_hyperparameters_are_refused(values):
    with pytest.raises(ValueError, match="not an alignment"):
        Alignment(**values)
