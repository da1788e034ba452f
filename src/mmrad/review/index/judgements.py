"""What a run says of each sample: whether it is right, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmrad.bench.records import verdict_from_record
from mmrad.bench.run import VERDICTS_FILE, Run
from mmrad.corpus import Corpus
from mmrad.errors import DataError, UsageError
from mmrad.journal import Record
from mmrad.review.criteria import Verdict as Judged
from mmrad.review.index.columns import Mask, Rows, Tags
from mmrad.review.index.lines import Lines
from mmrad.sample import Verdict

JUDGED: tuple[Judged, ...] = ("right", "wrong", "missed", "false_alarm", "unanswered")
_RIGHT, _WRONG, _MISSED, _FALSE_ALARM, _UNANSWERED = range(5)

NOT_ASKED, NOTHING, NORMAL, ANOMALOUS = range(-2, 2)
"""What a run says of a sample: it was not asked, it gave no judgement, or it gave one."""

_SAID = {None: NOTHING, False: NORMAL, True: ANOMALOUS}


def named(runs: Sequence[Run], corpus: Corpus) -> dict[str, Run]:
    """Runs by their names; those that share one are called by their folders.

    Raises:
        UsageError: When one of them is of another corpus, or two cannot be told apart.
    """
    for run in runs:
        for source, digest in run.info.corpus_sha256.items():
            info = corpus.manifest.sources.get(source)
            if info is None or info.samples_sha256 != digest:
                raise UsageError(
                    f"{run.path}: the corpus {corpus.path} has other samples of {source!r} than when the run "
                    "was made; open the corpus of the run, or bench this one"
                )
    names = [run.info.name for run in runs]
    known = {
        name if names.count(name) == 1 else run.path.name: run for name, run in zip(names, runs, strict=True)
    }
    if len(known) < len(runs):
        raise UsageError("two of the runs have one name, and folders of one name; give each run once")
    return known


class Judgements:
    """What a run says of the samples of a corpus.

    Args:
        run: The run.
        rows: Row of each sample.
        anomalous: What they are, shape `(samples,)`.

    Attributes:
        said: `NOT_ASKED`, `NOTHING`, `NORMAL` or `ANOMALOUS`, shape `(samples,)`.
        judged: How it judged them, see `mmrad.review.criteria.Verdict`; nothing of those it was not asked.

    Raises:
        DataError: When a line is damaged.
    """

    def __init__(self, run: Run, rows: Mapping[str, int], anomalous: Mask) -> None:
        self._run = run
        self.said = np.full(len(anomalous), NOT_ASKED, np.int8)
        self._scores = np.full(len(anomalous), np.nan)
        self._of_maps = np.zeros(len(anomalous), bool)
        asked = {name: rows[name] for name in run.info.sample_ids if name in rows}
        self._lines = Lines(run.path / VERDICTS_FILE, asked, self._see)
        self.judged = _judged(self.said, anomalous)

    def _see(self, row: int, record: Record) -> None:
        try:
            verdict = record["verdict"]
            self.said[row] = _SAID[verdict["anomalous"]]
            score = verdict["score"]
            self._scores[row] = math.nan if score is None else float(score)
            self._of_maps[row] = verdict["score_kind"] == "map"
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self._run.path / VERDICTS_FILE}: the line of {record.get('sample_id')} is no verdict "
                f"({error!r}); remove it to ask again"
            ) from error

    def outcome(self, row: int) -> Judged | None:
        """How it judged a sample: `missed` or `false_alarm`, not `wrong`; None when it was not asked."""
        names = self.judged.of(row)
        return next((name for name in reversed(JUDGED) if name in names), None)

    def verdict(self, row: int, sample_id: str) -> Verdict | None:
        """The whole verdict on a sample; None when it was not asked.

        Raises:
            DataError: When its line is damaged.
        """
        lines = self._lines.of(row, sample_id)
        return verdict_from_record(lines[-1]["verdict"]) if lines else None

    def doubts(self, categories: Sequence[str], codes: Rows) -> NDArray[np.float64]:
        """How far the score of each sample is from the border between normal and anomalous.

        Of a probability, a confidence or a fused score that is the distance from 0.5. Scores of an expert's
        map have no common scale, so they are ranked within their category: it is the share of its samples
        between the score and the category's threshold, or the middle rank where the run has no threshold.

        Args:
            categories: Categories of sources, `source/category`.
            codes: The category of each sample, as its place among them, shape `(samples,)`.

        Returns:
            Shape `(samples,)`: the least sure have the smallest; infinity without a finite score.
        """
        scored = np.isfinite(self._scores)
        found = np.where(scored, np.abs(self._scores - 0.5), np.inf)
        ranked = scored & self._of_maps
        for code in np.unique(codes[ranked]):
            rows = np.flatnonzero(ranked & (codes == code))
            found[rows] = _from_border(self._scores[rows], self._threshold(categories[code]))
        return found

    def _threshold(self, category: str) -> float | None:
        """The one above which an expert calls an image of a category anomalous; None where it has none."""
        found = self._run.info.inspector.get("thresholds", {}).get(category)
        return None if found is None else float(found["image"])


def _judged(said: NDArray[np.int8], anomalous: Mask) -> Tags:
    answered = said >= NORMAL
    right = answered & ((said == ANOMALOUS) == anomalous)
    masks = {
        _RIGHT: right,
        _WRONG: answered & ~right,
        _MISSED: answered & ~right & anomalous,
        _FALSE_ALARM: answered & ~right & ~anomalous,
        _UNANSWERED: said == NOTHING,
    }
    found = {code: np.flatnonzero(mask) for code, mask in masks.items()}
    codes = np.concatenate([np.full(len(rows), code) for code, rows in found.items()])
    return Tags("verdict", JUDGED, np.concatenate(list(found.values())), codes, len(said))


def _from_border(scores: NDArray[np.float64], threshold: float | None) -> NDArray[np.float64]:
    """The share of some scores between each of them and the threshold, or the middle rank."""
    rising = np.sort(scores)
    border = len(scores) / 2 if threshold is None else np.searchsorted(rising, threshold)
    ranks = (np.searchsorted(rising, scores, "left") + np.searchsorted(rising, scores, "right")) / 2
    return np.asarray(np.abs(ranks - border) / len(scores))
