"""What the latent vectors of one level should look like: a mixture of classes, each a mixture of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrad.errors import UsageError

_APART = 5.0
"""About how far any two classes' main centres are apart at first."""


class Prior(nn.Module):
    """Gaussian mixtures of unit covariance.

    Between classes, a mixture of one Gaussian for each of K classes around its main centre; within a class, a
    mixture of M Gaussians: one around the main centre, the others around it moved by learned offsets. What is
    learned within a class does not move its main centre.

    The energy of a latent vector z at a centre c is `-|z - c|² / 2`.

    Args:
        classes: K.
        channels: Of a latent vector, C.
        centres: Of each class, M.
        seed: Of the offsets.

    Raises:
        UsageError: When there are more classes than channels, whose centres would start at one point.
    """

    def __init__(self, classes: int, channels: int, centres: int, *, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.centres = nn.Parameter(initial_centres(classes, channels))
        self.class_logits = nn.Parameter(torch.zeros(classes))
        self.offsets = nn.Parameter(torch.randn(classes, centres - 1, channels, generator=generator))
        self.own_logits = nn.Parameter(torch.zeros(classes, centres))

    def class_energies(self, latent: Tensor) -> Tensor:
        """Energies of latent vectors `(B, P, C)` at the main centres, shape `(B, P, K)`."""
        return _energies(latent, self.centres.expand(len(latent), -1, -1))

    def class_log_weights(self) -> Tensor:
        """Logarithms of the classes' weights, shape `(K,)`."""
        return functional.log_softmax(self.class_logits, dim=0)

    def own_energies(self, latent: Tensor, labels: Tensor) -> Tensor:
        """Energies of latent vectors `(B, P, C)` at the centres of their image's class.

        Args:
            latent: The vectors.
            labels: Class of each image, shape `(B,)`.

        Returns:
            Shape `(B, P, M)`, the main centre first.
        """
        main = self.centres.detach()[labels, None]
        return _energies(latent, torch.cat([main, main + self.offsets[labels]], dim=1))

    def own_log_weights(self, labels: Tensor) -> Tensor:
        """Logarithms of the weights within the class of each image `(B,)`, shape `(B, 1, M)`."""
        return functional.log_softmax(self.own_logits[labels], dim=1)[:, None]


def initial_centres(classes: int, channels: int) -> Tensor:
    """Main centres about 5 apart: the scaled identity, repeated over the channels as often as it fits.

    Args:
        classes: K.
        channels: C.

    Returns:
        Shape `(K, C)`.

    Raises:
        UsageError: When there are more classes than channels.
    """
    if classes > channels:
        raise UsageError(
            f"HGAD cannot keep {classes} categories apart in the {channels} channels of its backbone: "
            "train it on fewer categories, or take a backbone with more channels"
        )
    scale = _APART / math.sqrt(2 * channels // classes)
    tiles = torch.eye(classes).repeat(1, channels // classes) * scale
    return functional.pad(tiles, (0, channels - tiles.shape[1]))


def _energies(latent: Tensor, centres: Tensor) -> Tensor:
    """Of vectors `(B, P, C)` at centres `(B, N, C)`, shape `(B, P, N)`.

    Differences of all pairs would take C times the memory.
    """
    products = latent @ centres.transpose(1, 2)
    squares = latent.square().sum(2, keepdim=True) + centres.square().sum(2)[:, None]
    return products - squares / 2
