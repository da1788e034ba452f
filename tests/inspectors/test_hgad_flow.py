"""The flow is invertible, its Jacobian is right, and the density it gives integrates to one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mmrad.errors import UsageError
from mmrad.inspectors.experts.hgad.flow import Flow, positional_encoding
from mmrad.inspectors.experts.hgad.losses import log_likelihood
from mmrad.inspectors.experts.hgad.prior import Prior


def make_flow(channels: int, grid: tuple[int, int] = (1, 1), *, seed: int = 0, spread: float = 1.0) -> Flow:
    """A flow whose couplings do much more than those of a fresh one, in float64."""
    flow = Flow(channels, grid, blocks=4, condition=8, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in filter(lambda one: one.requires_grad, flow.parameters()):
            parameter += spread * torch.randn(parameter.shape, generator=generator)
        for block in flow._blocks:  # their rotations are drawn in float32: make them as exact as the rest
            block.w_perm.copy_(torch.linalg.qr(block.w_perm).Q)
            block.w_perm_inv.copy_(block.w_perm.T)
    return flow


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("channels", [2, 5, 16])
def test_the_inverse_of_the_forward_is_the_input(channels: int) -> None:
    flow, maps = make_flow(channels, (3, 4)), normal(5, channels, 3, 4)
    latent, log_det = flow(maps)
    assert latent.shape == (5, 12, channels)
    assert log_det.shape == (5, 12)
    assert (latent - maps.flatten(2).transpose(1, 2)).abs().mean() > 0.5
    assert flow.inverse(latent).allclose(maps, atol=1e-9)


def test_the_jacobian_is_that_of_autograd() -> None:
    flow, maps = make_flow(4, (2, 3)), normal(3, 4, 2, 3)
    _, log_det = flow(maps)
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x)[0], maps)
    for image in range(3):
        for place in range(6):
            row, column = divmod(place, 3)
            own = jacobian[image, place, :, image, :, row, column]
            expected = torch.linalg.slogdet(own).logabsdet
            assert log_det[image, place].item() == pytest.approx(expected.item(), abs=1e-9)
    spread = log_det.std()
    assert spread > 0.1, "a flow whose volume is the same everywhere would test little"


def test_a_place_depends_on_itself_and_its_encoding_alone() -> None:
    flow, maps = make_flow(4, (2, 3)), normal(1, 4, 2, 3)
    latent, _ = flow(maps)
    changed = maps.clone()
    changed[0, :, 1, 2] += 1
    differs = (flow(changed)[0] - latent).abs().amax(2)[0] > 1e-12
    assert differs.tolist() == [False] * 5 + [True]
    same_everywhere = maps[:, :, :1, :1].expand(-1, -1, 2, 3)
    assert not flow(same_everywhere)[0][0, 0].allclose(flow(same_everywhere)[0][0, 5])


def test_images_do_not_see_each_other() -> None:
    flow, maps = make_flow(6, (3, 3)), normal(7, 6, 3, 3)
    together, log_det = flow(maps)
    order = [4, 1, 6]
    latent, some = flow(maps[order])
    assert latent.allclose(together[order], atol=1e-12)
    assert some.allclose(log_det[order], atol=1e-12)


@pytest.mark.parametrize("classes", [1, 2])
def test_the_density_integrates_to_one(classes: int) -> None:
    flow, prior = make_flow(2, spread=0.3), Prior(classes, 2, 3, seed=0).double()
    with torch.no_grad():
        prior.own_logits += normal(classes, 3)
    step, edge = 0.1, 40
    axis = torch.arange(-edge, edge, step, dtype=torch.float64) + step / 2
    points = torch.cartesian_prod(axis, axis)[:, :, None, None]
    labels = torch.full((len(points),), classes - 1)
    with torch.inference_mode():
        latent, log_det = flow(points)
        own = prior.own_energies(latent, labels), prior.own_log_weights(labels)
        mass = log_likelihood(*own, log_det, 2).exp().sum() * step**2
    assert mass.item() == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_flow_and_disturbs_no_other_numbers() -> None:
    np.random.seed(3)
    torch.manual_seed(3)
    expected = np.random.random(), torch.rand(())
    np.random.seed(3)
    torch.manual_seed(3)
    one = Flow(6, (2, 2), blocks=3, condition=4, seed=5)
    assert (np.random.random(), torch.rand(())) == expected
    again, other = (Flow(6, (2, 2), blocks=3, condition=4, seed=seed) for seed in (5, 6))
    state = one.state_dict()
    assert any("w_perm" in name for name in state)
    assert all(value.equal(again.state_dict()[name]) for name, value in state.items())
    assert not all(value.equal(other.state_dict()[name]) for name, value in state.items())


def test_the_encoding_is_the_published_one() -> None:
    encoding = positional_encoding((2, 3), 8)
    assert encoding.shape == (6, 8)
    row, column = 1, 2
    waves = [
        wave(place / rate) for place in (column, row) for rate in (1, 100) for wave in (math.sin, math.cos)
    ]
    assert encoding[row * 3 + column].tolist() == pytest.approx(waves, abs=1e-6)
    assert len(encoding.unique(dim=0)) == 6


def test_an_encoding_that_cannot_be_split_is_refused() -> None:
    with pytest.raises(UsageError, match=r"hgad\.condition is 6.*multiple of 4"):
        positional_encoding((2, 2), 6)
