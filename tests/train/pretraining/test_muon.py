"""The optimizer of small models: orthogonal steps for matrices, AdamW for the rest."""

import pytest
import torch

from mmrad.train.pretraining.muon import Muon, Part, orthogonalized


@pytest.mark.parametrize("shape", [(24, 24), (16, 64), (64, 16), (1, 8)])
def test_singular_values_become_nearly_one(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalized(torch.randn(shape)))
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_a_zero_gradient_stays_zero():
    assert not orthogonalized(torch.zeros(4, 6)).any()


def test_it_fits_a_layer_with_bias_and_skips_what_has_no_gradient():
    torch.manual_seed(0)
    layer, unused = torch.nn.Linear(12, 6), torch.nn.Linear(3, 3)
    frozen = unused.weight.detach().clone()
    inputs, goal = torch.randn(64, 12), torch.nn.Linear(12, 6)
    optimizer = Muon(
        Part([layer.weight, unused.weight], [layer.bias, unused.bias], lr=0.05), weight_decay=0.0
    )
    losses = []
    for _ in range(150):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(layer(inputs), goal(inputs).detach())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]
    assert torch.equal(unused.weight, frozen)


def test_its_state_survives_saving(tmp_path):
    torch.manual_seed(0)

    def one() -> tuple[torch.nn.Linear, Muon]:
        torch.manual_seed(1)
        layer = torch.nn.Linear(5, 5)
        return layer, Muon(Part([layer.weight], [layer.bias], lr=0.01), weight_decay=0.1)

    def step(layer: torch.nn.Linear, optimizer: Muon, seed: int) -> None:
        torch.manual_seed(seed)
        layer(torch.randn(7, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    whole, optimizer = one()
    for seed in range(4):
        step(whole, optimizer, seed)
    first, optimizer = one()
    for seed in range(2):
        step(first, optimizer, seed)
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    second, resumed = one()
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    for seed in range(2, 4):
        step(second, resumed, seed)
    torch.testing.assert_close(second.weight, whole.weight)
    torch.testing.assert_close(second.bias, whole.bias)
