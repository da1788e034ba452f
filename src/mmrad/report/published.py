"""The rows of the paper's Table 4, to stand beside one's own, marked as published.

They are the paper's word: other prompts, another scorer's code and perhaps other revisions of the models. So
they are shown and never enter a mean, a test or a ranking together with what was measured here.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mmrad.corpus import Corpus
from mmrad.errors import DataError
from mmrad.sources import ADAPTERS

PUBLISHED_IOU = 0.1
"""From this IoU on a box was right in the paper (section 5.2)."""

SOURCES = {"MVTecAD": "mvtec", "VisA": "visa", "MVTec3D": "mvtec3d", "MPDD": "mpdd"}
"""The adapters that read the paper's four evaluation datasets."""

_FILE = "data/table4.csv"

Percent = Annotated[
    Annotated[float, Field(ge=0, le=100)] | None, BeforeValidator(lambda text: None if text == "" else text)
]


class PublishedRow(BaseModel):
    """One model on one dataset, in percent.

    Attributes:
        group: `commercial`, `open`, `expert_full_shot` (trained on all normal images of the dataset, and out
            of competition in the paper), or `anomaly_r1`.
        model: Name as in the paper; with a dagger when told the domain knowledge.
        dataset: Name of the dataset as in the paper.
        det_accuracy: Detection accuracy; likewise recall and precision.
        loc_accuracy: Localization accuracy at IoU 0.1; likewise recall and precision; None where the paper
            has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: Literal["commercial", "open", "expert_full_shot", "anomaly_r1"]
    model: str
    dataset: Literal["MVTecAD", "VisA", "MVTec3D", "MPDD"]
    det_accuracy: Percent
    det_recall: Percent
    det_precision: Percent
    loc_accuracy: Percent
    loc_recall: Percent
    loc_precision: Percent

    @property
    def source(self) -> str:
        """The adapter that reads the dataset, which is also what its source is called by default."""
        return SOURCES[self.dataset]


def rows_beside(corpus: Corpus, source: str) -> list[PublishedRow]:
    """The rows about the dataset that a source of a corpus is; none where it only has the dataset's layout.

    A source with a licence of its own (`mmrad.toml` in its root), such as made-up products, is another.
    """
    info = corpus.manifest.sources[source]
    adapter = ADAPTERS.get(info.adapter)
    if adapter is None or info.licence != adapter.licence:
        return []
    return [row for row in published_rows() if row.source == adapter.name]


@cache
def published_rows() -> tuple[PublishedRow, ...]:
    """All rows of Table 4, models in its order, of each its four datasets.

    Raises:
        DataError: When the file that comes with mmrad was damaged.
    """
    path = files("mmrad.report").joinpath(_FILE)
    lines = csv.DictReader(path.read_text("utf-8").splitlines(), restval="missing")
    try:
        rows = tuple(PublishedRow.model_validate(line) for line in lines)
    except ValidationError as error:
        raise DataError(f"{path}: {error.errors()[0]}; install mmrad again") from error
    if len({(row.model, row.dataset) for row in rows}) != len(rows):
        raise DataError(f"{path}: gives a model twice for one dataset; install mmrad again")
    return rows
