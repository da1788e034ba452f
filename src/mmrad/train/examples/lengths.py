"""How long prompts are, before any image is decoded (paper, Appendix D: at most 2048 tokens with images)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

from mmrad.errors import DataError
from mmrad.image import image_size
from mmrad.inspectors.chat import to_chat
from mmrad.inspectors.plan import blank_view
from mmrad.sample import Pair
from mmrad.train.examples.example import Examples
from mmrad.view import FACTOR, View


def prompt_lengths(examples: Examples, processor: Any) -> list[int]:
    """Tokens of the longest prompt that each example may have, images included.

    Only the headers of references are read. Of several references the largest is taken, for a reading
    chooses one of them.

    Args:
        examples: The examples.
        processor: Processor of the model.

    Raises:
        DataError: When a reference cannot be read.
    """
    settings = examples.settings
    budget = settings.budget
    view_of = lru_cache(maxsize=None)(lambda path: blank_view(image_size(path), budget))
    text_tokens = lru_cache(maxsize=None)(
        lambda text: len(processor.tokenizer.encode(text, add_special_tokens=False))
    )

    def length(pair: Pair) -> int:
        query = blank_view(pair.sample.size_wh, budget)
        largest = max(map(view_of, pair.references), key=_cells, default=None)
        messages = settings.messages(pair.sample, query, [largest] if largest else [])
        text = processor.apply_chat_template(to_chat(messages), tokenize=False, add_generation_prompt=True)
        views = [part for message in messages for part in message.parts if isinstance(part, View)]
        # The template has one token for each image, in whose place its cells come.
        return int(text_tokens(text)) + sum(map(_cells, views)) - len(views)

    return [length(pair) for pair in examples.pairs]


def refuse_long(examples: Examples, processor: Any, limit: int) -> None:
    """Refuse examples with prompts over the limit; nothing is ever truncated.

    Args:
        examples: The examples.
        processor: Processor of the model.
        limit: Most tokens of a prompt, images included.

    Raises:
        DataError: When a prompt is longer; says how many are, which is the longest, and what to do.
    """
    lengths = prompt_lengths(examples, processor)
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    if lengths[longest] > limit:
        raise DataError(
            f"{sum(length > limit for length in lengths)} of {len(lengths)} prompts have more than {limit} "
            f"tokens, images included; the longest has {lengths[longest]} ({examples.samples[longest].id}). "
            "Make asking.max_pixels smaller, or data.max_prompt_tokens larger"
        )


def _cells(view: View) -> int:
    return math.prod(side // FACTOR for side in view.size_wh)
