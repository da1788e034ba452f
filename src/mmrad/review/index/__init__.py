"""What is known of each sample of a corpus, and which samples have what is asked for."""

from mmrad.review.index.samples import SampleIndex
from mmrad.review.index.statistics import CategoryRow, Histogram, SelectionStatistics

__all__ = ["CategoryRow", "Histogram", "SampleIndex", "SelectionStatistics"]
