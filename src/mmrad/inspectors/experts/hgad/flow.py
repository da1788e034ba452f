"""The normalizing flow of one level: from feature vectors, given their places, to latent vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from FrEIA.framework import SequenceINN
from FrEIA.modules import AllInOneBlock
from torch import Tensor, nn
from torch.nn import functional

from mmrad.errors import UsageError

_CLAMP = 1.9
"""Bound of the logarithm of a coupling's scales, as published."""


class Flow(nn.Module):
    """A flow over single feature vectors: every place of every image is a sample of its own.

    Args:
        channels: Of a feature vector, C.
        grid: Rows and columns of the maps; their product is the number of places, P.
        blocks: Coupling blocks.
        condition: Channels of the positional encoding, a multiple of 4.
        seed: Of the first weights and of the fixed rotations between blocks.

    Raises:
        UsageError: When the positional encoding cannot have so many channels.
    """

    def __init__(
        self, channels: int, grid: tuple[int, int], *, blocks: int, condition: int, seed: int
    ) -> None:
        super().__init__()
        self.grid = grid
        self._blocks = SequenceINN(channels)
        encoding = positional_encoding(grid, condition)
        with _seeded(seed):
            for _ in range(blocks):
                self._blocks.append(
                    AllInOneBlock,
                    subnet_constructor=lambda own, out: _Subnet(own, out, encoding),
                    affine_clamping=_CLAMP,
                    global_affine_type="SOFTPLUS",
                    permute_soft=True,
                )

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Latent vectors of feature maps.

        Args:
            maps: Shape `(B, C, rows, columns)`.

        Returns:
            Latent vectors `(B, P, C)`, places row by row, and the logarithms of the absolute determinant of
            the flow's Jacobian `(B, P)`.
        """
        rows = maps.flatten(2).transpose(1, 2)
        latent, log_det = self._blocks(rows.flatten(0, 1))
        return latent.view(rows.shape), log_det.view(rows.shape[:2])

    def inverse(self, latent: Tensor) -> Tensor:
        """The feature maps `(B, C, rows, columns)` of latent vectors `(B, P, C)`."""
        rows, _ = self._blocks(latent.flatten(0, 1), rev=True)
        maps: Tensor = rows.view(latent.shape).transpose(1, 2).unflatten(2, self.grid)
        return maps


class _Subnet(nn.Module):
    """What a block's scales and shifts follow from: two layers over half a vector and its place's encoding.

    The encoding is the same for all images, so that its part of the first layer is computed once for all,
    rather than given to every coupling as FrEIA's condition.

    Args:
        own: Channels of half a vector.
        out: Scales and shifts.
        encoding: Of the places, shape `(P, condition)`.
    """

    encoding: Tensor

    def __init__(self, own: int, out: int, encoding: Tensor) -> None:
        super().__init__()
        self._split = [own, encoding.shape[1]]
        self.register_buffer("encoding", encoding, persistent=False)
        self.first = nn.Linear(sum(self._split), 2 * sum(self._split))
        self.last = nn.Linear(2 * sum(self._split), out)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape `(B * P, own)` to `(B * P, out)`."""
        own, place = self.first.weight.split(self._split, dim=1)
        hidden = functional.linear(rows, own).unflatten(0, (-1, len(self.encoding)))
        hidden += functional.linear(self.encoding, place, self.first.bias)
        found: Tensor = self.last(hidden.relu_()).flatten(0, 1)
        return found


def positional_encoding(grid: tuple[int, int], channels: int) -> Tensor:
    """Sines and cosines of the column (first half of the channels) and of the row (second half).

    Args:
        grid: Rows and columns.
        channels: A multiple of 4; of each half the even ones are sines, the odd ones cosines.

    Returns:
        Shape `(rows * columns, channels)`, places row by row.

    Raises:
        UsageError: When the channels are no multiple of 4.
    """
    if channels % 4:
        raise UsageError(f"hgad.condition is {channels}: the positional encoding needs a multiple of 4")
    half = channels // 2
    frequencies = torch.exp(torch.arange(0, half, 2) * (-math.log(10_000) / half))
    row, column = (index.flatten() for index in torch.meshgrid(*map(torch.arange, grid), indexing="ij"))
    halves = [
        torch.stack([torch.sin(angle), torch.cos(angle)], dim=2).flatten(1)
        for angle in (place[:, None] * frequencies for place in (column, row))
    ]
    return torch.cat(halves, dim=1)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch and NumPy, whose global numbers FrEIA's rotations are drawn from, and put both back."""
    kept = np.random.get_state()
    np.random.seed(seed % 2**32)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        np.random.set_state(kept)
