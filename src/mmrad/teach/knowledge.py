"""Domain knowledge: which anomalies are known of each product, for a person to edit.

Paper section 4.1 collects the labels of each category and tells them to the model. They lie in
`knowledge.toml` in the corpus folder; what a person wrote there counts, and is kept when labels are collected
again.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.files import write_text
from mmrad.recipe import problem_of

FILE_NAME = "knowledge.toml"

_HEADER = """\
# Which anomalies are known of each product, told to a model that is asked with domain knowledge.
# Edit freely: what stands here counts. Collecting again adds labels and categories that are new in the
# corpus; a label you took out or reworded comes back unless you also list it under `removed`.
#
#   ["metal nut"]                                    the category, as the corpus has it
#   labels = ["bent", "scratch"]                     what may occur
#   removed = ["color"]                              labels of the corpus that are not to be told
#   description = "M6, with threads on both sides"   a note for people
#
# Comments below these lines are lost when labels are added.
"""


class _Entry(BaseModel):
    """What is known of a category."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    labels: list[str] = []
    removed: list[str] = []
    description: str | None = None


_FILE = TypeAdapter(dict[str, _Entry])
_WIDTH = 100
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def collect_knowledge(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    """The labels that occur in each category, sorted.

    A category name that several sources share gets the labels of all of them.

    Args:
        corpus: The corpus.

    Returns:
        Labels by category; a category without anomalies is left out.
    """
    found: dict[str, set[str]] = {}
    for sample in corpus.samples:
        labels = {" ".join(region.label.split()) for region in sample.regions} - {""}
        if labels:
            found.setdefault(sample.category, set()).update(labels)
    return {category: tuple(sorted(labels)) for category, labels in sorted(found.items())}


def write_knowledge(corpus: Corpus) -> Path:
    """Collect the labels of a corpus into its `knowledge.toml`, beside what a person has written there.

    Args:
        corpus: The corpus.

    Returns:
        The file; it is left untouched when nothing is new.

    Raises:
        DataError: When the file there is no such file.
    """
    path = corpus.path / FILE_NAME
    known = _read(path)
    entries = dict(known)
    for category, labels in collect_knowledge(corpus).items():
        entry = known.get(category, _Entry())
        new = [label for label in labels if label not in {*entry.labels, *entry.removed}]
        entries[category] = entry.model_copy(update={"labels": [*entry.labels, *new]})
    if entries != known or not path.exists():
        write_text(
            path, _HEADER + "".join(_table(category, entries[category]) for category in sorted(entries))
        )
    return path


def read_knowledge(corpus: Corpus) -> dict[str, tuple[str, ...]]:
    """The labels to tell a model, by category: those of `knowledge.toml`, else those of the corpus.

    Args:
        corpus: The corpus.

    Returns:
        Labels in the order of the file, without removed ones; a category without labels is left out.

    Raises:
        DataError: When the file is no such file.
    """
    told = {
        category: tuple(label for label in entry.labels if label not in entry.removed)
        for category, entry in _read(corpus.path / FILE_NAME).items()
    }
    return {category: labels for category, labels in (collect_knowledge(corpus) | told).items() if labels}


def _read(path: Path) -> dict[str, _Entry]:
    """The entries of a file; none when it is missing."""
    if not path.exists():
        return {}
    try:
        return _FILE.validate_python(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as error:
        raise DataError(
            f"{path}: {problem_of(error)}; a category has `labels`, `removed` and `description`"
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as TOML ({error}); correct it, or remove it") from error


def _table(category: str, entry: _Entry) -> str:
    """An entry as TOML."""
    key = category if _BARE_KEY.fullmatch(category) else _quoted(category)
    lines = [f"labels = {_list(entry.labels)}"]
    if entry.removed:
        lines.append(f"removed = {_list(entry.removed)}")
    if entry.description is not None:
        lines.append(f"description = {_quoted(entry.description)}")
    return f"\n[{key}]\n" + "\n".join(lines) + "\n"


def _list(labels: list[str]) -> str:
    """An array, one label a line where they are many."""
    quoted = [_quoted(label) for label in labels]
    line = f"[{', '.join(quoted)}]"
    return line if len(line) <= _WIDTH else "[\n" + "".join(f"    {label},\n" for label in quoted) + "]"


def _quoted(text: str) -> str:
    """A TOML basic string: what JSON escapes, and the one control character that it does not."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
