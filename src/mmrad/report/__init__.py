"""The report: one self-contained HTML page with the figures and the pictures of runs."""

from mmrad.report.page import write_report

__all__ = ["write_report"]
