"""What each stage of a training reads and what it minimises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset

from mmrad.train.examples import Collator, Example, ScriptedExamples
from mmrad.train.features import CHANNELS
from mmrad.train.grounding import GroundingHead, grounding_targets

LAYERS_ABOVE = 2
"""Layers of the language model above the one in which image tokens must know where the anomalies are.

So that the text, which reads the image tokens one layer below its own, can use what is found there.
"""


class Objective(Protocol):
    """A stage of training."""

    def dataset(self) -> Dataset[Any]:
        """What is read."""

    def heads(self, width: int) -> nn.ModuleDict:
        """The heads that are trained along and thrown away; `width` is that of the tokens."""

    def collate(self, items: Sequence[Any]) -> dict[str, torch.Tensor]:
        """A batch."""

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """What is minimised; `model.heads` holds the heads."""


@dataclass(frozen=True, slots=True)
class Features(Objective):
    """The vision tower alone: imitate a trained network's features, find anomalies in single images.

    Args:
        examples: Their queries are read, as they are.
        features: From `patch_features`, one for each example.
        processor: Processor of the model.
    """

    examples: ScriptedExamples
    features: Sequence[torch.Tensor]
    processor: Any

    def dataset(self) -> Dataset[Any]:
        """The numbers of the examples."""
        return _Numbers(len(self.examples))

    def heads(self, width: int) -> nn.ModuleDict:
        """A linear map to the features of a token's 4 patches, and the grounding head."""
        return nn.ModuleDict({"features": nn.Linear(width, 4 * CHANNELS), "grounding": GroundingHead(width)})

    def collate(self, items: Sequence[int]) -> dict[str, torch.Tensor]:
        """Patches of the views, and for each token its features and what is anomalous in it."""
        queries = [self.examples.query(index) for index in items]
        batch = self.processor.image_processor(
            [view.image for view, _ in queries],
            do_resize=False,
            input_data_format="channels_last",
            return_tensors="pt",
        )
        targets = [grounding_targets(view.size_wh, [place.box for place in truth]) for view, truth in queries]
        features = torch.cat([_by_token(self.features[index]) for index in items])
        return {**batch, "features": features, "grounding": torch.from_numpy(np.concatenate(targets))}

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean square error of the standardised features plus the loss of grounding."""
        seen = model.model.visual(batch["pixel_values"], grid_thw=batch["image_grid_thw"]).pooler_output
        imitation = functional.mse_loss(model.heads["features"](seen), batch["features"].float())
        grounding: torch.Tensor = model.heads["grounding"](seen, batch["grounding"])
        return imitation + grounding


@dataclass(frozen=True, slots=True)
class Pairs(Objective):
    """Vision tower and lower language layers: find the anomalies of the query beside its reference.

    Args:
        examples: Pairs; their texts are not read.
        processor: Processor of the model.
    """

    examples: ScriptedExamples
    processor: Any

    def dataset(self) -> Dataset[Example]:
        """The examples."""
        return self.examples

    def heads(self, width: int) -> nn.ModuleDict:
        """The grounding head."""
        return nn.ModuleDict({"grounding": GroundingHead(width)})

    def collate(self, items: Sequence[Example]) -> dict[str, torch.Tensor]:
        """The conversations up to the answer."""
        return Collator(self.processor, answers=False)(items)

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """The loss of grounding, read `LAYERS_ABOVE` layers below the top."""
        tokens, targets = batch.pop("query_tokens"), batch.pop("grounding")
        with _lower_layers(model.model.language_model):
            hidden = model.model(**batch, use_cache=False).last_hidden_state
        loss: torch.Tensor = model.heads["grounding"](hidden[tokens], targets)
        return loss


class Texts(Pairs):
    """The whole model: write the texts, and keep finding the anomalies."""

    def collate(self, items: Sequence[Example]) -> dict[str, torch.Tensor]:
        """The conversations with their answers."""
        return Collator(self.processor, answers=True)(items)

    def loss(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean cross-entropy over the tokens of the answers plus the loss of grounding."""
        labels, tokens, targets = (batch.pop(name) for name in ("labels", "query_tokens", "grounding"))
        output = model.model(**batch, use_cache=False, output_hidden_states=True)
        # Logits only where there is something to learn: most of a sequence is images and prompt.
        wanted = labels[:, 1:] != -100
        logits = model.lm_head(output.last_hidden_state[:, :-1][wanted]).float()
        found = output.hidden_states[_depth(model.model.language_model)]
        grounding: torch.Tensor = model.heads["grounding"](found[tokens], targets)
        return functional.cross_entropy(logits, labels[:, 1:][wanted]) + grounding


class _Numbers(Dataset[int]):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> int:
        return index


def _by_token(features: torch.Tensor) -> torch.Tensor:
    """Features of patches, shape `(rows, columns, C)`, as `(tokens, 4 C)` in the order of the tokens."""
    rows, columns, channels = features.shape
    squares = features.reshape(rows // 2, 2, columns // 2, 2, channels)
    return squares.permute(0, 2, 1, 3, 4).reshape(-1, 4 * channels)


def _depth(language_model: Any) -> int:
    """How many layers image tokens have to find the anomalies."""
    return max(1, len(language_model.layers) - LAYERS_ABOVE)


@contextmanager
def _lower_layers(language_model: Any) -> Iterator[None]:
    """The language model without its uppermost layers."""
    layers = language_model.layers
    language_model.layers = layers[: _depth(language_model)]
    try:
        yield
    finally:
        language_model.layers = layers
