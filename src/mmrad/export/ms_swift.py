"""A corpus as JSON lines for ms-swift.

Format:  https://swift.readthedocs.io/en/latest/Customization/Custom-dataset.html
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.export.conversations import Conversation, by_split, conversations, write_jsonl, write_views
from mmrad.export.images import Progress, refuse_filled
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
    """Write `OUT/SPLIT.jsonl` and `OUT/images/*.png`; ms-swift finds the images with `ROOT_IMAGE_DIR=OUT`.

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
    return sum(
        write_jsonl(out / f"{split}.jsonl", (_row(one, out / "images") for one in group))
        for split, group in by_split(found)
    )


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
