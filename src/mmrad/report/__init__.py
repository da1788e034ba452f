"""Self-contained HTML pages: the figures and the pictures of runs, and the statistics of a corpus."""

from mmrad.report.page import write_report
from mmrad.report.statistics import Summary, shown_tables, write_statistics

__all__ = ["Summary", "shown_tables", "write_report", "write_statistics"]
