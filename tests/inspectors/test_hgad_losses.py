"""The priors and the losses against plain formulas, limiting cases and what they may move."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmrad.errors import UsageError
from mmrad.inspectors.experts.hgad.flow import Flow
from mmrad.inspectors.experts.hgad.level import Level
from mmrad.inspectors.experts.hgad.losses import (
    entropy,
    information,
    likelihood_loss,
    log_likelihood,
    mixture_loss,
)
from mmrad.inspectors.experts.hgad.prior import Prior, initial_centres

B, P, C, K, M = 4, 3, 8, 3, 5
LABELS = torch.tensor([2, 0, 1, 2])


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def make_prior() -> Prior:
    """A prior with nothing at its first values, in float64."""
    prior = Prior(K, C, M, seed=0).double()
    with torch.no_grad():
        for number, parameter in enumerate(prior.parameters()):
            parameter += normal(*parameter.shape, seed=number)
    return prior


LATENT, LOG_DET = 2 * normal(B, P, C), normal(B, P, seed=2)


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max())
    return powers / powers.sum()


class Plain:
    """The formulas of the paper at one place, one by one, in NumPy."""

    def __init__(self, prior: Prior, image: int, place: int) -> None:
        z, label = LATENT[image, place].numpy(), int(LABELS[image])
        self.label = label
        self.log_det = float(LOG_DET[image, place])
        centres = prior.centres.detach().numpy()
        self.weights = softmax(prior.class_logits.detach().numpy())
        self.gauss = np.array([np.exp(-((z - centre) ** 2).sum() / 2) for centre in centres])
        own = [centres[label], *(centres[label] + prior.offsets.detach().numpy()[label])]
        own_weights = softmax(prior.own_logits.detach().numpy()[label])
        self.own = sum(
            weight * np.exp(-((z - centre) ** 2).sum() / 2)
            for weight, centre in zip(own_weights, own, strict=True)
        )

    def between(self) -> float:
        return float(-np.log((self.weights * self.gauss).sum()) - self.log_det) / C

    def within(self) -> float:
        return float(-np.log(self.own) - self.log_det) / C

    def information(self) -> float:
        posterior = self.weights * self.gauss / (self.weights * self.gauss).sum()
        target = np.full(K, 0.02 / K)
        target[self.label] += 0.98
        return float((target * np.log(posterior / self.weights)).sum())

    def entropy(self) -> float:
        posterior = self.gauss / self.gauss.sum()
        return float(-(posterior * np.log(posterior)).sum())

    def likelihood(self) -> float:
        return float(np.log(self.own / (2 * np.pi) ** (C / 2)) + self.log_det)

    def hinge(self) -> float:
        return float(-np.log(1 / (1 + np.exp(-self.likelihood() / C))))


def test_every_loss_is_its_formula() -> None:
    prior = make_prior()
    between = prior.class_energies(LATENT), prior.class_log_weights()
    own = prior.own_energies(LATENT, LABELS), prior.own_log_weights(LABELS)
    likelihood = log_likelihood(*own, LOG_DET, C)
    found = {
        "between": mixture_loss(*between, LOG_DET, C),
        "within": mixture_loss(*own, LOG_DET, C),
        "information": information(*between, LABELS),
        "entropy": entropy(between[0]),
        "likelihood": likelihood,
        "hinge": likelihood_loss(likelihood, C),
    }
    for name, values in found.items():
        assert values.shape == (B, P)
        expected = [[getattr(Plain(prior, i, p), name)() for p in range(P)] for i in range(B)]
        assert np.allclose(values.detach().numpy(), expected, rtol=1e-9), name


@pytest.mark.parametrize("within", [False, True])
def test_the_whole_loss_is_the_weighted_sum(within: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    level = Level(Flow(C, (1, P), blocks=1, condition=4, seed=0).double(), make_prior())
    monkeypatch.setattr(level.flow, "forward", lambda maps: (LATENT, LOG_DET))
    loss = level.loss(torch.empty(B, C, 1, P), LABELS, within=within)
    total = 0.0
    for plain in (Plain(level.prior, i, p) for i in range(B) for p in range(P)):
        total += plain.between() - 100 * plain.information() + plain.entropy()
        total += (plain.within() + plain.hinge()) * within
    assert loss.item() == pytest.approx(total / (B * P), rel=1e-9)


def test_normality_is_the_likelihood_a_channel_and_the_negative_entropy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    level = Level(Flow(C, (1, P), blocks=1, condition=4, seed=0).double(), make_prior())
    monkeypatch.setattr(level.flow, "forward", lambda maps: (LATENT, LOG_DET))
    likelihood, certainty = level.normality(torch.empty(B, C, 1, P), LABELS)
    assert likelihood.shape == certainty.shape == (B, 1, P)
    for i in range(B):
        for p in range(P):
            plain = Plain(level.prior, i, p)
            assert likelihood[i, 0, p].item() == pytest.approx(plain.likelihood() / C, rel=1e-9)
            assert certainty[i, 0, p].item() == pytest.approx(-plain.entropy(), rel=1e-9)


def test_a_mixture_of_one_is_a_gaussian() -> None:
    prior = Prior(2, C, 1, seed=0).double()
    labels = torch.tensor([0, 1, 0, 1])
    own = prior.own_energies(LATENT, labels), prior.own_log_weights(labels)
    found = log_likelihood(*own, torch.zeros(B, P), C)
    for i in range(B):
        gaussian = torch.distributions.MultivariateNormal(prior.centres[labels[i]], torch.eye(C).double())
        assert found[i].allclose(gaussian.log_prob(LATENT[i]))


def test_information_and_entropy_in_the_limits() -> None:
    prior = Prior(K, 12, 1, seed=0).double()
    weights = prior.class_log_weights()
    labels = torch.arange(K)
    separated = prior.class_energies(20 * prior.centres[:, None])
    at_one_point = prior.class_energies(torch.zeros(K, 1, 12).double())
    wrong = prior.class_energies(20 * prior.centres.roll(1, 0)[:, None])
    assert entropy(separated).allclose(torch.zeros(K, 1).double(), atol=1e-9)
    assert entropy(at_one_point).allclose(torch.full((K, 1), np.log(K)).double())
    assert information(at_one_point, weights, labels).allclose(torch.zeros(K, 1).double(), atol=1e-9)
    # On the way to one's own centre what a place says grows, up to what the smoothed label can say.
    share = 1 - 0.02 + 0.02 / K
    best = np.log(K) + share * np.log(share) + (1 - share) * np.log((1 - share) / (K - 1))
    way = [prior.class_energies(far * prior.centres[:, None]) for far in (0.0, 0.2, 0.4)]
    told = [information(energies, weights, labels).mean().item() for energies in way]
    assert told == sorted(told)
    assert 0.8 * best < max(told) <= best
    assert information(wrong, weights, labels).max() < -1


@pytest.mark.parametrize(("classes", "channels"), [(2, 4), (2, 112), (3, 112), (7, 200), (15, 200), (12, 12)])
def test_centres_start_about_five_apart(classes: int, channels: int) -> None:
    distances = torch.pdist(initial_centres(classes, channels))
    assert distances.allclose(distances[0])
    # The scale is made for 2C/K, the tiles are C//K: nothing between them when K divides C.
    assert distances[0].item() == pytest.approx(5, rel=1e-6 if channels % classes == 0 else 0.1)


def test_more_classes_than_channels_are_refused() -> None:
    with pytest.raises(UsageError, match="13 categories apart in the 12 channels"):
        Prior(13, 12, 2, seed=0)


def moved(loss: Tensor, prior: Prior) -> set[str]:
    """Names of the parameters that a loss moves."""
    parameters = dict(prior.named_parameters())
    gradients = torch.autograd.grad(loss, list(parameters.values()), allow_unused=True, retain_graph=True)
    named = zip(parameters, gradients, strict=True)
    return {name for name, gradient in named if gradient is not None and gradient.abs().max() > 0}


def test_what_each_loss_moves() -> None:
    prior = make_prior()
    between = prior.class_energies(LATENT), prior.class_log_weights()
    own = prior.own_energies(LATENT, LABELS), prior.own_log_weights(LABELS)
    assert moved(mixture_loss(*between, LOG_DET, C).sum(), prior) == {"centres", "class_logits"}
    assert moved(information(*between, LABELS).sum(), prior) == {"centres"}
    assert moved(entropy(between[0]).sum(), prior) == {"centres"}
    within = {"offsets", "own_logits"}
    assert moved(mixture_loss(*own, LOG_DET, C).sum(), prior) == within
    assert moved(likelihood_loss(log_likelihood(*own, LOG_DET, C), C).sum(), prior) == within


def test_the_first_phase_leaves_the_mixtures_within_the_classes_alone() -> None:
    level = Level(Flow(C, (1, P), blocks=2, condition=4, seed=0), Prior(K, C, M, seed=0))
    maps = normal(B, C, 1, P).float()
    first = moved(level.loss(maps, LABELS, within=False), level.prior)
    both = moved(level.loss(maps, LABELS, within=True), level.prior)
    assert first == {"centres", "class_logits"}
    assert both == first | {"offsets", "own_logits"}
