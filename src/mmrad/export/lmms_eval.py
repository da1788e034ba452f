"""A corpus as a task for lmms-eval.

Format:  https://github.com/EvolvingLMMs-Lab/lmms-eval/blob/main/docs/guides/task_guide.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from string import Template
from typing import Any

import pyarrow as pa

from mmrad.coordinates import CoordinateSpace
from mmrad.corpus import Corpus
from mmrad.export.benchmark import FIGURES, QUESTIONS, TRUTH, Question, questions
from mmrad.export.conversations import write_parquet, write_views
from mmrad.export.images import Progress, refuse_filled
from mmrad.files import write_text
from mmrad.inspectors.base import InspectionSettings

_TEMPLATES = Path(__file__).with_name("templates") / "lmms_eval"

_SCHEMA = pa.schema(
    [
        *TRUTH,
        pa.field("system", pa.string()),
        pa.field("images", pa.list_(pa.string())),
        *(pa.field(name, pa.string()) for name in QUESTIONS.values()),
        pa.field("answer", pa.string()),
    ]
)


def export_lmms_eval(
    corpus: Corpus,
    out: Path,
    *,
    settings: InspectionSettings,
    references: int = 1,
    splits: Sequence[str] = ("test",),
    progress: Progress | None = None,
) -> int:
    """Write `OUT/samples.parquet`, `OUT/images/*.png`, `OUT/utils.py` and `OUT/mmrad_SPACE.yaml`.

    lmms-eval hands a task's settings to the functions that ask and not to those that score, so there is a
    task for each convention of coordinates, `mmrad_view`, `mmrad_thousand` and so on; which one a model is
    given says how it is asked for boxes and how they are read, and stands in the results.

    Args:
        corpus: The corpus.
        out: The folder; a new one, or an empty one.
        settings: How a model is asked.
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
    count = write_parquet(out / "samples.parquet", _SCHEMA, _rows(found, out / "images"))
    write_text(out / "utils.py", (_TEMPLATES / "utils.py").read_text("utf-8"))
    write_text(out / "_mmrad_yaml", _common(settings))
    for space in CoordinateSpace:
        lines = [
            "include: _mmrad_yaml",
            f"task: mmrad_{space.value}",
            f"doc_to_text: !function utils.text_{space.value}",
            f"doc_to_messages: !function utils.messages_{space.value}",
            f"process_results: !function utils.process_{space.value}",
            f"metadata: {json.dumps(_metadata(settings, references, space))}",
        ]
        write_text(out / f"mmrad_{space.value}.yaml", "\n".join(lines) + "\n")
    return count


def _rows(found: Iterator[Question], folder: Path) -> Iterator[dict[str, Any]]:
    for question in found:
        yield {
            **question.truth,
            "system": question.system,
            "images": write_views(question.views, folder),
            **question.columns,
            "answer": question.answer,
        }


def _metadata(settings: InspectionSettings, references: int, space: CoordinateSpace) -> dict[str, Any]:
    """How a task asks, for the results."""
    return {"version": 2, "references": references, **replace(settings, space=space).key()}


def _common(settings: InspectionSettings) -> str:
    """What all tasks share; JSON is YAML."""
    generation = {
        "max_new_tokens": settings.max_tokens,
        "temperature": settings.temperature,
        "do_sample": settings.temperature > 0,
        # By default lmms-eval ends an answer at its first empty line, which may stand in the reasoning.
        "until": [],
    }
    metrics = [
        f"  - metric: {name}\n"
        f"    aggregation: !function utils.{name.replace('.', '_')}\n"
        f"    higher_is_better: {json.dumps(name != 'unanswered')}\n"
        for name in FIGURES
    ]
    return Template((_TEMPLATES / "mmrad_yaml").read_text("utf-8")).substitute(
        generation=json.dumps(generation),
        metrics="".join(metrics),
    )
