"""The metrics: detection, localization, ranking, and bootstrap intervals, from verdicts and the truth."""

from mmrad.metrics.detection import detection_counts, detection_figures
from mmrad.metrics.intervals import cluster_of
from mmrad.metrics.localization import localization_counts, localization_figures
from mmrad.metrics.paired import compare
from mmrad.metrics.ranking import auroc, average_precision
from mmrad.metrics.scores import (
    COUNTED_FIGURES,
    COUNTS,
    IOU_THRESHOLDS,
    RANKING_FIGURES,
    Figure,
    Group,
    Scores,
    score,
)

__all__ = [
    "COUNTED_FIGURES",
    "COUNTS",
    "IOU_THRESHOLDS",
    "RANKING_FIGURES",
    "Figure",
    "Group",
    "Scores",
    "auroc",
    "average_precision",
    "cluster_of",
    "compare",
    "detection_counts",
    "detection_figures",
    "localization_counts",
    "localization_figures",
    "score",
]
