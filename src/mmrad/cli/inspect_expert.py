"""What `mmrad inspect` does with an expert detector: trained before, or on the good images that are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mmrad.cli.progress import progress
from mmrad.errors import UsageError

if TYPE_CHECKING:
    from mmrad.image import RGB
    from mmrad.inspectors.experts.detector import Detector
    from mmrad.inspectors.experts.thresholds import Calibration, Thresholds
    from mmrad.sample import Verdict

QUICK = ("padim", "patchcore")
"""Detectors that learn from good images while one waits."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a part.

    Attributes:
        verdict: The verdict.
        drawn: The picture; None where there is no judgement.
        levels: The thresholds that an expert judged by.
    """

    verdict: Verdict
    drawn: RGB | None
    levels: Thresholds | None = None


def by_expert(part: Path, image: RGB, good: Sequence[Path], model: str, category: str | None) -> Judged:
    """What an expert says of a part.

    Args:
        part: Image of the part.
        image: Its pixels.
        good: Images of good parts, for the name of a detector.
        model: Name of a detector, or folder of an expert.
        category: Of the expert; None for its only one.

    Raises:
        UsageError: When the arguments do not fit together, or there are too few good images.
        DataError: When a file cannot be read.
    """
    import numpy as np

    from mmrad.inspectors.experts.detector import Item
    from mmrad.inspectors.experts.inspector import verdict_of
    from mmrad.inspectors.experts.maps import placed
    from mmrad.inspectors.experts.settings import DETECTORS
    from mmrad.inspectors.experts.thresholds import thresholds
    from mmrad.picture import annotate_heat

    if model in DETECTORS:
        detector, calibration, category = _learned(part, good, model, category)
    else:
        detector, calibration, category = _trained(Path(model), good, category)
    levels = thresholds(calibration)
    _caution(levels)
    [raw] = detector.judge([Item(part, category)])
    size_wh = (image.shape[1], image.shape[0])
    verdict = verdict_of(raw, levels, detector.geometry, size_wh)
    if verdict.status != "ok":
        return Judged(verdict, None, levels)
    values = placed(raw.values, detector.geometry, size_wh)
    usual = float(np.median(calibration.medians))
    return Judged(verdict, annotate_heat(image, verdict, values, usual, levels.pixel), levels)


def _learned(
    part: Path, good: Sequence[Path], name: str, category: str | None
) -> tuple[Detector, Calibration, str]:
    from mmrad.image import image_hash
    from mmrad.inspectors.experts.fit import OWN_CATEGORY, fit_on_images
    from mmrad.inspectors.experts.settings import TITLES, ExpertSettings

    settings = ExpertSettings.model_validate({"detector": name})
    if category:
        raise UsageError(f"--category is for a trained expert, and {name} is the name of a detector")
    if name not in QUICK:
        raise UsageError(
            f"{name} trains for long: train it with  mmrad train expert CORPUS --model {name} --out EXPERT  "
            f"and give --model EXPERT; {' and '.join(QUICK)} learn from --reference at once"
        )
    own = image_hash(part)
    others = [path for path in good if image_hash(path) != own]
    if len(others) < len(good):
        typer.secho(f"{part} is itself among the good images and is left out there", fg="yellow", err=True)
    with progress(f"{TITLES[settings.detector]}, images") as update:
        detector, calibration = fit_on_images(others, settings, progress=update)
    return detector, calibration, OWN_CATEGORY


def _trained(folder: Path, good: Sequence[Path], category: str | None) -> tuple[Detector, Calibration, str]:
    from mmrad.inspectors.experts.expert import Expert

    if good:
        raise UsageError(f"{folder} is trained already: leave out --reference")
    expert = Expert.load(folder)
    if category is None and len(expert.categories) > 1:
        raise UsageError(
            f"{folder} knows several categories: give --category, one of {', '.join(expert.categories)}"
        )
    category = category or expert.categories[0]
    calibration = expert.calibration(category)
    return expert.part_for(category), calibration, category


def _caution(levels: Thresholds) -> None:
    from itertools import count

    from mmrad.inspectors.experts.fit import held_out_of
    from mmrad.inspectors.experts.thresholds import fewest

    if levels.kind == "conformal":
        return
    needed = next(images for images in count() if held_out_of(images) >= fewest(levels.alpha))
    typer.secho(
        f"caution: the threshold is the maximum of the {levels.held_out} good images held out, which "
        f"promises no rate of false alarms; from {needed} good images on it is one of {levels.alpha:.0%}",
        fg="yellow",
        err=True,
    )
