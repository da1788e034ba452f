"""The one training loop of the detectors that are trained by gradients; a killed one goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmrad.errors import ProviderError, UsageError
from mmrad.files import atomic_path
from mmrad.inspectors.experts.detector import Progress

if TYPE_CHECKING:
    import torch

Step = Callable[[int], float]
"""Carries out the update of that number, counted from 0, and returns its loss."""


def optimise(
    step: Step,
    steps: int,
    *,
    modules: Mapping[str, torch.nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    state: Path | None,
    seed: int = 0,
    save_every: float = 120.0,
    progress: Progress | None = None,
) -> None:
    """Carry out the updates of a training, from the state that a killed one left where there is one.

    Before each update torch, and nothing else that is global, is seeded from `seed` and the update's number,
    so that on a CPU a training that was killed and went on ends with the very same parameters.

    Args:
        step: One update. All it does must follow from its number, torch's random numbers, the modules and the
            optimisers: it draws its images by `batch` or by torch, and it sets the learning rates itself.
        steps: How many updates there are.
        modules: What is trained, by name; they are trained in place.
        optimisers: Theirs, by name; of their settings nothing is saved.
        state: Where the training is saved from time to time, and from where it goes on; None for neither. It
            is left there at the end: the caller removes it as soon as the result is saved.
        seed: Seed of the training.
        save_every: Seconds between two savings; 0 saves after every update.
        progress: Told of the updates.

    Raises:
        UsageError: When the state is not of this training; the message names the file.
        ProviderError: When a loss is not finite; the message names the update.
    """
    import torch

    training = _Training(steps, seed, modules, optimisers)
    first = training.load(state) if state and state.exists() else 0
    saved_at = time.monotonic()
    for number in range(first, steps):
        torch.manual_seed(_seed(seed, number))
        loss = step(number)
        if not math.isfinite(loss):
            raise ProviderError(
                f"the loss of update {number} of {steps} is {loss}: the training diverged; "
                "begin it anew with a smaller learning rate"
            )
        if state and time.monotonic() - saved_at >= save_every:
            training.save(state, number + 1)
            saved_at = time.monotonic()
        if progress:
            progress(number + 1, steps)


def batch(number: int, size: int, count: int, seed: int) -> list[int]:
    """The places in a list of images that update `number` learns from.

    The updates go through one endless row of shuffled passes over the list, so that every image comes equally
    often, and a list shorter than a batch is repeated in it.

    Args:
        number: Of the update, from 0.
        size: Of a batch.
        count: Length of the list.
        seed: Seed of the shuffling.
    """
    import torch

    places: list[int] = []
    for turn in range(number * size // count, ((number + 1) * size - 1) // count + 1):
        generator = torch.Generator().manual_seed(_seed(seed, "pass", turn))
        places += torch.randperm(count, generator=generator).tolist()
    start = number * size % count
    return places[start : start + size]


def _seed(*parts: object) -> int:
    """A seed of 63 bits; neighbouring numbers give unrelated ones."""
    digest = hashlib.sha256(" ".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


class _Training:
    """What a training is made of, and how it is kept in one safetensors file, without any pickle."""

    def __init__(
        self,
        steps: int,
        seed: int,
        modules: Mapping[str, torch.nn.Module],
        optimisers: Mapping[str, torch.optim.Optimizer],
    ) -> None:
        self._modules = modules
        self._optimisers = optimisers
        self._plan = {
            "steps": steps,
            "seed": seed,
            "modules": {
                name: {
                    key: [str(value.dtype), list(value.shape)] for key, value in module.state_dict().items()
                }
                for name, module in modules.items()
            },
            "optimisers": {
                name: [type(optimiser).__name__, [len(group["params"]) for group in optimiser.param_groups]]
                for name, optimiser in optimisers.items()
            },
        }

    def save(self, path: Path, following: int) -> None:
        """Save the training, whose next update is `following`."""
        import torch
        from safetensors.torch import save_file

        tensors = {
            f"modules/{name}/{key}": value
            for name, module in self._modules.items()
            for key, value in module.state_dict().items()
        }
        numbers: dict[str, Any] = {}
        for name, optimiser in self._optimisers.items():
            for parameter, values in optimiser.state_dict()["state"].items():
                for key, value in values.items():
                    kept = tensors if isinstance(value, torch.Tensor) else numbers
                    kept[f"optimisers/{name}/{parameter}/{key}"] = value
        about = {"plan": self._plan, "following": following, "numbers": numbers}
        with atomic_path(path) as temporary:
            save_file(
                {key: value.detach().cpu().contiguous() for key, value in tensors.items()},
                temporary,
                metadata={"training": json.dumps(about)},
            )

    def load(self, path: Path) -> int:
        """Take a saved training; returns its next update."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads((file.metadata() or {})["training"])
                values = {key: file.get_tensor(key) for key in file.keys()} | about["numbers"]  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError) as error:
            raise UsageError(f"{path}: not a saved training ({error}): {_REMEDY}") from None
        different = [name for name, value in self._plan.items() if about["plan"].get(name) != value]
        if different:
            raise UsageError(f"{path}: saved by a training with other {', '.join(different)}: {_REMEDY}")
        for name, module in self._modules.items():
            module.load_state_dict(_under(f"modules/{name}/", values))
        for name, optimiser in self._optimisers.items():
            states: dict[int, dict[str, Any]] = {}
            for key, value in _under(f"optimisers/{name}/", values).items():
                parameter, own = key.split("/", 1)
                states.setdefault(int(parameter), {})[own] = value
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": states, "param_groups": groups})
        following: int = about["following"]
        return following


_REMEDY = "remove the file to begin the training anew"


def _under(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in values.items() if key.startswith(prefix)}
