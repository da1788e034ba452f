"""Make a detector from its settings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmrad.errors import MissingExtraError, UsageError
from mmrad.inspectors.experts.detector import Detector
from mmrad.inspectors.experts.settings import ExpertSettings


def make_detector(settings: ExpertSettings, cache: Path | None = None) -> Detector:
    """A detector that has learned nothing yet.

    Args:
        settings: Resolved settings.
        cache: Folder of feature maps computed before, and where new ones are kept; None for none.

    Raises:
        UsageError: When the settings do not fit together.
        MissingExtraError: When a package is not installed.
        ProviderError: When the backbone's weights cannot be had.
    """
    if settings.crop and settings.size and settings.crop > settings.size:
        raise UsageError(
            f"crop is {settings.crop}, of images of {settings.size} pixels: give at most the size"
        )
    try:
        return _class_of(settings)(settings, cache)
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "experts") from error


def _class_of(settings: ExpertSettings) -> Callable[[ExpertSettings, Path | None], Detector]:
    """The class of a detector; each is imported only when it is wanted."""
    match settings.detector:
        case "padim":
            from mmrad.inspectors.experts.padim import PadimDetector

            return PadimDetector
        case "patchcore":
            from mmrad.inspectors.experts.patchcore import PatchcoreDetector

            return PatchcoreDetector
        case "hgad":
            from mmrad.inspectors.experts.hgad import HgadDetector

            return HgadDetector
        case "dinomaly":
            from mmrad.inspectors.experts.reconstruction import DinomalyDetector

            return DinomalyDetector
        case "inp-former":
            from mmrad.inspectors.experts.reconstruction import InpFormerDetector

            return InpFormerDetector
