"""A corpus as JSON lines for ms-swift, and a training on them.

Format:  https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.export.conversations import Conversation, by_split, conversations, write_jsonl, write_views
from mmrad.export.images import Progress, refuse_filled
from mmrad.export.trainings import Extent, splits_to_train, write_training
from mmrad.inspectors.base import InspectionSettings


def export_ms_swift(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    prefer: Sequence[str] = (),
    references: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write `OUT/SPLIT.jsonl`, `OUT/images/*.png` and `OUT/sft.yaml`.

    ms-swift finds the images with `ROOT_IMAGE_DIR=OUT`. `sft.yaml` is supervised fine-tuning with the paper's
    settings, on the split `train`, or on all where there is none. It sets `max_length` so that all
    conversations fit, for ms-swift drops longer ones.

    Coordinates are written out in the texts, not as `<bbox>` or `<ref-object>`: ms-swift would put special
    tokens in place of the answer grammar's lists, and cannot put a box into a sentence that spells it in its
    own way. `objects` is the truth for reward functions; its `image_id` says that the boxes lie in the
    last image, the query.

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
    extent = Extent()
    written = {
        split: write_jsonl(out / f"{split}.jsonl", (_row(extent.seen(one), out / "images") for one in group))
        for split, group in by_split(found)
    }
    datasets = json.dumps([f"{split}.jsonl" for split in splits_to_train(list(written))])
    write_training("ms_swift", out, {"DATASETS": datasets, "MAX_LENGTH": extent.tokens})
    return sum(written.values())


def _row(conversation: Conversation, folder: Path) -> dict[str, Any]:
    query = len(conversation.views) - 1
    return {
        "messages": conversation.dialogue(),
        "images": write_views(conversation.views, folder),
        "objects": {
            "ref": conversation.labels,
            "bbox": conversation.boxes,
            "bbox_type": "real",
            "image_id": [query] * len(conversation.boxes),
        },
        "sample_id": conversation.sample.id,
    }
