"""Annotations made in other tools, taken back as reviews: Label Studio, CVAT, and whatever writes COCO."""

from mmrad.review.interchange.take import TOOLS, Taken, import_reviews

__all__ = ["TOOLS", "Taken", "import_reviews"]
