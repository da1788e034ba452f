"""Defect names as the sources spell them, turned into plain words."""

from __future__ import annotations

import re

_SPELLING = {"particals": "particles", "melded": "melted", "colour": "color"}
"""Words that official files misspell or spell in two ways; one defect type must have one name."""


def clean_label(name: str) -> str:
    """A defect name in plain lower-case words: `broken_large` becomes `broken large`.

    Args:
        name: A folder name or an entry of an annotation file.
    """
    words = re.sub(r"[_\-\s]+", " ", name).strip().lower().split(" ")
    return " ".join(_SPELLING.get(word, word) for word in words)
