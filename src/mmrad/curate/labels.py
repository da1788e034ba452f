"""Defect names as the sources spell them, turned into plain words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SPELLING = {"particals": "particles", "melded": "melted", "colour": "color"}
"""Words that official files misspell or spell in two ways; one defect type must have one name."""


def clean_label(name: str) -> str:
    """A defect name in plain lower-case words: `broken_large` becomes `broken large`.

    Args:
        name: A folder name or an entry of an annotation file.
    """
    words = re.sub(r"[_\-\s]+", " ", name).strip().lower().split(" ")
    return " ".join(_SPELLING.get(word, word) for word in words)


@cache
def label_table(adapter: str) -> Mapping[str, str]:
    """The plain words for names that only their own dataset understands, from `labels.toml`.

    Args:
        adapter: Name of the adapter.

    Returns:
        Plain words by name, or by `category/name`.
    """
    tables = tomllib.loads(Path(__file__).with_name("labels.toml").read_text("utf-8"))
    return dict(tables.get(adapter, {}))


def plain_label(table: Mapping[str, str], category: str, name: str) -> str:
    """A name in plain words; `category/name` goes before `name`, and a name without an entry stays."""
    return table.get(f"{category}/{name}", table.get(name, name))
