"""A corpus as datasets for LLaMA-Factory, in its sharegpt format, and a training on them.

Format:  https://github.com/hiyouga/LLaMA-Factory/blob/main/data/README.md
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
from mmrad.files import write_text
from mmrad.inspectors.base import InspectionSettings

_DESCRIPTION = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages", "images": "images"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}


def export_llama_factory(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    prefer: Sequence[str] = (),
    references: int = 1,
    progress: Progress | None = None,
) -> int:
    """Write `OUT/SPLIT.jsonl`, `OUT/images/*.png`, `OUT/dataset_info.json` and `OUT/sft.yaml`.

    The datasets are named `mmrad_SPLIT`. `sft.yaml` is supervised fine-tuning with the paper's settings, on
    `mmrad_train`, or on all where there is no such split. It sets `image_max_pixels` to the largest view:
    above its own limit of 589,824 pixels, which is below the default budget, LLaMA-Factory resizes images
    once more, and the coordinates are no longer those of the image. It sets `cutoff_len` so that nothing is
    cut.

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
    datasets = {f"mmrad_{split}": {"file_name": f"{split}.jsonl", **_DESCRIPTION} for split in written}
    write_text(out / "dataset_info.json", json.dumps(datasets, indent=2) + "\n")
    values = {
        "DATASETS": ",".join(f"mmrad_{split}" for split in splits_to_train(list(written))),
        "MAX_PIXELS": extent.pixels,
        "MAX_LENGTH": extent.tokens,
    }
    write_training("llama_factory", out, values)
    return sum(written.values())


def _row(conversation: Conversation, folder: Path) -> dict[str, Any]:
    return {
        "messages": conversation.dialogue(),
        "images": write_views(conversation.views, folder),
        "sample_id": conversation.sample.id,
    }
