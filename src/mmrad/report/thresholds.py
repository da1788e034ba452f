"""How tables call the choice of an expert's thresholds, and what stands under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmrad.bench.expert_runs import threshold_of
from mmrad.bench.run import RunInfo

ORACLE = "oracle (paper)"

_NOTES = {
    ORACLE: "Oracle thresholds were chosen on the test labels, as in the paper (section 5.2): the most that "
    "a threshold could give, and out of competition.",
    "honest": "Honest thresholds come from normal images held out of training; no test image has a part in "
    "them. Alpha is the share of false alarms that they allow.",
    "honest (max)": "Honest thresholds (max): of fewer than 1 / alpha - 1 normal images held out of "
    "training, the largest value; it promises nothing of false alarms.",
    "honest (mixed)": "Honest thresholds (mixed): in some categories the largest value of too few normal "
    "images held out of training; there it promises nothing of false alarms.",
}


def threshold_text(info: RunInfo) -> str | None:
    """What a table says of a run's thresholds; None of an inspector without."""
    kind = threshold_of(info)
    if kind != "honest":
        return ORACLE if kind else None
    calibration = info.about.get("calibration", "conformal")
    return "honest" if calibration == "conformal" else f"honest ({calibration})"


def threshold_notes(infos: Sequence[RunInfo]) -> Iterator[str]:
    """A sentence on each kind of threshold that occurs."""
    found = {threshold_text(info) for info in infos}
    yield from (note for text, note in _NOTES.items() if text in found)
