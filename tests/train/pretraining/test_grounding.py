"""What image tokens are told of anomalies, and that a head learns it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrad.box import Box
from mmrad.train.pretraining.grounding import GroundingHead, grounding_targets


def test_cells_know_their_patches_and_the_box_they_belong_to():
    targets = grounding_targets((56, 84), [Box(14, 28, 42, 56)])
    assert targets.shape == (6, 8)
    # Of the second row of cells, the right half of the first and the left half of the second are covered.
    assert targets[:, :4].tolist() == [[0] * 4, [0] * 4, [0, 1, 0, 1], [1, 0, 1, 0], [0] * 4, [0] * 4]
    for cell in (2, 3):
        assert targets[cell, 4:] == pytest.approx([14 / 56, 28 / 84, 42 / 56, 56 / 84])


def test_cells_without_an_anomaly_tell_their_own_place():
    targets = grounding_targets((56, 56), [])
    assert not targets[:, :4].any()
    assert targets[:, 4:].tolist() == [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]


def test_a_cell_with_two_anomalies_belongs_to_the_larger_part():
    small, large = Box(0, 0, 14, 14), Box(0, 14, 28, 28)
    for boxes in ([small, large], [large, small]):
        assert grounding_targets((28, 28), boxes)[0, 4:] == pytest.approx([0, 0.5, 1, 1])


@given(
    st.integers(1, 6), st.integers(1, 6),
    st.floats(0, 0.98), st.floats(0, 0.98), st.floats(0.01, 1), st.floats(0.01, 1),
)  # fmt: skip
def test_every_box_is_seen_by_some_cell(columns, rows, left, top, wide, high):
    width, height = 28 * columns, 28 * rows
    box = Box(
        left * width, top * height, width * (left + (1 - left) * wide), height * (top + (1 - top) * high)
    )
    targets = grounding_targets((width, height), [box])
    owners = targets[targets[:, :4].any(axis=1), 4:]
    expected = np.array(box.xyxy) / [width, height, width, height]
    assert len(owners) > 0
    np.testing.assert_allclose(owners, np.tile(expected, (len(owners), 1)), rtol=1e-4, atol=1e-5)


def test_the_head_learns_what_it_is_told():
    torch.manual_seed(0)
    targets = torch.from_numpy(grounding_targets((140, 140), [Box(30, 40, 80, 70)]))
    tokens = torch.randn(len(targets), 64)
    head = GroundingHead(64)
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    before = head(tokens, targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        head(tokens, targets).backward()
        optimizer.step()
    assert head(tokens, targets).item() < 0.2 * before
    assert torch.isfinite(head(tokens, torch.from_numpy(grounding_targets((140, 140), []))))
