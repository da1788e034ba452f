"""What each stage of a training reads and what it minimises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import Dataset
from transformers.modeling_outputs import BaseModelOutputWithPooling

from mmrad.train.examples.example import Example
from mmrad.train.examples.scripted import Reading, ScriptedExamples
from mmrad.train.pretraining.conversing import Batch, ConversationCollator, ImagePositions
from mmrad.train.pretraining.features import CHANNELS
from mmrad.train.pretraining.grounding import GroundingHead, grounding_targets
from mmrad.train.pretraining.nano import NUMBERS
from mmrad.train.pretraining.patches import MERGED, Album, looks
from mmrad.train.pretraining.seeing import see

NUMBER_WEIGHT = 8.0
"""Weight in the loss of the tokens that are numbers, against 1 of the others.

Numbers say where the anomaly is, and are a sixth of a text whose wording is soon learned: at equal weights a
model that finds the places had not begun to read them from its image tokens after 90,000 texts.
"""

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


class Features:
    """The vision tower alone: imitate a trained network's features, find anomalies in single images.

    Args:
        examples: Their queries are read, as they are.
        features: From `patch_features`, one for each example.
        processor: Processor of the model.
        device: Where the training runs.
    """

    def __init__(
        self, examples: ScriptedExamples, features: Sequence[torch.Tensor], processor: Any, device: str
    ) -> None:
        self.examples = examples
        self._processor = processor
        self._album = Album(examples.views, device)
        self._features = torch.zeros(
            (len(features), self._album.tokens, 4 * CHANNELS), dtype=torch.float16, device=device
        )
        for filled, map_ in zip(self._features, features, strict=True):
            filled[: map_.shape[0] * map_.shape[1] // MERGED] = _by_token(map_)

    def dataset(self) -> range:
        """The numbers of the examples."""
        return range(len(self.examples))

    def heads(self, width: int) -> nn.ModuleDict:
        """A linear map to the features of a token's 4 patches, and the grounding head."""
        return nn.ModuleDict({"features": nn.Linear(width, 4 * CHANNELS), "seen": GroundingHead(width)})

    def collate(self, items: Sequence[int]) -> Batch:
        """Which images, which tokens are theirs, and what is anomalous in each of these."""
        queries = [self.examples.query(index) for index in items]
        targets = [grounding_targets(view.size_wh, [place.box for place in truth]) for view, truth in queries]
        images = [self._album.numbers[self.examples.pairs[index].image] for index in items]
        return {
            "examples": torch.tensor(items),
            "images": torch.tensor(images),
            "tokens": _first_of_each([len(target) for target in targets], self._album.tokens),
            "grounding": torch.from_numpy(np.concatenate(targets)),
        }

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """Mean square error of the standardised features plus the loss of grounding."""
        patches = self._album.plain(batch["images"])
        seen = see(model.model.visual, self._processor.image_processor, patches)
        seen, features = (
            tokens.flatten(0, 1)[batch["tokens"]] for tokens in (seen, self._features[batch["examples"]])
        )
        imitation = functional.mse_loss(model.heads["features"](seen).float(), features.float())
        grounding: torch.Tensor = model.heads["seen"](seen, batch["grounding"])
        return imitation + grounding


class Pairs:
    """Vision tower and lower language layers: find the anomalies of the query beside its reference.

    The images stand alone where they stand between prompts; no text is read.

    Args:
        examples: Pairs.
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
        device: Where the training runs.
    """

    def __init__(
        self, examples: ScriptedExamples, processor: Any, positions: Callable[..., Any], device: str
    ) -> None:
        self.examples = examples
        self._processor = processor
        self._album = Album(examples.views, device)
        self._positions = ImagePositions(examples, processor, positions)

    def dataset(self) -> Dataset[tuple[int, Reading]]:
        """The number of each example and the form in which it is read."""
        return _Forms(self.examples)

    def heads(self, width: int) -> nn.ModuleDict:
        """A grounding head for what the vision tower sees, and one for what comparison adds."""
        return nn.ModuleDict({"seen": GroundingHead(width), "compared": GroundingHead(width)})

    def collate(self, items: Sequence[tuple[int, Reading]]) -> Batch:
        """How the references and then the queries look, where they stand, and what is anomalous.

        Each row holds the tokens of a reference and, from `tokens` on, those of a query: `position_ids` of
        shape `(3, B, 2 tokens)`, `attention_mask` `(B, 2 tokens)`; `tokens` are those of queries that are
        not filled up, counted over all queries.
        """
        numbers, most = self._album.numbers, self._album.tokens
        forms = [form for _, form in items]
        queries = [self.examples.query(index, form.mirroring) for index, form in items]
        targets = [grounding_targets(view.size_wh, [place.box for place in truth]) for view, truth in queries]
        position_ids = torch.zeros((3, len(items), 2 * most), dtype=torch.int64)
        mask = torch.zeros((len(items), 2 * most), dtype=torch.int64)
        for row, ((index, form), target) in enumerate(zip(items, targets, strict=True)):
            found = self._positions(index, form.reference)
            before = found.shape[1] - len(target)
            for start, part in ((0, found[:, :before]), (most, found[:, before:])):
                position_ids[:, row, start : start + part.shape[1]] = part
                mask[row, start : start + part.shape[1]] = 1
        return {
            "looks": looks(
                [numbers[form.reference] if form.reference else None for form in forms]
                + [numbers[self.examples.pairs[index].image] for index, _ in items],
                2 * [form.mirroring for form in forms],
                2 * [form.channels for form in forms],
                [form.reference_exposure for form in forms] + [form.exposure for form in forms],
            ),
            "position_ids": position_ids,
            "attention_mask": mask,
            "tokens": _first_of_each([len(target) for target in targets], most),
            "grounding": torch.from_numpy(np.concatenate(targets)),
        }

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """The losses of grounding below the language model and `LAYERS_ABOVE` layers below its top."""
        patches = self._album.show(batch["looks"])
        seen = see(model.model.visual, self._processor.image_processor, patches).float()
        reference, query = seen.chunk(2)
        with _lower_layers(model.model.language_model) as layers:
            compared = layers(
                inputs_embeds=torch.cat([reference, query], dim=1),
                attention_mask=batch["attention_mask"],
                position_ids=batch["position_ids"],
                use_cache=False,
            ).last_hidden_state[:, self._album.tokens :]
        return _grounding(model, query, compared, batch["tokens"], batch["grounding"])


class Texts:
    """The whole model: write the texts, and keep finding the anomalies.

    Args:
        examples: Pairs and their texts.
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
    """

    def __init__(self, examples: ScriptedExamples, processor: Any, positions: Callable[..., Any]) -> None:
        self.examples = examples
        self._processor = processor
        self._collate = ConversationCollator(processor, positions)
        numbers = processor.tokenizer.convert_tokens_to_ids([str(number) for number in range(NUMBERS)])
        self._weights = torch.ones(len(processor.tokenizer))
        self._weights[numbers] = NUMBER_WEIGHT

    def dataset(self) -> Dataset[Example]:
        """The examples."""
        return self.examples

    def heads(self, width: int) -> nn.ModuleDict:
        """Those of `Pairs`."""
        return nn.ModuleDict({"seen": GroundingHead(width), "compared": GroundingHead(width)})

    def collate(self, items: Sequence[Example]) -> Batch:
        """The conversations with their answers."""
        return self._collate(items)

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        """Weighted mean cross-entropy over the tokens of the answers plus the losses of grounding."""
        seen = see(model.model.visual, self._processor.image_processor, batch["patches"])
        images: Any = BaseModelOutputWithPooling()
        # A list, as the model's own.
        images.pooler_output = [tokens[:count] for tokens, count in zip(seen, batch["cells"], strict=True)]
        output = model.model(
            **{name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")},
            mm_encoder_outputs={"image": images},
            use_cache=False,
            output_hidden_states=True,
        )
        # Logits only where there is something to learn: most of a sequence is images and prompt.
        states = output.last_hidden_state.flatten(0, 1)[batch["answers"]]
        logits = model.lm_head(states).float()
        entropy = functional.cross_entropy(logits, batch["labels"], self._weights.to(logits.device))
        middle = output.hidden_states[_depth(model.model.language_model)]
        grounding = _grounding(model, output.hidden_states[0], middle, batch["tokens"], batch["grounding"])
        return entropy + grounding


class _Forms(Dataset[tuple[int, Reading]]):
    """In which form each pair is read."""

    def __init__(self, examples: ScriptedExamples) -> None:
        self._examples = examples

    def __getitem__(self, index: int) -> tuple[int, Reading]:
        return index, self._examples.reading(index)


def _first_of_each(counts: Sequence[int], most: int) -> torch.Tensor:
    """The places of the first so many of each row of `most`, counted over all rows."""
    return torch.cat([row * most + torch.arange(count) for row, count in enumerate(counts)])


def _grounding(
    model: Any, seen: torch.Tensor, compared: torch.Tensor, tokens: torch.Tensor, targets: torch.Tensor
) -> torch.Tensor:
    loss = model.heads["seen"](seen.flatten(0, 1)[tokens], targets)
    loss = loss + model.heads["compared"](compared.flatten(0, 1)[tokens], targets)
    return torch.as_tensor(loss)


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
def _lower_layers(language_model: Any) -> Iterator[Any]:
    """The language model without its uppermost layers."""
    layers = language_model.layers
    language_model.layers = layers[: _depth(language_model)]
    try:
        yield language_model
    finally:
        language_model.layers = layers
