"""HGAD as an expert detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from mmrad.errors import DataError
from mmrad.features import Geometry
from mmrad.inspectors.experts.detector import Item, Progress, RawMap
from mmrad.inspectors.experts.hgad.flow import Flow
from mmrad.inspectors.experts.hgad.level import Level
from mmrad.inspectors.experts.hgad.prior import Prior
from mmrad.inspectors.experts.hgad.pyramid import Pyramid, TrainingMaps
from mmrad.inspectors.experts.hgad.schedule import Schedule, check
from mmrad.inspectors.experts.hgad.score import anomaly, fused, highest
from mmrad.inspectors.experts.optimise import batch, optimise
from mmrad.inspectors.experts.settings import ExpertSettings

_BETAS = (0.95, 0.99)
_DECAY = 1e-4
"""Adam's, as published; the decay is of the flows alone."""

_LEVELS = "levels/"
_MAXIMA = "maxima/"
"""How the names of kept tensors begin."""


class HgadDetector:
    """A flow for each size of the image, trained on all classes at once; see `Detector`.

    The map of an image follows from that image, its category and the training images: the highest normality
    that its scale is made from is that of the training images, not of the tested ones.

    Args:
        settings: The expert's, resolved.
        cache: Folder of feature maps, or None.

    Raises:
        UsageError: When the settings do not fit together.
    """

    def __init__(self, settings: ExpertSettings, cache: Path | None) -> None:
        assert settings.size is not None
        check(settings.hgad)
        self.geometry = Geometry(settings.size, settings.crop)
        self._settings = settings
        self._device = settings.torch_device()
        self._pyramid = Pyramid(settings, cache, self._device)
        self.backbone = self._pyramid.backbone

    def fit(self, images: Sequence[Item], state: Path, progress: Progress | None = None) -> None:
        """Learn from normal images of one or more categories; see `Detector.fit`.

        Raises:
            DataError: When an image cannot be read; the message names it.
            UsageError: When there are more categories than channels, or the state is of another training.
            ProviderError: When the training diverges.
        """
        self._begin(sorted({item.category for item in images}))
        labels = self._labels(images)
        maps = TrainingMaps(self._pyramid, [item.image for item in images], self._settings.memory_gib)
        self._train(maps, labels, state, progress)
        self._maxima = self._highest(maps, labels)

    def judge(self, images: Sequence[Item]) -> list[RawMap]:
        """The maps of a batch of images; see `Detector.judge`.

        Raises:
            DataError: When an image cannot be read, or its category was not learned; the message names it.
        """
        labels = self._labels(images)
        kinds = self._normality(self._pyramid.of([item.image for item in images]), labels)
        likelihood, entropy = (
            anomaly(levels, maxima) for levels, maxima in zip(kinds, self._maxima[:, labels], strict=True)
        )
        # One class has no other that a place may be mistaken for: its entropy is zero everywhere.
        fusion = self._settings.hgad.fusion if len(self._classes) > 1 else "likelihood"
        maps = fused(likelihood, entropy, fusion)
        return [RawMap(float(values.max()), values) for values in maps]

    def tensors(self) -> dict[str, Tensor]:
        """The levels, and of each category its maxima, shape `(2, levels + 1)`, under its name."""
        levels = {f"{_LEVELS}{name}": value for name, value in self._module.state_dict().items()}
        maxima = {f"{_MAXIMA}{name}": self._maxima[:, label] for name, label in self._classes.items()}
        return {name: value.detach().cpu().contiguous() for name, value in (levels | maxima).items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take what `tensors` gave, in place of `fit`."""
        maxima = {name: tensors[name] for name in sorted(tensors) if name.startswith(_MAXIMA)}
        self._begin([name.removeprefix(_MAXIMA) for name in maxima])
        self._maxima = torch.stack(list(maxima.values()), dim=1).to(self._device)
        levels = {name.removeprefix(_LEVELS): value for name, value in tensors.items() if name not in maxima}
        self._module.load_state_dict(levels)

    @property
    def _module(self) -> nn.ModuleList:
        """All levels as one."""
        return nn.ModuleList(self._levels)

    def _begin(self, categories: Sequence[str]) -> None:
        """Untrained levels for these categories, which are in order."""
        own, seed = self._settings.hgad, self._settings.seed
        channels = self._pyramid.channels
        self._classes = {category: label for label, category in enumerate(categories)}
        self._levels = [
            Level(
                Flow(channels, grid, blocks=own.blocks, condition=own.condition, seed=seed + number),
                Prior(len(categories), channels, own.centres, seed=seed + number),
            )
            for number, grid in enumerate(self._pyramid.grids)
        ]
        self._module.to(self._device)

    def _labels(self, images: Sequence[Item]) -> Tensor:
        """Class of each image, shape `(B,)`."""
        for item in images:
            if item.category not in self._classes:
                raise DataError(
                    f"{item.image}: HGAD did not learn the category {item.category}; "
                    f"it learned {', '.join(self._classes)}"
                )
        return torch.tensor([self._classes[item.category] for item in images], device=self._device)

    def _train(self, maps: TrainingMaps, labels: Tensor, state: Path, progress: Progress | None) -> None:
        schedule = Schedule(self._settings.hgad, len(labels))
        seed, size = self._settings.seed, self._settings.hgad.batch_size
        optimisers = [_optimiser(level) for level in self._levels]

        def step(number: int) -> float:
            drawn = batch(number, size, len(labels), seed)
            rate, within = schedule.learning_rate(number), schedule.within(number)
            total = 0.0
            for level, optimiser, features in zip(self._levels, optimisers, maps.of(drawn), strict=True):
                loss = level.loss(features, labels[drawn], within=within)
                optimiser.zero_grad()
                loss.backward()
                for group in optimiser.param_groups:
                    group["lr"] = rate
                optimiser.step()
                total += loss.item()
            return total

        optimise(
            step,
            schedule.steps,
            modules={"levels": self._module},
            optimisers={str(number): optimiser for number, optimiser in enumerate(optimisers)},
            state=state,
            seed=seed,
            progress=progress,
        )

    @torch.inference_mode()
    def _normality(self, maps: Sequence[Tensor], labels: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Likelihood and certainty of each level, shapes `(B, rows, columns)`; see `Level.normality`."""
        found = [level.normality(part, labels) for level, part in zip(self._levels, maps, strict=True)]
        likelihoods, certainties = zip(*found, strict=True)
        return list(likelihoods), list(certainties)

    def _highest(self, maps: TrainingMaps, labels: Tensor) -> Tensor:
        """Of both kinds of normality the maxima of each class, shape `(2, K, levels + 1)`."""
        places = torch.arange(len(labels)).split(self._settings.hgad.batch_size)
        found = [self._normality(maps.of(part.tolist()), labels[part]) for part in places]
        kinds = [
            [torch.cat(level) for level in zip(*batches, strict=True)] for batches in zip(*found, strict=True)
        ]
        return torch.stack([highest(levels, labels, len(self._classes)) for levels in kinds])


def _optimiser(level: Level) -> torch.optim.Optimizer:
    groups = [
        {"params": list(level.flow.parameters()), "weight_decay": _DECAY},
        {"params": list(level.prior.parameters()), "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, betas=_BETAS)
