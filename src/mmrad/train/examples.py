"""What a supervised training reads: pairs turned into conversations and the texts that answer them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from mmrad.answer import Instance
from mmrad.box import Box
from mmrad.image import read_image
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import encode
from mmrad.prompt import Message
from mmrad.sample import Pair
from mmrad.teach.scripted import ScriptedTeacher
from mmrad.view import View, make_view


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation and the text that should follow it."""

    messages: list[Message]
    completion: str


class ScriptedExamples(Dataset[Example]):
    """Pairs with texts written anew by the scripted teacher at each reading.

    Each reading mirrors the pair at random, picks one of its references and another wording, so that a small
    model sees thousands of pairs in many forms. Views are decoded once and kept in memory (about 60 KB each
    at 140 x 140 pixels).

    Args:
        pairs: Pairs with their truth.
        settings: How the model is asked; its budget fixes the views.
        seed: Seed of all choices; reading `i` in epoch `e` gives the same example in every run.
    """

    def __init__(self, pairs: Sequence[Pair], settings: InspectionSettings, *, seed: int) -> None:
        self.pairs = pairs
        self.settings = settings
        self.seed = seed
        self.epoch = 0
        self._teacher = ScriptedTeacher()
        paths = sorted({path for pair in pairs for path in (pair.image, *pair.references)})
        self._views = {path: make_view(read_image(path), settings.budget) for path in paths}

    def __len__(self) -> int:
        return len(self.pairs)

    def set_epoch(self, epoch: int) -> None:
        """Choose other mirrorings, references and wordings."""
        self.epoch = epoch

    def __getitem__(self, index: int) -> Example:
        rng = random.Random(f"{self.seed}/{self.epoch}/{index}")
        pair = self.pairs[index]
        query = self._views[pair.image]
        reference = self._views[rng.choice(pair.references)] if pair.references else None
        truth = [Instance(query.to_view(region.box), region.label) for region in pair.sample.regions]
        horizontal, vertical = rng.random() < 0.5, rng.random() < 0.5
        truth = [
            replace(place, box=_mirrored(place.box, query.size_wh, horizontal, vertical)) for place in truth
        ]
        query = _mirror(query, horizontal, vertical)
        references = [_mirror(reference, horizontal, vertical)] if reference else []
        text = self._teacher.write(
            query.image, references[0].image if references else None, query, truth, pair.sample.category, rng
        )
        messages = self.settings.prompts.inspection(query, references, reasoning=self.settings.reasoning)
        return Example(messages, text)


def _mirror(view: View, horizontal: bool, vertical: bool) -> View:
    image = view.image[:: -1 if vertical else 1, :: -1 if horizontal else 1]
    return View(np.ascontiguousarray(image), view.original_wh)


def _mirrored(box: Box, size_wh: tuple[int, int], horizontal: bool, vertical: bool) -> Box:
    width, height = size_wh
    x1, x2 = (width - box.x2, width - box.x1) if horizontal else (box.x1, box.x2)
    y1, y2 = (height - box.y2, height - box.y1) if vertical else (box.y1, box.y2)
    return Box(x1, y1, x2, y2)


class Collator:
    """Turns examples into a batch whose labels cover the completions only.

    Args:
        processor: Processor of the model.
    """

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        tokenizer = processor.tokenizer
        self._turn = tokenizer.convert_tokens_to_ids("<|im_start|>")
        self._header = 1 + len(tokenizer.encode("assistant\n", add_special_tokens=False))

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """The batch, padded on the right, with `labels` of shape `(B, T)`: -100 outside the completion."""
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
