"""Conversations for the pretraining of nano models: their batches, and where images stand in them.

Positions are worked out here, where several processes read, as on a GPU that takes a wait for each image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmrad.inspectors.chat import to_chat
from mmrad.prompt import Message
from mmrad.train.examples.example import Example
from mmrad.train.examples.scripted import ScriptedExamples
from mmrad.train.pretraining.grounding import grounding_targets
from mmrad.train.pretraining.patches import cut
from mmrad.view import FACTOR, View

Batch = dict[str, Any]

_PAD = "<|image_pad|>"


class ConversationCollator:
    """Turns examples into a batch.

    Args:
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
    """

    def __init__(self, processor: Any, positions: Callable[..., Any]) -> None:
        self._processor = processor
        self._positions = positions
        self._image = processor.tokenizer.convert_tokens_to_ids(_PAD)

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """The batch, padded on the right.

        `input_ids` and `attention_mask` of shape `(B, T)`, `position_ids` `(3, B, T)`; `patches` of all
        images and their `cells`; `answers`, the places before the tokens of the completions, counted over
        the whole batch, and these tokens as `labels`; `tokens`, the places of the N image tokens of the
        queries, and `grounding` `(N, 8)`, see `grounding_targets`.
        """
        tokenizer = self._processor.tokenizer
        prompts, views = zip(*(_prompt(self._processor, one.messages) for one in examples), strict=True)
        before = [tokenizer.encode(text, add_special_tokens=False) for text in prompts]
        after = [
            tokenizer.encode(f"{one.completion}{tokenizer.eos_token}", add_special_tokens=False)
            for one in examples
        ]
        ids = _padded(
            [[*first, *second] for first, second in zip(before, after, strict=True)], tokenizer.pad_token_id
        )
        mask = _padded([[1] * len(first + second) for first, second in zip(before, after, strict=True)], 0)
        image = ids == self._image
        shown = [view for all_ in views for view in all_]
        position_ids, _ = self._positions(ids, image.int(), _grids(shown), attention_mask=mask)
        targets = [grounding_targets(example.query.size_wh, example.boxes) for example in examples]
        starts = [row * ids.shape[1] + len(first) - 1 for row, first in enumerate(before)]
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": position_ids,
            "patches": cut([view.image for view in shown]),
            "cells": [_cells(view) for view in shown],
            "answers": torch.cat(
                [start + torch.arange(len(one)) for start, one in zip(starts, after, strict=True)]
            ),
            "labels": torch.tensor([token for one in after for token in one]),
            "tokens": torch.cat(
                [
                    row * ids.shape[1] + image[row].nonzero().flatten()[-len(target) :]
                    for row, target in enumerate(targets)
                ]
            ),
            "grounding": torch.from_numpy(np.concatenate(targets)),
        }


class ImagePositions:
    """The positions of image tokens in the conversations of pairs.

    Args:
        examples: The pairs and how the model is asked.
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
    """

    def __init__(self, examples: ScriptedExamples, processor: Any, positions: Callable[..., Any]) -> None:
        self._examples = examples
        self._processor = processor
        self._positions = positions
        self._known: dict[tuple[Any, ...], torch.Tensor] = {}

    def __call__(self, index: int, reference: Path | None) -> torch.Tensor:
        """Positions of the tokens of the reference, if there is one, and of the query, shape `(3, T)`."""
        pair, views = self._examples.pairs[index], self._examples.views
        query, references = views[pair.image], [views[reference]] if reference else []
        sizes = [view.size_wh for view in (*references, query)]
        key = (pair.sample.source, pair.sample.category, *sizes)  # what prompts depend on
        if key not in self._known:
            messages = self._examples.settings.messages(pair.sample, query, references)
            prompt, shown = _prompt(self._processor, messages)
            tokenizer = self._processor.tokenizer
            ids = torch.tensor([tokenizer.encode(prompt, add_special_tokens=False)])
            image = ids == tokenizer.convert_tokens_to_ids(_PAD)
            found, _ = self._positions(ids, image.int(), _grids(shown), attention_mask=torch.ones_like(ids))
            self._known[key] = found[:, 0, image[0]]
        return self._known[key]


def _prompt(processor: Any, messages: Sequence[Message]) -> tuple[str, list[View]]:
    """A prompt with a token for each cell of its images, and the images."""
    prompt = processor.apply_chat_template(to_chat(messages), tokenize=False, add_generation_prompt=True)
    views = [part for message in messages for part in message.parts if isinstance(part, View)]
    first, *rest = prompt.split(_PAD)
    shown = (_PAD * _cells(view) + text for view, text in zip(views, rest, strict=True))
    return "".join([first, *shown]), views


def _cells(view: View) -> int:
    return math.prod(side // FACTOR for side in view.size_wh)


def _grids(views: Sequence[View]) -> torch.Tensor:
    sides = [(view.image.shape[0], view.image.shape[1]) for view in views]
    return torch.tensor([[1, *(side // (FACTOR // 2) for side in two)] for two in sides])


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
