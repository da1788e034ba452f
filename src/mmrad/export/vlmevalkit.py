"""A corpus as a dataset for VLMEvalKit.

Format:  https://github.com/open-compass/VLMEvalKit/blob/main/docs/en/Development.md
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmrad.corpus import Corpus
from mmrad.export.benchmark import QUESTIONS, Question, questions
from mmrad.export.conversations import write_views
from mmrad.export.images import Progress, refuse_filled
from mmrad.files import atomic_path, write_text
from mmrad.inspectors.base import InspectionSettings

_TEMPLATE = Path(__file__).with_name("templates") / "vlmevalkit" / "mmrad_vlmevalkit.py"

_COLUMNS = (
    "index", "image_path", "system", *QUESTIONS.values(), "answer",
    "category", "source", "split", "sample_id", "truth",
)  # fmt: skip


def export_vlmevalkit(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    references: int = 1,
    splits: Sequence[str] = ("test",),
    progress: Progress | None = None,
) -> int:
    """Write `OUT/mmrad.tsv`, `OUT/images/*.png` and the class of the dataset, `OUT/mmrad_vlmevalkit.py`.

    The images are files, not base64 in the table, since many queries share a reference. The convention in
    which a model is asked for boxes and its answers are read is an argument of the class, which says how it
    is run; it takes that column of the questions.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        settings: How a model is asked. VLMEvalKit takes no limit of tokens and no temperature from a dataset.
        references: How many references a query gets; 0 for none.
        splits: The splits, together one benchmark.
        progress: Told after every sample.

    Returns:
        How many samples were written.

    Raises:
        UsageError: When the folder holds anything, or the corpus has no such split.
        DataError: See `mmrad.export.benchmark.questions`.
    """
    refuse_filled(out)
    found = questions(corpus, settings, references=references, splits=splits, progress=progress)
    count = 0
    with (
        atomic_path(out / "mmrad.tsv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, _COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        for count, row in enumerate(_rows(found, out / "images"), start=1):
            writer.writerow({"index": count, **row})
    write_text(out / _TEMPLATE.name, _TEMPLATE.read_text("utf-8"))
    return count


def _rows(found: Iterator[Question], folder: Path) -> Iterator[dict[str, Any]]:
    for question in found:
        sample = question.sample
        yield {
            "image_path": str(write_views(question.views, folder)),  # VLMEvalKit reads a list as Python does
            "system": question.system,
            **question.columns,
            "answer": question.answer,
            "category": sample.category,
            "source": sample.source,
            "split": sample.split,
            "sample_id": sample.id,
            "truth": json.dumps(question.truth),
        }
