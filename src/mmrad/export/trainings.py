"""Trainings for other tools, written beside the data that they read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmrad.export.conversations import Conversation
from mmrad.files import write_text
from mmrad.view import FACTOR

_TEMPLATES = Path(__file__).with_name("templates")

_FRAME = 64
"""Tokens of a conversation beside its texts and images: the marks around three messages take about 20."""


@dataclass(slots=True)
class Extent:
    """How large the conversations of an export are, for limits that cut none.

    Attributes:
        tokens: No conversation has more tokens, whatever the tokenizer of bytes: a token of text stands for a
            byte at least, an image has one for each 28x28 pixels.
        pixels: Area of the largest view.
    """

    tokens: int = 0
    pixels: int = 0

    def seen(self, conversation: Conversation) -> Conversation:
        """The conversation, which is taken into account."""
        areas = [math.prod(view.size_wh) for view in conversation.views]
        texts = sum(len(message["content"].encode()) for message in conversation.dialogue())
        self.pixels = max(self.pixels, *areas)
        self.tokens = max(self.tokens, sum(areas) // FACTOR**2 + texts + _FRAME)
        return conversation


def splits_to_train(splits: Sequence[str]) -> list[str]:
    """The split `train`, or all where there is none."""
    return [split for split in splits if split == "train"] or list(splits)


def write_training(tool: str, out: Path, values: Mapping[str, object]) -> None:
    """Write the files of a tool's training.

    Args:
        tool: Folder of its templates.
        out: The folder of the export.
        values: What `@NAME@` stands for in them, by NAME.
    """
    for template in filter(Path.is_file, (_TEMPLATES / tool).iterdir()):
        text = template.read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"@{name}@", str(value))
        write_text(out / template.name, text)
