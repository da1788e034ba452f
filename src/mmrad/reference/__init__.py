"""References: normal images to show beside each sample, best aligned first."""

from mmrad.reference.align import Alignment
from mmrad.reference.retrieve import retrieve

__all__ = ["Alignment", "retrieve"]
