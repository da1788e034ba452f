"""The coreset: the greedy choice itself, several steps at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmrad.inspectors.experts import coreset as module
from mmrad.inspectors.experts.coreset import coreset, nearest_distances


def points_of(count: int, dimensions: int, seed: int = 0) -> Tensor:
    return torch.randn(count, dimensions, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def one_by_one(points: Tensor, count: int, first: int) -> list[int]:
    """The greedy choice as it is defined."""
    chosen, nearest = [first], torch.full((len(points),), torch.inf, dtype=points.dtype)
    while len(chosen) < count:
        nearest = torch.minimum(nearest, (points - points[chosen[-1]]).norm(dim=1))
        chosen.append(int(nearest.argmax()))
    return chosen


@pytest.mark.parametrize("candidates", [1, 2, 7, 256])
@pytest.mark.parametrize("count", [1, 2, 3, 40, 400])
def test_it_is_the_greedy_choice(monkeypatch: pytest.MonkeyPatch, candidates: int, count: int) -> None:
    monkeypatch.setattr(module, "_CANDIDATES", candidates)
    points = points_of(400, 5)
    chosen = coreset(points, count, seed=3).tolist()
    assert chosen == one_by_one(points, count, chosen[0])


def test_many_steps_need_few_passes_over_all_points(monkeypatch: pytest.MonkeyPatch) -> None:
    passes, nearest = [], module._nearest

    def counted(*given: Tensor) -> Tensor:
        passes.append(given)
        return nearest(*given)

    monkeypatch.setattr(module, "_nearest", counted)
    coreset(points_of(3000, 8), 300, seed=0)
    assert len(passes) < 30


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(*[st.integers(-4, 4)] * 3), min_size=1, max_size=60),
    st.integers(0, 2**31),
    st.data(),
)
def test_every_point_is_as_near_as_the_chosen_ones_are_apart(
    rows: list[tuple[int, int, int]], seed: int, data: st.DataObject
) -> None:
    points = torch.tensor(rows, dtype=torch.float32)
    count = data.draw(st.integers(1, len(rows)))
    chosen = coreset(points, count, seed)
    assert len(set(chosen.tolist())) == count
    exactly = points[chosen].double()
    radius = torch.cdist(points.double(), exactly).amin(dim=1).max()
    # So any other choice of as many has more than half that radius.
    assert (torch.pdist(exactly) >= radius).all()


def test_the_seed_alone_decides() -> None:
    points = points_of(200, 6)
    assert torch.equal(coreset(points, 20, seed=1), coreset(points, 20, seed=1))
    torch.manual_seed(99)
    assert torch.equal(coreset(points, 20, seed=1, dimensions=3), coreset(points, 20, seed=1, dimensions=3))
    assert len({int(coreset(points, 1, seed)[0]) for seed in range(10)}) > 5


def test_a_projection_still_finds_one_of_every_cluster() -> None:
    centres = points_of(20, 1000)
    points = centres.repeat(30, 1) + 0.01 * points_of(600, 1000, seed=1)
    chosen = coreset(points.float(), 20, seed=0, dimensions=64)
    assert sorted((chosen % 20).tolist()) == list(range(20))


def test_nearest_distances_are_euclidean_whatever_is_computed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, centres = points_of(57, 4).float(), points_of(9, 4, seed=1).float()
    expected = torch.cdist(points, centres).amin(dim=1).numpy()
    np.testing.assert_allclose(nearest_distances(points, centres), expected, atol=1e-5)
    monkeypatch.setattr(module, "_CELLS", 20)
    np.testing.assert_allclose(nearest_distances(points, centres), expected, atol=1e-5)
