"""Dense supervision for models built from nothing: image tokens are told where the anomalies are.

A text says in a dozen tokens of one place what pixels say in every cell, so that a model that has never seen
an image needs very many texts to find out that it should look. A linear head on the query's image tokens
learns for each cell whether it is anomalous and which box it belongs to; it serves training only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from mmrad.box import Box
from mmrad.view import FACTOR

_PATCHES = 2
"""Patches along each side of a cell, the square of pixels behind one image token."""

_COVERED = 0.49
"""Share of a patch's side, or of a smaller box's, both across and down, from which it is part of the anomaly.

A little below one half, so that a box halved by the edge of two patches belongs to both.
"""

_POSITIVE_WEIGHT = 3.0
"""Weight of anomalous patches in the loss; they are one in ten."""


class GroundingHead(nn.Module):
    """From an image token to 4 logits, one for each of its patches, and a box.

    Args:
        width: Width of the hidden states.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.linear = nn.Linear(width, _PATCHES**2 + 4)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """The loss: cross-entropy of the patches plus mean absolute error of the boxes.

        Args:
            tokens: Image tokens of the queries, shape `(N, width)`.
            targets: From `grounding_targets`, shape `(N, 8)`.
        """
        found = self.linear(self.norm(tokens.float()))
        patches, boxes = targets[:, :-4], targets[:, -4:]
        weight = torch.tensor(_POSITIVE_WEIGHT, device=tokens.device)
        loss = functional.binary_cross_entropy_with_logits(found[:, :-4], patches, pos_weight=weight)
        errors = (found[:, -4:] - boxes).abs().mean(dim=1)
        anomalous = patches.amax(dim=1)
        # Sums, since choosing the cells makes a GPU wait to learn how many there are.
        for cells in (anomalous, 1 - anomalous):
            loss = loss + (errors * cells).sum() / cells.sum().clamp(min=1)
        return torch.as_tensor(loss)


def grounding_targets(size_wh: tuple[int, int], boxes: Sequence[Box]) -> NDArray[np.float32]:
    """What the head should find in each cell of a view, in the order of its image tokens.

    Args:
        size_wh: Width and height of the view in pixels, multiples of 28.
        boxes: True boxes in pixels of the view.

    Returns:
        Shape `(cells, 8)`: for each patch of the cell (by rows) 1.0 where it is anomalous, then x1, y1, x2,
        y2, as shares of width and height, of the box that covers most of the cell, or of the cell itself.
    """
    width, height = size_wh
    columns, rows = width // FACTOR, height // FACTOR
    side = FACTOR // _PATCHES
    patches = np.zeros((rows * _PATCHES, columns * _PATCHES), np.float32)
    most = np.zeros((rows, columns), np.float32)
    y, x = np.mgrid[:rows, :columns] * np.float32(FACTOR)
    owners = np.stack([x, y, x + FACTOR, y + FACTOR], axis=-1)
    for box in boxes:
        across = _overlap(box.x1, box.x2, columns * _PATCHES, side)
        down = _overlap(box.y1, box.y2, rows * _PATCHES, side)
        anomalous = np.outer(
            down >= _COVERED * min(side, box.y2 - box.y1), across >= _COVERED * min(side, box.x2 - box.x1)
        )
        patches[anomalous] = 1.0
        overlap = np.outer(down, across)
        covered = _cells(overlap * anomalous, rows, columns).sum(axis=-1)
        owners[covered > most] = box.xyxy
        most = np.maximum(most, covered)
    shares = owners / np.array([width, height, width, height], np.float32)
    return np.concatenate([_cells(patches, rows, columns), shares], axis=-1).reshape(rows * columns, -1)


def _cells(patches: NDArray[np.float32], rows: int, columns: int) -> NDArray[np.float32]:
    """A map of patches as the patches of each cell, shape `(rows, columns, 4)`."""
    split = patches.reshape(rows, _PATCHES, columns, _PATCHES)
    return split.transpose(0, 2, 1, 3).reshape(rows, columns, _PATCHES**2)


def _overlap(low: float, high: float, count: int, side: int) -> NDArray[np.float32]:
    """Length in pixels that each of `count` intervals of length `side` shares with `low..high`."""
    starts = np.arange(count, dtype=np.float32) * side
    shared: NDArray[np.float32] = np.clip(np.minimum(starts + side, high) - np.maximum(starts, low), 0, None)
    return shared
