"""The records that flow through mmrad: samples, pairs, reasoning texts and verdicts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmrad.box import Box

Status = Literal["ok", "unparsed", "truncated", "empty", "refused", "wrong_model", "failed"]
"""How an answer ended. Only `ok` carries a judgement; nothing else is ever read as "normal"."""

RETRIED: tuple[Status, ...] = ("failed", "empty", "wrong_model")
"""How an answer ended that is asked again on the next run; the others are final answers of the model."""

ScoreKind = Literal["probability", "confidence", "map", "fused"]
"""Where a score comes from: P(Yes) of the tokens, a confidence put in words, an expert's anomaly map, or a
model and an expert fused.

Scores of different kinds never stand in one column unmarked."""


@dataclass(frozen=True, slots=True)
class Region:
    """One anomalous area.

    Attributes:
        box: Place, in pixels of the original image.
        label: What it is, in plain words ("missing screw").
        mask: Path of the mask image relative to the source's root, or None.
    """

    box: Box
    label: str
    mask: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One query image with its truth; it is normal when `regions` is empty.

    Attributes:
        id: `source/category/split/stem`, the same on every machine.
        source: Name of the source it was read from.
        category: Product category.
        split: `train`, `validation` or `test` as the source has it.
        image: Path of the image relative to the source's root, with `/`.
        size_wh: Width and height in pixels after EXIF orientation.
        regions: The true anomalous regions.
        licence: Licence of the source's data.
        provenance: The annotation the truth came from, relative to the source's root.
        given_references: Normal images that the source itself pairs with this one, relative to the root.
    """

    id: str
    source: str
    category: str
    split: str
    image: str
    size_wh: tuple[int, int]
    regions: tuple[Region, ...]
    licence: str
    provenance: str = ""
    given_references: tuple[str, ...] = ()

    @property
    def anomalous(self) -> bool:
        """Whether the sample has at least one anomalous region."""
        return bool(self.regions)


@dataclass(frozen=True, slots=True)
class Pair:
    """A query beside its normal references, with paths that open on this machine.

    Attributes:
        sample: The query's record; for a user's own image its truth is unknown and unused.
        image: The query image.
        references: Normal images, best first; empty when judged without reference.
    """

    sample: Sample
    image: Path
    references: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A think-then-answer text for a sample, as a teacher wrote it.

    Attributes:
        sample_id: The sample it belongs to.
        text: The whole text as it was written.
        think: The reasoning, coordinates in pixels of the view it was written for.
        answer: The answer text, in the same pixels.
        view_wh: Width and height of that view.
        teacher: Who wrote it.
        verified: Whether all checks passed.
        checks: Outcome of each check by name.
    """

    sample_id: str
    text: str
    think: str
    answer: str
    view_wh: tuple[int, int]
    teacher: str
    verified: bool
    checks: dict[str, bool]


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost.

    Attributes:
        input_tokens: Tokens of the prompt as the model reports them, images included.
        output_tokens: Tokens written, hidden reasoning included.
        seconds: Wall time.
        cached: Whether it came out of a response cache and so cost nothing this time.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    seconds: float | None = None
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an inspector says of one query.

    Attributes:
        anomalous: The judgement, or None when there is none (any status but `ok`).
        regions: Predicted regions in pixels of the original image.
        think: The reasoning text, coordinates in pixels of the view.
        raw_text: The answer exactly as it came.
        score: Degree of anomaly when the inspector gives one: in [0, 1], but of the kind `map` on the
            expert's own scale.
        status: How the answer ended.
        detail: Why the status is not `ok`, in words.
        usage: What it cost.
        model_reported: The model that the response says it came from.
        score_kind: What the score is; None without a score.
    """

    anomalous: bool | None
    regions: tuple[Region, ...]
    think: str
    raw_text: str
    score: float | None
    status: Status
    detail: str = ""
    usage: Usage = Usage()
    model_reported: str | None = None
    score_kind: ScoreKind | None = None

    def __post_init__(self) -> None:
        if (self.status == "ok") != (self.anomalous is not None):
            raise ValueError(f"a verdict with status {self.status!r} cannot have anomalous={self.anomalous}")

    @property
    def claimed(self) -> tuple[Region, ...]:
        """The regions that count in localization.

        Those of a verdict that says anomalous, and those of an expert's map whatever it says of the image:
        pixels have a threshold of their own.
        """
        return self.regions if self.anomalous or self.score_kind == "map" else ()
