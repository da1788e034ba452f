"""A training that was killed goes on and ends with the very same parameters."""

from __future__ import annotations

import math
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmrad.errors import ProviderError, UsageError
from mmrad.inspectors.experts.optimise import batch, optimise

STEPS, KILLED_AT = 12, 7

# A training with dropout, an optimiser with a number as well as tensors in its state, and images of its own
# order; the first argument is where its parameters go, the second its state, the third when it is killed.
TRAINING = """
import os, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from mmrad.inspectors.experts.optimise import batch, optimise

out, state, killed_at = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.manual_seed(1)
layers = [torch.nn.Linear(6, 8), torch.nn.Dropout(0.5), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1)]
net = torch.nn.Sequential(*layers)
data = torch.randn(20, 6)
head = torch.nn.Linear(1, 1)
adam = torch.optim.Adam(net.parameters(), amsgrad=True)
descent = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)

def step(number):
    print(number, flush=True)
    for group in adam.param_groups:
        group["lr"] = 0.1 / (1 + number)
    loss = (head(net(data[batch(number, 5, 20, 3)])) - 1).square().mean()
    loss.backward()
    if number == killed_at:
        os.kill(os.getpid(), signal.SIGKILL)
    for optimiser in (adam, descent):
        optimiser.step()
        optimiser.zero_grad()
    return float(loss.detach())

optimise(step, STEPS, modules={"net": net, "head": head}, optimisers={"adam": adam, "descent": descent},
         state=state, seed=3, save_every=0)
save_file({**{f"n.{k}": v for k, v in net.state_dict().items()}, **head.state_dict()}, out)
""".replace("STEPS", str(STEPS))


def train(folder: Path, name: str, killed_at: int = -1) -> tuple[int, list[int]]:
    """Run the training in a process of its own: its exit status, and the updates it carried out."""
    arguments = [folder / f"{name}.safetensors", folder / f"{name}.state", killed_at]
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, [int(line) for line in done.stdout.split()]


def test_a_killed_training_ends_with_the_same_bits(tmp_path: Path) -> None:
    assert train(tmp_path, "whole") == (0, list(range(STEPS)))
    assert train(tmp_path, "killed", KILLED_AT) == (-signal.SIGKILL, list(range(KILLED_AT + 1)))
    assert train(tmp_path, "killed") == (0, list(range(KILLED_AT, STEPS)))

    whole, killed = load_file(tmp_path / "whole.safetensors"), load_file(tmp_path / "killed.safetensors")
    assert whole.keys() == killed.keys()
    for name, value in whole.items():
        assert torch.equal(value, killed[name]), name


class Toy:
    """A line that is fitted, with a state beside it."""

    def __init__(self, folder: Path, width: int = 3) -> None:
        torch.manual_seed(0)
        self.net = torch.nn.Linear(width, 1)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=0.1)
        self.state = folder / "state.safetensors"
        self.losses: list[float] = []
        self.drawn: list[float] = []
        self.told: list[tuple[int, int]] = []

    def step(self, number: int) -> float:
        self.drawn.append(float(torch.rand(())))
        loss = (self.net(torch.ones(2, self.net.in_features)) - 5).square().mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.losses.append(loss.item())
        return self.losses[-1]

    def train(self, steps: int, *, seed: int = 0, save_every: float = 0.0) -> None:
        optimise(
            self.step, steps, modules={"net": self.net}, optimisers={"net": self.optimiser}, state=self.state,
            seed=seed, save_every=save_every, progress=lambda *done: self.told.append(done),
        )  # fmt: skip


def test_the_loss_falls_and_progress_is_told(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.train(40)
    assert toy.losses[-1] < 0.2 * toy.losses[0]
    assert toy.told == [(done, 40) for done in range(1, 41)]
    assert toy.state.exists()


def test_a_finished_training_is_not_repeated(tmp_path: Path) -> None:
    Toy(tmp_path).train(4)
    again = Toy(tmp_path)
    before = again.net.weight.clone()
    again.train(4)
    assert again.losses == []
    assert not torch.equal(before, again.net.weight)


def test_nothing_is_saved_before_its_time(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.train(3, save_every=math.inf)
    assert not toy.state.exists()


def test_random_numbers_follow_from_the_seed_and_the_update(tmp_path: Path) -> None:
    one, same, other = (Toy(tmp_path / name) for name in ("one", "same", "other"))
    for toy, seed in ((one, 1), (same, 1), (other, 2)):
        torch.manual_seed(99)
        toy.train(5, seed=seed)
    assert one.drawn == same.drawn
    assert len(set(one.drawn + other.drawn)) == 10


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops(tmp_path: Path, loss: float) -> None:
    toy = Toy(tmp_path)
    with pytest.raises(ProviderError, match=r"update 2 of 9 is (nan|inf).*smaller learning rate"):
        optimise(
            lambda number: loss if number == 2 else toy.step(number), 9, modules={"net": toy.net},
            optimisers={"net": toy.optimiser}, state=toy.state, save_every=0,
        )  # fmt: skip
    assert len(toy.losses) == 2


@pytest.mark.parametrize(
    ("width", "steps", "seed", "said"), [(3, 5, 0, "steps"), (3, 4, 1, "seed"), (2, 4, 0, "modules")]
)
def test_a_state_of_another_training_is_refused(
    tmp_path: Path, width: int, steps: int, seed: int, said: str
) -> None:
    Toy(tmp_path).train(4)
    other = Toy(tmp_path, width)
    with pytest.raises(UsageError, match=rf"state\.safetensors: .* other {said}: remove the file"):
        other.train(steps, seed=seed)
    assert other.losses == []


def test_a_state_of_other_optimisers_is_refused(tmp_path: Path) -> None:
    Toy(tmp_path).train(4)
    other = Toy(tmp_path)
    other.optimiser = torch.optim.SGD(other.net.parameters())
    with pytest.raises(UsageError, match="other optimisers"):
        other.train(4)


def test_a_file_that_is_no_state_is_refused(tmp_path: Path) -> None:
    toy = Toy(tmp_path)
    toy.state.write_bytes(b"no state")
    with pytest.raises(UsageError, match=r"state\.safetensors: not a saved training .*remove the file"):
        toy.train(4)


def test_batches_go_through_the_images_evenly() -> None:
    drawn = [batch(number, 4, 10, seed=5) for number in range(10)]
    assert all(len(places) == 4 for places in drawn)
    assert Counter(place for places in drawn for place in places) == dict.fromkeys(range(10), 4)
    flat = [place for places in drawn for place in places]
    assert sorted(flat[:10]) == sorted(flat[10:20]) == list(range(10))
    assert flat[:10] != flat[10:20]
    assert batch(3, 4, 10, seed=5) == drawn[3]
    assert [batch(number, 4, 10, seed=6) for number in range(10)] != drawn


def test_a_list_shorter_than_a_batch_is_repeated_in_it() -> None:
    assert Counter(batch(7, 6, 3, seed=0)) == {0: 2, 1: 2, 2: 2}
    assert batch(0, 2, 1, seed=0) == [0, 0]
