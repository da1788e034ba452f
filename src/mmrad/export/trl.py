"""A corpus as a dataset for the SFT and GRPO trainers of TRL.

    from datasets import load_dataset
    data = load_dataset("imagefolder", data_dir="OUT", split="train")

Formats:  https://huggingface.co/docs/trl/dataset_formats#vision-datasets,
          https://huggingface.co/docs/datasets/image_dataset
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmrad.corpus import Corpus
from mmrad.export.conversations import Conversation, by_split, conversations, write_parquet, write_views
from mmrad.export.images import Progress, refuse_filled
from mmrad.inspectors.base import InspectionSettings
from mmrad.inspectors.chat import to_chat
from mmrad.prompt import Message

_MESSAGES = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            ("content", pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))),
        ]
    )
)

# Typed, since of a split without anomalies no type of box could be inferred.
_SCHEMA = pa.schema(
    [
        ("prompt", _MESSAGES),
        ("completion", _MESSAGES),
        ("images_file_names", pa.list_(pa.string())),
        ("anomalous", pa.bool_()),
        ("boxes", pa.list_(pa.list_(pa.int64()))),
        ("labels", pa.list_(pa.string())),
        ("sample_id", pa.string()),
    ]
)


def export_trl(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    prefer: Sequence[str] = (),
    references: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write `OUT/SPLIT/metadata.parquet` and `OUT/SPLIT/images/*.png`.

    `SFTTrainer` reads `prompt`, `completion` and `images`. `GRPOTrainer` reads `prompt` and `images`, and
    gives the rest to reward functions: `anomalous`, `boxes` `[x1, y1, x2, y2]` in pixels of the last image,
    their `labels`, `sample_id`.

    Args:
        corpus: The corpus; its samples with a verified text are written.
        out: The folder; a new one, or an empty one.
        settings: How the model is asked.
        prefer: Teachers whose texts are taken, see `mmrad.teach.chosen_texts`.
        references: How many references a query gets; 0 for none.
        progress: Told after every sample.

    Returns:
        How many samples were written.

    Raises:
        UsageError: When the folder holds anything, or texts were written for another budget.
        DataError: See `mmrad.export.conversations.conversations`.
    """
    refuse_filled(out)
    found = conversations(corpus, settings, prefer=prefer, references=references, progress=progress)
    return sum(
        write_parquet(out / split / "metadata.parquet", _SCHEMA, (_row(one, out / split) for one in group))
        for split, group in by_split(found)
    )


def _row(conversation: Conversation, folder: Path) -> dict[str, Any]:
    return {
        "prompt": to_chat(conversation.messages),
        "completion": to_chat([Message("assistant", (conversation.completion,))]),
        "images_file_names": write_views(conversation.views, folder / "images"),
        "anomalous": conversation.sample.anomalous,
        "boxes": conversation.boxes,
        "labels": conversation.labels,
        "sample_id": conversation.sample.id,
    }
