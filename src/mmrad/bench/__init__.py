"""Runs: the verdicts of one inspector on samples of a corpus, asked so that they resume."""

from mmrad.bench.progress import Progress
from mmrad.bench.records import verdict_from_record, verdict_to_record
from mmrad.bench.run import Run, RunInfo
from mmrad.bench.runner import bench

__all__ = ["Progress", "Run", "RunInfo", "bench", "verdict_from_record", "verdict_to_record"]
