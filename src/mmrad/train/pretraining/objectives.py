"""What each stage of a training reads and what it minimises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mmrad.train.examples.example import Example
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.pretraining.features import CHANNELS
from mmrad.train.pretraining.grounding import GroundingHead, grounding_targets
from mmrad.train.pretraining.pair_batches import Batch, PairCollator
from mmrad.train.pretraining.seeing import gathered, see

LAYERS_ABOVE = 2
"""Layers of the language model above the one in which image tokens must know where the anomalies are.

So that the text, which reads the image tokens one layer below its own, can use what is found there.
"""


class Objective(Protocol):
    """A stage of training."""

    @property
    def examples(self) -> ScriptedExamples: ...  # noqa: D102 - what is read, in any order and number

    def dataset(self) -> Dataset[Any] | range:
        """What is read."""

    def heads(self, width: int) -> nn.ModuleDict:
        """The heads that are trained along and thrown away; `width` is that of the tokens."""

    def collate(self, items: Sequence[Any]) -> Batch:
        """A batch."""

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """What is minimised; `model.heads` holds the heads."""


@dataclass(frozen=True, slots=True)
class Features:
    """The vision tower alone: imitate a trained network's features, find anomalies in single images.

    Args:
        examples: Their queries are read, as they are.
        features: From `patch_features`, one for each example.
        processor: Processor of the model.
    """

    examples: ScriptedExamples
    features: Sequence[torch.Tensor]
    processor: Any

    def dataset(self) -> range:
        """The numbers of the examples."""
        return range(len(self.examples))

    def heads(self, width: int) -> nn.ModuleDict:
        """A linear map to the features of a token's 4 patches, and the grounding head."""
        return nn.ModuleDict({"features": nn.Linear(width, 4 * CHANNELS), "seen": GroundingHead(width)})

    def collate(self, items: Sequence[int]) -> Batch:
        """The images of the views, and for each token its features and what is anomalous in it."""
        queries = [self.examples.query(index) for index in items]
        targets = [grounding_targets(view.size_wh, [place.box for place in truth]) for view, truth in queries]
        return {
            "images": gathered([view.image for view, _ in queries]),
            "grounding": torch.from_numpy(np.concatenate(targets)),
            "features": torch.cat([_by_token(self.features[index]) for index in items]),
        }

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """Mean square error of the standardised features plus the loss of grounding."""
        seen = torch.cat(see(model.model.visual, self.processor.image_processor, batch["images"]))
        imitation = functional.mse_loss(model.heads["features"](seen), batch["features"].float())
        grounding: torch.Tensor = model.heads["seen"](seen, batch["grounding"])
        return imitation + grounding


@dataclass(frozen=True, slots=True)
class Pairs:
    """Vision tower and lower language layers: find the anomalies of the query beside its reference.

    Args:
        examples: Pairs; their texts are not read.
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
    """

    examples: ScriptedExamples
    processor: Any
    positions: Callable[..., Any]

    def dataset(self) -> Dataset[Example]:
        """The examples."""
        return self.examples

    def heads(self, width: int) -> nn.ModuleDict:
        """A grounding head for what the vision tower sees, and one for what comparison adds."""
        return nn.ModuleDict({"seen": GroundingHead(width), "compared": GroundingHead(width)})

    def collate(self, items: Sequence[Example]) -> Batch:
        """The images in their places of the conversations."""
        return PairCollator(self.processor, self.positions, answers=False)(items)

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """The losses of grounding below the language model and `LAYERS_ABOVE` layers below its top."""
        tokens, targets = batch.pop("query_tokens"), batch.pop("grounding")
        with _lower_layers(model.model.language_model):
            output = self._read(model, batch)
        return _grounding(model, output.hidden_states[0], output.last_hidden_state, tokens, targets)

    def _read(self, model: Any, batch: Batch) -> Any:
        seen = see(model.model.visual, self.processor.image_processor, batch.pop("images"))
        images: Any = BaseModelOutputWithPooling()
        images.pooler_output = seen  # a list, as the model's own
        return model.model(
            **batch, mm_encoder_outputs={"image": images}, use_cache=False, output_hidden_states=True
        )


class Texts(Pairs):
    """The whole model: write the texts, and keep finding the anomalies."""

    def collate(self, items: Sequence[Example]) -> Batch:
        """The conversations with their answers."""
        return PairCollator(self.processor, self.positions, answers=True)(items)

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy over the tokens of the answers plus the losses of grounding."""
        labels, tokens, targets = (batch.pop(name) for name in ("labels", "query_tokens", "grounding"))
        output = self._read(model, batch)
        # Logits only where there is something to learn: most of a sequence is images and prompt.
        wanted = labels[:, 1:] != -100
        logits = model.lm_head(output.last_hidden_state[:, :-1][wanted]).float()
        states = output.hidden_states
        middle = states[_depth(model.model.language_model)]
        grounding = _grounding(model, states[0], middle, tokens, targets)
        return functional.cross_entropy(logits, labels[:, 1:][wanted]) + grounding


def _grounding(
    model: Any, seen: torch.Tensor, compared: torch.Tensor, tokens: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    loss: torch.Tensor = model.heads["seen"](seen[tokens], targets) + model.heads["compared"](
        compared[tokens], targets
    )
    return loss


def _by_token(features: torch.Tensor) -> torch.Tensor:
    """Features of patches, shape `(rows, columns, C)`, as `(tokens, 4 C)` in the order of the tokens."""
    rows, columns, channels = features.shape
    squares = features.reshape(rows // 2, 2, columns // 2, 2, channels)
    return squares.permute(0, 2, 1, 3, 4).reshape(-1, 4 * channels)


def finding_parts(model: Any) -> list[nn.Module]:
    """What finds the anomalies: the vision tower, and the language layers that image tokens have for it."""
    whole = model.model
    return [whole.visual, *whole.language_model.layers[: _depth(whole.language_model)]]


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
