"""Alignment against a transcription of the paper's formulas, loop by loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrad.reference.align import EPSILON, Alignment, codebook, histograms, misalignment


def oracle_histogram(features, centres, grid):
    """Eq. 3 and 4 for one image: H[u][v] is the histogram of cell (u, v)."""
    height, width, _ = features.shape
    rows, columns = height // grid, width // grid
    table = []
    for u in range(grid):
        for v in range(grid):
            bins = [0.0] * len(centres)
            for y in range(u * rows, (u + 1) * rows):
                for x in range(v * columns, (v + 1) * columns):
                    distances = [float(((features[y, x] - centre) ** 2).sum()) for centre in centres]
                    bins[distances.index(min(distances))] += 1
            table.append([value / sum(bins) for value in bins])
    return table


def oracle_misalignment(normal, query, ignored):
    """Eq. 5 and 6 for one normal image and the query."""
    divergences = []
    for one, other in zip(normal, query, strict=True):
        p = [(value + EPSILON) / (1 + len(one) * EPSILON) for value in one]
        q = [(value + EPSILON) / (1 + len(other) * EPSILON) for value in other]
        divergences.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    kept = sorted(divergences)[: len(divergences) - ignored]
    return sum(kept) / len(kept)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    grid=st.integers(1, 5),
    patches=st.integers(1, 3),
    entries=st.integers(1, 12),
    data=st.data(),
)
def test_equals_the_formulas(seed, grid, patches, entries, data):
    ignored = data.draw(st.integers(0, grid**2 - 1))
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(entries, 3)).astype(np.float32)
    maps = rng.normal(size=(5, grid * patches, grid * (patches + 1), 3)).astype(np.float32)
    measured = histograms(maps, centres, grid)
    expected = [oracle_histogram(one, centres, grid) for one in maps]
    np.testing.assert_allclose(measured, expected, atol=1e-12)
    found = np.stack(list(misalignment(measured[3:], measured[:3], ignored)))
    for query in (0, 1):
        wanted = [oracle_misalignment(expected[i], expected[3 + query], ignored) for i in range(3)]
        np.testing.assert_allclose(found[query], wanted, atol=1e-12)
        separate = np.diff(np.sort(wanted)).min() > 1e-9
        assert not separate or list(np.argsort(found[query])) == list(np.argsort(wanted))


def test_the_ranking_is_that_of_the_formulas_with_the_papers_values():
    rng = np.random.default_rng(7)
    values = Alignment()
    assert (values.grid, values.clusters, values.ignored) == (5, 12, 5)
    maps = rng.normal(size=(31, 10, 10, 4)).astype(np.float32)
    centres = codebook(maps.reshape(-1, 4), values.clusters, seed=0)
    tables = [oracle_histogram(one, centres, values.grid) for one in maps]
    measured = histograms(maps, centres, values.grid)
    (found,) = misalignment(measured[30:], measured[:30], values.ignored)
    wanted = [oracle_misalignment(tables[i], tables[30], values.ignored) for i in range(30)]
    assert list(np.argsort(found)) == sorted(range(30), key=wanted.__getitem__)


def test_the_divergence_is_of_the_normal_from_the_query_and_not_symmetric():
    normal = np.array([[[1.0, 0.0]]])
    query = np.array([[[0.5, 0.5]]])
    (forward,), (backward,) = misalignment(query, normal, 0), misalignment(normal, query, 0)
    assert forward[0] == pytest.approx(math.log(2), rel=0.02)
    assert backward[0] > 2


def test_the_worst_cells_are_ignored():
    equal = np.tile([0.5, 0.5], (1, 25, 1))
    spoilt = equal.copy()
    spoilt[0, :5] = [1.0, 0.0]
    (five,) = misalignment(equal, spoilt, 5)
    (four,) = misalignment(equal, spoilt, 4)
    assert five[0] == pytest.approx(0, abs=1e-12)
    assert four[0] > 0.01


def test_chunks_change_nothing(monkeypatch):
    rng = np.random.default_rng(1)
    measured = rng.dirichlet(np.ones(12), size=(9, 25))
    whole = np.stack(list(misalignment(measured, measured[:4], 5)))
    monkeypatch.setattr("mmrad.reference.align._CHUNK_BYTES", 1)
    np.testing.assert_allclose(np.stack(list(misalignment(measured, measured[:4], 5))), whole, atol=1e-12)
    assert np.diag(whole) == pytest.approx(0, abs=1e-12)


def test_sides_that_the_grid_does_not_divide_keep_every_patch_and_every_cell():
    maps = np.random.default_rng(2).normal(size=(2, 7, 11, 3)).astype(np.float32)
    measured = histograms(maps, maps[0, 0, :4], 5)
    assert measured.shape == (2, 25, 4)
    np.testing.assert_allclose(measured.sum(axis=-1), 1)


def test_blank_images_have_a_codebook_and_codebooks_repeat():
    assert codebook(np.zeros((200, 3), np.float32), 12, seed=0).shape == (12, 3)
    patches = np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32)
    np.testing.assert_array_equal(codebook(patches, 12, seed=3), codebook(patches, 12, seed=3))


@pytest.mark.parametrize("values", [{"grid": 0}, {"clusters": 0}, {"ignored": 25}, {"ignored": -1}])
def test_impossible_hyperparameters_are_refused(values):
    with pytest.raises(ValueError, match="not an alignment"):
        Alignment(**values)
