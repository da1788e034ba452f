"""What all formats for trainers share: samples as conversations, and how rows and images are written.

A trainer gets the views themselves, as PNG files with sides that are multiples of 28. The resize that each
tool makes for models of the Qwen2-VL family leaves them as they are, so that the coordinates in texts and
truth are pixels of the files beside them.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.export.images import Progress, each
from mmrad.files import atomic_path
from mmrad.image import encode_png
from mmrad.inspectors.base import InspectionSettings
from mmrad.prompt import Message
from mmrad.sample import Pair, Reasoning, Sample
from mmrad.teach import chosen_texts
from mmrad.train.examples.conversations import completion_of, refuse_other_views
from mmrad.view import View

IMAGE = "<image>"
"""Stands for an image in the texts of verl, LLaMA-Factory and ms-swift."""

_UNFIT = re.compile(r"<(?:image|video|audio|bbox|ref-object)>|[\ud800-\udfff]")
"""What these tools replace wherever it stands in a text, and lone surrogates, which UTF-8 cannot hold."""

_GROUP = 64
"""Rows in a row group of a Parquet file; with two views of 768 tokens in each, about 100 MB."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A sample as a trainer reads it.

    Attributes:
        sample: The sample.
        query: View of its image.
        references: Views of its references, best first.
        messages: What the model is asked; the references come before the query.
        completion: The text that answers: all of it, or without the reasoning where none is asked for.
        text: The verified text that it is made of.
    """

    sample: Sample
    query: View
    references: tuple[View, ...]
    messages: tuple[Message, ...]
    completion: str
    text: Reasoning

    @property
    def views(self) -> tuple[View, ...]:
        """All views in the order in which the messages show them: the query is the last."""
        return (*self.references, self.query)

    @property
    def boxes(self) -> list[list[int]]:
        """The true boxes `[x1, y1, x2, y2]` in whole pixels of the query's view, as texts are checked."""
        return [list(self.query.to_view(region.box).rounded()) for region in self.sample.regions]

    @property
    def labels(self) -> list[str]:
        """The labels of the true boxes, in their order."""
        return [region.label for region in self.sample.regions]

    def prompt(self) -> list[dict[str, str]]:
        """The messages as `{"role", "content"}` with `<image>` in the place of each image."""
        return [
            {
                "role": message.role,
                "content": "".join(part if isinstance(part, str) else IMAGE for part in message.parts),
            }
            for message in self.messages
        ]

    def dialogue(self) -> list[dict[str, str]]:
        """The prompt and the completion after it."""
        return [*self.prompt(), {"role": "assistant", "content": self.completion}]


def conversations(
    corpus: Corpus,
    settings: InspectionSettings,
    *,
    prefer: Sequence[str] = (),
    references: int = 1,
    progress: Progress | None = None,
) -> Iterator[Conversation]:
    """The samples that have a verified text, one split after the other, in each the anomalous ones first.

    Args:
        corpus: The corpus.
        settings: How the model is asked; its budget fixes the views.
        prefer: Teachers whose texts are taken, see `mmrad.teach.chosen_texts`.
        references: How many references a query gets; 0 for none.
        progress: Told after every sample.

    Raises:
        UsageError: When a text was written for another view than the budget gives.
        DataError: When there are no texts, a reference is missing, an image cannot be read or has changed, or
            a text has a placeholder of a trainer in it.
    """
    texts = chosen_texts(corpus, prefer)
    # Readers of JSON lines take the type of a box from the first megabytes, where some box has to be.
    samples = sorted((s for s in corpus.samples if s.id in texts), key=lambda s: (s.split, not s.anomalous))
    if not samples:
        raise DataError(f"{corpus.path}: no sample has a verified text; run  mmrad teach {corpus.path}")
    refuse_other_views(samples, texts, settings.budget)
    pairs = corpus.pairs(samples, references=references)
    for sample, pair in zip(each(samples, progress), pairs, strict=True):
        yield _conversation(pair, texts[sample.id], settings)


def by_split(found: Iterable[Conversation]) -> Iterator[tuple[str, Iterator[Conversation]]]:
    """The conversations of each split; each group is to be read before the next."""
    return groupby(found, key=lambda conversation: conversation.sample.split)


def _conversation(pair: Pair, text: Reasoning, settings: InspectionSettings) -> Conversation:
    messages, query = settings.ask(pair)
    if query.size_wh != text.view_wh:
        raise DataError(
            f"{pair.image}: its size is now {query.original_wh}, in the corpus {pair.sample.size_wh}; "
            "build the corpus again"
        )
    parts = [part for message in messages for part in message.parts]
    completion = completion_of(text.text, settings)
    for said in (*(part for part in parts if isinstance(part, str)), completion):
        if unfit := _UNFIT.search(said):
            raise DataError(
                f"{pair.sample.id}: trainers cannot read {unfit[0]!r} as text, which is in {said!r}; "
                "change the prompt, or have the text written anew"
            )
    *references, _ = (part for part in parts if isinstance(part, View))
    return Conversation(pair.sample, query, tuple(references), tuple(messages), completion, text)


def write_views(views: Iterable[View], folder: Path) -> list[str]:
    """Write views as PNG, each unless the folder has it already.

    Returns:
        Their paths relative to the parent of the folder. A name depends on nothing but the pixels.
    """
    return [f"{folder.name}/{_write_view(view, folder)}" for view in views]


def _write_view(view: View, folder: Path) -> str:
    digest = hashlib.sha256(str(view.size_wh).encode())
    digest.update(view.image.tobytes())
    name = f"{digest.hexdigest()[:16]}.png"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_png(view.image))
    return name


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as lines of JSON; returns how many."""
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def write_parquet(path: Path, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> int:
    """Write rows as a Parquet file, a group at a time; returns how many."""
    count = 0
    waiting = iter(rows)
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        while group := list(islice(waiting, _GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
