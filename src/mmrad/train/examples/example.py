"""What trainings read: conversations, the texts that answer them, and what is needed to judge others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from mmrad.box import Box
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.prompt import Message
from mmrad.sample import Pair, Sample
from mmrad.view import View


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation and the text that should follow it.

    Attributes:
        sample: The sample it is of.
        messages: The conversation; its last image is the query.
        completion: The text; a right one.
        boxes: The true boxes, in pixels of the query's view.
        negatives: Texts that answer wrongly, for contrastive sampling.
    """

    sample: Sample
    messages: list[Message]
    completion: str
    boxes: tuple[Box, ...]
    negatives: tuple[str, ...] = ()

    @property
    def query(self) -> View:
        """The view of the query."""
        return [part for part in self.messages[-1].parts if isinstance(part, View)][-1]


class Examples(Protocol):
    """Examples by number; each reading may give another form of one, always the same in the same epoch."""

    samples: Sequence[Sample]
    """The sample of each example, without its images."""

    pairs: Sequence[Pair]
    """The same beside the references that a reading chooses from."""

    settings: InspectionSettings
    """How the model is asked."""

    def __len__(self) -> int:
        """How many there are."""

    def __getitem__(self, index: int) -> Example:
        """Read one.

        Raises:
            DataError: When an image cannot be read; the message names it.
        """

    def set_epoch(self, epoch: int) -> None:
        """Choose other forms."""


class Collator:
    """Turns examples into a batch with labels for the completions.

    Args:
        processor: Processor of the model.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        tokenizer = processor.tokenizer
        self._turn = tokenizer.convert_tokens_to_ids("<|im_start|>")
        self._header = 1 + len(tokenizer.encode("assistant\n", add_special_tokens=False))

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """The batch, padded on the right.

        Beside what the model reads it has `labels` of shape `(B, T)`, -100 outside the completion.
        """
        self.processor.tokenizer.padding_side = "right"
        batch = encode(
            self.processor,
            [example.messages for example in examples],
            completions=[example.completion for example in examples],
        )
        ids, mask = batch["input_ids"], batch["attention_mask"]
        places = torch.arange(ids.shape[1]).expand_as(ids)
        last_turn = torch.where(ids == self._turn, places, -1).amax(dim=1, keepdim=True)
        batch["labels"] = torch.where((places >= last_turn + self._header) & (mask == 1), ids, -100)
        return dict(batch)
