"""A corpus as Parquet files for reinforcement learning with verl, and all that a training needs beside them.

Format:  https://verl.readthedocs.io/en/latest/preparation/prepare_data.html, and for images the columns that
`RLHFDataset` reads
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmrad.box import Box
from mmrad.corpus import Corpus
from mmrad.export.conversations import Conversation, by_split, conversations, write_parquet
from mmrad.export.images import Progress, refuse_filled
from mmrad.export.trainings import splits_to_train, write_training
from mmrad.image import encode_png
from mmrad.inspectors.base import InspectionSettings
from mmrad.teach import read_negatives
from mmrad.teach.negatives import Negative
from mmrad.train.examples.conversations import completion_of
from mmrad.train.reinforcement.contrast import worse

_SCHEMA = pa.schema(
    [
        ("data_source", pa.string()),
        ("prompt", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))),
        ("images", pa.list_(pa.struct([("bytes", pa.binary())]))),
        ("ability", pa.string()),
        ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
        (
            "extra_info",
            pa.struct(
                [
                    ("split", pa.string()),
                    ("index", pa.int64()),
                    ("sample_id", pa.string()),
                    ("answer", pa.string()),
                    ("negatives", pa.list_(pa.string())),
                ]
            ),
        ),
    ]
)


def export_verl(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    prefer: Sequence[str] = (),
    references: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write `OUT/SPLIT.parquet`, with the images in it as verl's own examples have them, and a training.

    `reward_model.ground_truth` is a JSON object: `anomalous`, `boxes` `[x1, y1, x2, y2]` in pixels of the
    last image, and their `labels`. `extra_info.answer` is the verified text, and `extra_info.negatives` are
    those of the corpus that earn less, both for contrastive sampling. `data_source` is `mmrad/SOURCE`, so
    that validation is reported for each source.

    The training is `OUT/config.yaml`, with the paper's settings, `reward.py`, `mmrad_agent_loop.py`,
    `agent_loop.yaml` and `launch.sh`, which starts it. It trains on the split `train`, or on all when there
    is none, and validates on `validation`, else on `test`, else on what it trains on.

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
    negatives = read_negatives(corpus)

    def rows(group: Iterable[Conversation]) -> Iterator[dict[str, Any]]:
        for index, one in enumerate(group):
            yield _row(one, _wrong(one, negatives.get(one.sample.id, ()), settings), index)

    written = {
        split: write_parquet(out / f"{split}.parquet", _SCHEMA, rows(group))
        for split, group in by_split(found)
    }
    train = splits_to_train(list(written))
    validation = [split for split in ("validation", "test") if split in written][:1] or train
    write_training("verl", out, {"TRAIN": _files(train), "VALIDATION": _files(validation)})
    return sum(written.values())


def _files(splits: Sequence[str]) -> str:
    return json.dumps([f"${{folder}}/{split}.parquet" for split in splits])


def _wrong(
    conversation: Conversation, negatives: Iterable[Negative], settings: InspectionSettings
) -> list[str]:
    """The negatives that were written for the view, as the model would have to write them."""
    texts = (one.text for one in negatives if one.view_wh == conversation.query.size_wh)
    boxes = [Box(*box) for box in conversation.boxes]
    return [completion_of(text, settings) for text in worse(texts, boxes)]


def _row(conversation: Conversation, negatives: Sequence[str], index: int) -> dict[str, Any]:
    sample = conversation.sample
    truth = {
        "anomalous": sample.anomalous,
        "boxes": conversation.boxes,
        "labels": conversation.labels,
    }
    return {
        "data_source": f"mmrad/{sample.source}",
        "prompt": conversation.prompt(),
        "images": [{"bytes": encode_png(view.image)} for view in conversation.views],
        "ability": "anomaly_detection",
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth, ensure_ascii=False)},
        "extra_info": {
            "split": sample.split,
            "index": index,
            "sample_id": sample.id,
            "answer": conversation.completion,
            "negatives": negatives,
        },
    }
