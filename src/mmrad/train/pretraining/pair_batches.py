"""Batches of pairs for the pretraining of nano models: everything but the patches, which the device makes.

Patches are 24 times as large as the images they are made of, and positions are worked out here, where several
processes read, because on a GPU that takes a wait for each image.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from mmrad.image import RGB
from mmrad.inspectors.chat import to_chat
from mmrad.train.examples.example import Example
from mmrad.train.pretraining.grounding import grounding_targets
from mmrad.train.pretraining.seeing import gathered
from mmrad.view import FACTOR, View

Batch = dict[str, Any]

_PAD = "<|image_pad|>"


class PairCollator:
    """Turns examples into a batch.

    Args:
        processor: Processor of the model.
        positions: The model's `get_rope_index`.
        answers: Whether prompts and completions are read too, not the images alone, which then stand where
            they stand between prompts.
    """

    def __init__(self, processor: Any, positions: Callable[..., Any], *, answers: bool) -> None:
        self.processor = processor
        self.positions = positions
        self.answers = answers
        self._image = processor.tokenizer.convert_tokens_to_ids(_PAD)

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """The batch, padded on the right.

        `input_ids` and `attention_mask` of shape `(B, T)`, `position_ids` `(3, B, T)`; `images`, see
        `gathered`; with answers `labels` `(B, T)`, -100 outside the completion; `query_tokens` `(B, T)`, true
        at the N image tokens of the queries; `grounding` `(N, 8)`, see `grounding_targets`.
        """
        tokenizer = self.processor.tokenizer
        prompts, images = zip(*(self._prompt(example) for example in examples), strict=True)
        ends = [f"{one.completion}{tokenizer.eos_token}" if self.answers else "" for one in examples]
        before = [tokenizer.encode(text, add_special_tokens=False) for text in prompts]
        after = [tokenizer.encode(text, add_special_tokens=False) for text in ends]
        rows = [[*first, *second] for first, second in zip(before, after, strict=True)]
        ids = _padded(rows, tokenizer.pad_token_id)
        mask = _padded([[1] * len(row) for row in rows], 0)
        image = ids == self._image
        grids = [[1, *(side // (FACTOR // 2) for side in one.shape[:2])] for all_ in images for one in all_]
        position_ids, _ = self.positions(ids, image.int(), torch.tensor(grids), attention_mask=mask)
        if not self.answers:
            ids, mask, position_ids = (_chosen(value, image) for value in (ids, mask, position_ids))
            image = mask.bool()
        later = image.flip(1).cumsum(1).flip(1)  # image tokens from here to the end
        cells = [math.prod(side // FACTOR for side in example.query.size_wh) for example in examples]
        targets = [grounding_targets(example.query.size_wh, example.boxes) for example in examples]
        batch: Batch = {
            "input_ids": ids,
            "attention_mask": mask,
            "position_ids": position_ids,
            "images": gathered([one for all_ in images for one in all_]),
            "query_tokens": image & (later <= torch.tensor(cells)[:, None]),
            "grounding": torch.from_numpy(np.concatenate(targets)),
        }
        if self.answers:
            shown = [[-100] * len(first) + second for first, second in zip(before, after, strict=True)]
            batch["labels"] = _padded(shown, -100)
        return batch

    def _prompt(self, example: Example) -> tuple[str, list[RGB]]:
        """The prompt with a token for each cell of its images, and the images."""
        prompt = self.processor.apply_chat_template(
            to_chat(example.messages), tokenize=False, add_generation_prompt=True
        )
        views = [part for message in example.messages for part in message.parts if isinstance(part, View)]
        first, *rest = prompt.split(_PAD)
        cells = [math.prod(side // FACTOR for side in view.size_wh) for view in views]
        shown = (_PAD * count + text for count, text in zip(cells, rest, strict=True))
        return "".join([first, *shown]), [view.image for view in views]


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    tensors = [torch.tensor(row) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)


def _chosen(values: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """The chosen values of each row, moved together and padded with zeros on the right.

    Args:
        values: Shape `(..., B, T)`.
        where: Shape `(B, T)`.
    """
    order = (~where).int().argsort(dim=1, stable=True)[:, : int(where.sum(dim=1).max())]
    found = values.gather(-1, order.expand(*values.shape[:-1], -1))
    return found * where.gather(1, order)
