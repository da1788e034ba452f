"""HGAD's five losses, each of every place; energies are `-|z - centre|² / 2` of a latent vector z.

Shapes: B images, P places, N centres (of classes or within a class), C channels. Logarithms of weights
broadcast against energies.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SMOOTHING = 0.02
"""Share of a class label that is spread over all classes."""


def mixture_loss(energies: Tensor, log_weights: Tensor, log_det: Tensor, channels: int) -> Tensor:
    """Negative log-likelihood a channel under a mixture, without the constant of Gaussians.

    Args:
        energies: Shape `(B, P, N)`.
        log_weights: Of the mixture.
        log_det: Of the flow, shape `(B, P)`.
        channels: C.

    Returns:
        Shape `(B, P)`.
    """
    return -(torch.logsumexp(energies + log_weights, dim=2) + log_det) / channels


def information(energies: Tensor, log_weights: Tensor, labels: Tensor) -> Tensor:
    """How much a place says of its image's class: the mutual information, of one sample.

    The weights of the classes are taken as they are: they learn nothing from it.

    Args:
        energies: At the main centres of K classes, shape `(B, P, K)`.
        log_weights: Of the classes, shape `(K,)`.
        labels: Class of each image, shape `(B,)`.

    Returns:
        Shape `(B, P)`; to be maximised.
    """
    fixed = log_weights.detach()
    gains = functional.log_softmax(energies + fixed, dim=2) - fixed
    classes = energies.shape[2]
    targets = functional.one_hot(labels, classes).to(gains) * (1 - SMOOTHING) + SMOOTHING / classes
    return (gains * targets[:, None]).sum(2)


def entropy(energies: Tensor) -> Tensor:
    """Entropy in nats of the class of a place, all classes being as likely before.

    Args:
        energies: At the main centres, shape `(B, P, K)`.

    Returns:
        Shape `(B, P)`, from 0 to log K.
    """
    logs = functional.log_softmax(energies, dim=2)
    return -(logs.exp() * logs).sum(2)


def log_likelihood(energies: Tensor, log_weights: Tensor, log_det: Tensor, channels: int) -> Tensor:
    """Log-likelihood of feature vectors in nats, shape `(B, P)`; arguments as for `mixture_loss`."""
    gaussian = -channels / 2 * math.log(2 * math.pi)
    return gaussian + torch.logsumexp(energies + log_weights, dim=2) + log_det


def likelihood_loss(likelihood: Tensor, channels: int) -> Tensor:
    """Soft hinge on the log-likelihood a channel: what is likely already weighs less."""
    return -functional.logsigmoid(likelihood / channels)
