import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrad.train.recipe import Reinforcement
from mmrad.train.reinforcement.presets import preset_arguments
from mmrad.train.reinforcement.shaping import shaped_denominators
from trl_loss import trl_loss

MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
ADVANTAGES = torch.tensor([1.2, -0.7, 0.4])
SHAPED = torch.tensor([True, False, False])
GAMMA = 0.1

log_probabilities = st.floats(-60, 0)
gammas = st.floats(1e-3, 10)


def batch(reference_off: float = 0.0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    old = -3 * torch.rand(MASK.shape, generator=generator)
    logps = (old + 0.4 * torch.randn(MASK.shape, generator=generator)).clamp(max=-0.01)
    reference = logps + reference_off * torch.randn(MASK.shape, generator=generator)
    return {"logps": logps, "old": old, "reference": reference, "mask": MASK, "advantages": ADVANTAGES}


def loss_and_gradient(values, arguments, **shaping):
    logps = values["logps"].clone().requires_grad_()
    loss = trl_loss(arguments, **{**values, "logps": logps}, **shaping)
    loss.backward()
    return loss.item(), logps.grad


@given(log_probabilities, gammas)
def test_the_ratio_of_a_shaped_token_and_its_gradient(log_p, gamma):
    logps = torch.tensor([[log_p]], dtype=torch.float64, requires_grad=True)
    old = torch.full_like(logps, -1.0)
    ratio = (logps - shaped_denominators(logps, old, torch.tensor([True]), gamma)).exp()
    ratio.sum().backward()
    p = math.exp(log_p)
    assert ratio.item() == pytest.approx(p / (p + gamma), rel=1e-9)
    assert logps.grad.item() == pytest.approx(gamma * p / (p + gamma) ** 2, rel=1e-6)


@given(log_probabilities, log_probabilities, gammas)
def test_other_tokens_keep_their_denominator(log_p, log_old, gamma):
    logps = torch.tensor([[log_p]], requires_grad=True)
    old = torch.tensor([[log_old]])
    denominators = shaped_denominators(logps, old, torch.tensor([False]), gamma)
    assert denominators.item() == old.item()
    denominators.sum().backward()
    assert logps.grad.item() == 0


def test_an_improbable_token_gains_most_at_gamma():
    p = torch.linspace(1e-4, 1, 4000, dtype=torch.float64)
    logps = p.log()[None].requires_grad_()
    old = shaped_denominators(logps, logps.detach(), torch.tensor([True]), GAMMA)
    (logps - old).exp().sum().backward()
    assert p[logps.grad[0].argmax()].item() == pytest.approx(GAMMA, abs=1e-3)


def test_the_loss_of_trl_is_shaped_as_by_hand():
    values = batch(reference_off=0.5)
    arguments = preset_arguments(Reinforcement(preset="grpo", beta=0.3))
    loss, gradient = loss_and_gradient(values, arguments, shaped=SHAPED, shaping=GAMMA)
    tokens = int(MASK.sum())
    by_hand, slopes = 0.0, torch.zeros_like(gradient)
    for row in range(3):
        for place in range(int(MASK[row].sum())):
            log_p, advantage = values["logps"][row, place].item(), ADVANTAGES[row].item()
            ratio = math.exp(log_p - values["old"][row, place].item())
            if SHAPED[row]:
                p = math.exp(log_p)
                gain, slope = p / (p + GAMMA) * advantage, GAMMA * p / (p + GAMMA) ** 2 * advantage
            else:
                clipped = min(max(ratio, 0.8), 1.2)
                gain = min(ratio * advantage, clipped * advantage)
                slope = ratio * advantage if ratio * advantage == gain else 0.0
            off = values["reference"][row, place].item() - log_p
            by_hand -= (gain - 0.3 * (math.exp(off) - off - 1)) / tokens
            slopes[row, place] = -(slope - 0.3 * (1 - math.exp(off))) / tokens
    assert loss == pytest.approx(by_hand, abs=1e-6)
    torch.testing.assert_close(gradient, slopes, atol=1e-6, rtol=1e-4)


def test_without_old_probabilities_the_others_have_ratio_one():
    values = {**batch(), "old": None}
    arguments = preset_arguments(Reinforcement(preset="grpo", beta=0.0))
    _, gradient = loss_and_gradient(values, arguments, shaped=SHAPED, shaping=GAMMA)
    expected = -ADVANTAGES[1:, None] * MASK[1:] / MASK.sum()
    torch.testing.assert_close(gradient[1:], expected)


@pytest.mark.parametrize("shaping", [0.0, GAMMA])
def test_nothing_changes_where_nothing_is_shaped(shaping):
    arguments = preset_arguments(Reinforcement(preset="grpo"))
    plain = loss_and_gradient(batch(), arguments)
    shaped = SHAPED if shaping == 0 else torch.zeros(3, dtype=torch.bool)
    loss, gradient = loss_and_gradient(batch(), arguments, shaped=shaped, shaping=shaping)
    assert loss == plain[0]
    assert torch.equal(gradient, plain[1])


def test_a_sure_verified_text_is_not_clipped():
    """In a later update the plain ratio of a text that became likelier is clipped; the shaped one is not."""
    values = batch()
    values["logps"] = values["old"] + 0.5
    arguments = preset_arguments(Reinforcement(preset="grpo", beta=0.0))
    _, plain = loss_and_gradient(values, arguments)
    _, shaped = loss_and_gradient(values, arguments, shaped=SHAPED, shaping=GAMMA)
    assert (plain[0] == 0).all()
    assert (shaped[0] < 0).all()
