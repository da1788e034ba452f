"""The metrics: detection, localization, ranking, and bootstrap intervals, from verdicts and the truth."""

from mmrad.metrics.calibration import Calibration, CalibrationBin, calibration
from mmrad.metrics.cost import Cost, cost
from mmrad.metrics.detection import detection_counts, detection_figures
from mmrad.metrics.faithfulness import (
    FAITHFULNESS_FIGURES,
    Faithfulness,
    FaithfulnessRates,
    faithfulness,
    faithfulness_rates,
)
from mmrad.metrics.figures import LEVEL, Figure
from mmrad.metrics.identity import scorer_hash, task_hash
from mmrad.metrics.intervals import cluster_of
from mmrad.metrics.localization import localization_counts, localization_figures
from mmrad.metrics.paired import Difference, adjusted, compare, holm
from mmrad.metrics.places import PLACE_FIGURES, PlaceGroup, by_size, by_type
from mmrad.metrics.ranking import RANKING_FIGURES, auroc, average_precision
from mmrad.metrics.repeats import Repeats, Spread, repeats
from mmrad.metrics.scores import COUNTED_FIGURES, COUNTS, IOU_THRESHOLDS, MIXED, Group, Scores, score

__all__ = [
    "COUNTED_FIGURES",
    "COUNTS",
    "FAITHFULNESS_FIGURES",
    "IOU_THRESHOLDS",
    "LEVEL",
    "MIXED",
    "PLACE_FIGURES",
    "RANKING_FIGURES",
    "Calibration",
    "CalibrationBin",
    "Cost",
    "Difference",
    "Faithfulness",
    "FaithfulnessRates",
    "Figure",
    "Group",
    "PlaceGroup",
    "Repeats",
    "Scores",
    "Spread",
    "adjusted",
    "auroc",
    "average_precision",
    "by_size",
    "by_type",
    "calibration",
    "cluster_of",
    "compare",
    "cost",
    "detection_counts",
    "detection_figures",
    "faithfulness",
    "faithfulness_rates",
    "holm",
    "localization_counts",
    "localization_figures",
    "repeats",
    "score",
    "scorer_hash",
    "task_hash",
]
