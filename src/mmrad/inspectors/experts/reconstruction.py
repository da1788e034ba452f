"""Dinomaly and INP-Former: a decoder learns to rebuild a frozen transformer's features of normal images.

Where it fails on an image, that is not normal. Networks, losses and the values of the optimiser are those of
anomalib 2.7; the training is ours, as long as in the authors' scripts for MVTec AD:

- Dinomaly, Guo et al., CVPR 2025, https://arxiv.org/abs/2405.14325: 5000 updates for one class, 10 000 for
  many, the learning rate going from 2e-3 to 2e-4. (anomalib always takes 5000.)
- INP-Former, Luo et al., CVPR 2025, https://arxiv.org/abs/2503.02424: 200 passes, from 1e-3 to 1e-4.

Both warm up for 100 updates and go down by a cosine, moving on at every update as the authors do. (anomalib's
own training moves on in its schedule only once a pass.)
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mmrad.errors import UsageError
from mmrad.features import BACKBONES, Geometry, load_backbone, network_input
from mmrad.features.network import known_backbone
from mmrad.image import RGB, read_image
from mmrad.inspectors.experts.anomalib_models import from_anomalib
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.optimise import batch, optimise
from mmrad.inspectors.experts.settings import TITLES, ExpertSettings
from mmrad.inspectors.experts.vit import model_around, trained_part

_THREADS = 4

_Config = dict[str, dict[str, Any]]
"""What anomalib trains with: `optimizer`, `scheduler` and `trainer`."""


class _ReconstructionDetector(ABC):
    """What both have in common; see `Detector`.

    Args:
        settings: The expert's, resolved.
        cache: Not used: it is for maps of stages, and these learn from tokens.

    Raises:
        UsageError: When the backbone is no vision transformer, or its patches do not divide the image's side.
        MissingExtraError: When a package is not installed.
        ProviderError: When the backbone's weights cannot be had; it says which file to put where.
    """

    _package: ClassVar[str]
    """Of the model in anomalib."""

    _class: ClassVar[str]

    def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
        assert settings.backbone is not None
        assert settings.size is not None
        self._backbone = known = known_backbone(settings.backbone)
        if known.kind != "vit":
            fitting = ", ".join(name for name, one in BACKBONES.items() if one.kind == "vit")
            raise UsageError(
                f"{TITLES[settings.detector]} needs a vision transformer, which {known.name} is not; "
                f"backbones that are: {fitting}"
            )
        self.geometry = Geometry(settings.size, settings.crop)
        network, weights = load_backbone(known.name, settings.weights)
        self.backbone = {"tag": weights.tag, "sha256": weights.sha256}
        self._settings = settings
        self._network = network
        _check_side(self.geometry.side, network, known.name)
        self._device = settings.torch_device()

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        """Learn from normal images of one or more categories; see `Detector.fit`.

        Raises:
            DataError: When an image cannot be read; the message names it.
            UsageError: When the state is of another training.
            ProviderError: When the training diverges.
        """
        self._begin()
        own, seed = self._settings.reconstruction, self._settings.seed
        config: _Config = from_anomalib(f"models.image.{self._package}.lightning_model").TRAINING_CONFIG
        steps = own.steps or self._published_steps(math.ceil(len(images) / own.batch_size))
        optimiser, rates = _optimiser(self._trained, steps, own.learning_rate, config)
        # Images as the network sees them are small, and each is wanted many times.
        held = int(self._settings.memory_gib * 2**30) // (3 * self.geometry.side**2)
        read = functools.lru_cache(held)(self._read)

        def step(number: int) -> float:
            drawn = batch(number, own.batch_size, len(images), seed)
            loss = self._loss(self._inputs([images[place].image for place in drawn], read), number)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self._trained.parameters(), config["trainer"]["gradient_clip_val"])
            for group in optimiser.param_groups:
                group["lr"] = rates[number]
            optimiser.step()
            return loss.item()

        self._model.train()
        optimise(
            step,
            steps,
            modules={"model": self._trained},
            optimisers={"model": optimiser},
            state=state,
            seed=seed,
            progress=progress,
        )

    @torch.inference_mode()
    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        """The maps of a batch of images, as anomalib's model gives them; see `Detector.judge`.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """
        found = self._model.eval()(self._inputs([item.image for item in images], self._read))
        maps = found.anomaly_map[:, 0].cpu().numpy()
        return [RawMap(score, values) for score, values in zip(found.pred_score.tolist(), maps, strict=True)]

    def tensors(self) -> dict[str, Tensor]:
        """All parameters but those of the frozen encoder, by anomalib's names."""
        return {name: value.cpu().contiguous() for name, value in self._trained.state_dict().items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `tensors` gave, in place of `fit`."""
        self._begin()
        self._trained.load_state_dict(tensors)

    @abstractmethod
    def _options(self) -> dict[str, Any]:
        """What the model is made with besides its encoder."""

    @abstractmethod
    def _published_steps(self, of_a_pass: int) -> int:
        """The authors' number of updates, a pass over the images being so many."""

    @abstractmethod
    def _loss(self, inputs: Tensor, number: int) -> Tensor:
        """The loss of update `number` on a batch of inputs."""

    def _begin(self) -> None:
        """An untrained model around the frozen network."""
        self._model = model_around(
            self._network,
            self._backbone.timm,
            from_anomalib(f"models.image.{self._package}.torch_model"),
            self._class,
            seed=self._settings.seed,
            **self._options(),
        ).to(self._device)
        self._trained = trained_part(self._model)

    def _read(self, image: Path) -> RGB:
        return network_input(read_image(image), self.geometry)

    def _inputs(self, images: Sequence[Path], read: Callable[[Path], RGB]) -> Tensor:
        """A batch as the network wants it, shape `(N, 3, side, side)`."""
        with ThreadPoolExecutor(_THREADS) as threads:
            pixels = np.stack(list(threads.map(read, images)))
        return self._backbone.normalised(pixels, self._device)


class DinomalyDetector(_ReconstructionDetector):
    """Dinomaly; see `Detector`.

    Its map is not blurred, while its score is the mean of the highest hundredth of a blurred and smaller one:
    the two are on different scales.
    """

    _package = "dinomaly"
    _class = "DinomalyModel"

    def _options(self) -> dict[str, Any]:
        return {"bottleneck_dropout": self._settings.reconstruction.dropout}

    def _published_steps(self, of_a_pass: int) -> int:
        return 5_000 if self._settings.classes == "one" else 10_000

    def _loss(self, inputs: Tensor, number: int) -> Tensor:
        loss: Tensor = self._model(inputs, global_step=number)
        return loss


class InpFormerDetector(_ReconstructionDetector):
    """INP-Former; see `Detector`. Its score is the mean of the highest hundredth of its blurred map."""

    _package = "inp_former"
    _class = "InpFormerModel"

    def _options(self) -> dict[str, Any]:
        return {"remove_class_token": True}

    def _published_steps(self, of_a_pass: int) -> int:
        return 200 * of_a_pass

    def _loss(self, inputs: Tensor, number: int) -> Tensor:
        loss: Tensor = self._model(inputs)
        return loss


def _check_side(side: int, network: Any, name: str) -> None:
    patch = network.patch_embed.patch_size[0]
    if side % patch:
        fitting = [str(one) for one in (side // patch * patch, (side // patch + 1) * patch) if one]
        raise UsageError(
            f"{name} sees squares of {side} pixels a side, which its patches of {patch} do not divide; "
            f"give {' or '.join(fitting)} as the size, or as the crop where there is one"
        )


def _optimiser(
    trained: nn.Module, steps: int, rate: float | None, config: _Config
) -> tuple[torch.optim.Optimizer, Sequence[float]]:
    """The optimiser of a training, and the learning rate of each update."""
    parts = from_anomalib("models.image.dinomaly.components")
    optimiser: torch.optim.Optimizer = parts.StableAdamW(trained.parameters(), **config["optimizer"])
    schedule = config["scheduler"]
    scale = rate / schedule["base_value"] if rate else 1.0
    rates = parts.WarmCosineScheduler(
        optimiser,
        base_value=scale * schedule["base_value"],
        final_value=scale * schedule["final_value"],
        total_iters=steps,
        warmup_iters=min(schedule["warmup_iters"], steps // 2),
    ).schedule.tolist()
    return optimiser, rates
