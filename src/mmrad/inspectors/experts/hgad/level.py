"""One level of HGAD: a flow and its prior, how they learn, and what they say of each place."""

from __future__ import annotations

from torch import Tensor, nn

from mmrad.inspectors.experts.hgad.flow import Flow
from mmrad.inspectors.experts.hgad.losses import (
    entropy,
    information,
    likelihood_loss,
    log_likelihood,
    mixture_loss,
)
from mmrad.inspectors.experts.hgad.prior import Prior

_INFORMATION = 100.0
"""Weight of the mutual information, as published; all others weigh 1."""


class Level(nn.Module):
    """The flow over the maps of one size of the image, with its prior.

    Args:
        flow: From feature maps to latent vectors.
        prior: Of the latent vectors.
    """

    def __init__(self, flow: Flow, prior: Prior) -> None:
        super().__init__()
        self.flow = flow
        self.prior = prior

    def loss(self, maps: Tensor, labels: Tensor, *, within: bool) -> Tensor:
        """What is minimised: a mean over all places.

        Args:
            maps: Shape `(B, C, rows, columns)`.
            labels: Class of each image, shape `(B,)`.
            within: Whether the mixtures within the classes are trained too: the second phase.

        Returns:
            A scalar.
        """
        latent, log_det = self.flow(maps)
        channels = latent.shape[2]
        energies, log_weights = self.prior.class_energies(latent), self.prior.class_log_weights()
        loss = mixture_loss(energies, log_weights, log_det, channels)
        loss = loss - _INFORMATION * information(energies, log_weights, labels) + entropy(energies)
        if within:
            own = self.prior.own_energies(latent, labels), self.prior.own_log_weights(labels)
            loss = loss + mixture_loss(*own, log_det, channels)
            loss = loss + likelihood_loss(log_likelihood(*own, log_det, channels), channels)
        return loss.mean()

    def normality(self, maps: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """How normal each place is, in two ways; higher is more normal.

        Args:
            maps: Shape `(B, C, rows, columns)`.
            labels: Class of each image, shape `(B,)`.

        Returns:
            The log-likelihood a channel under the mixture of the image's class, and the negative entropy of
            the class of the place, both `(B, rows, columns)`.
        """
        latent, log_det = self.flow(maps)
        channels = latent.shape[2]
        own = self.prior.own_energies(latent, labels), self.prior.own_log_weights(labels)
        likelihood = log_likelihood(*own, log_det, channels) / channels
        certainty = -entropy(self.prior.class_energies(latent))
        return likelihood.unflatten(1, self.flow.grid), certainty.unflatten(1, self.flow.grid)
